"""The tasks of X-ARES 0.1.3 as data, and our own task folders in the same terms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codec.errors import CodecError
from eval.semantics.interface import SPLITS, Kind, TaskCard, read_card

STEPS = 1000
"""That the head of a task of our own is trained for at least: ten epochs of a few hundred clips would leave it at its start."""
Metric = Literal["accuracy", "mAP", "segmentf1_macro", "segmentf1_micro", "recallatk_r1", "WER_inv", "EER_inv"]


@dataclass(frozen=True)
class TaskDefinition:
    """How a task is read, trained and scored.

    Attributes:
        name: of its folder.
        title: for tables.
        domain: speech, music or sound.
        metric: as X-ARES names it, or ``EER_inv``: 1 less the equal error rate.
        classes: how many; None where there are none.
        weight: in the average over tasks.
        label: field of a clip's JSON file; of an event's in frame tasks; every field is a caption in retrieval.
        splits: beginnings of the tar files' names, for training, validation and test; two may be the same.
        folds: patterns of the folds' tar files instead of splits.
        kind: what is predicted.
        crop_seconds: clips are cut into pieces of this length.
        encode_batch: clips that X-ARES pads to a common length and encodes together.
        batch_size: of the head's training.
        epochs: of the head's training.
        knn: whether neighbours are scored.
        separator: between several labels in one field.
        segment_seconds: over which frame-wise decisions are pooled.
        positive_weight: of present classes in the loss of a frame task.
        public: its data can be had.
        zenodo: record that has it.
        names: all classes in order, if known beforehand; otherwise those of the training split, sorted.
        sample_rate: that clips must have in Hz; None: any.
    """

    name: str
    title: str
    domain: str
    metric: Metric
    classes: int | None
    weight: float
    label: str
    splits: tuple[str, str, str] | None = None
    folds: tuple[str, ...] = ()
    kind: Kind | Literal["asr"] = "clip"
    crop_seconds: int | None = None
    encode_batch: int = 16
    batch_size: int = 32
    epochs: int = 10
    knn: bool = True
    separator: str | None = None
    segment_seconds: float = 1.0
    positive_weight: float = 1.0
    public: bool = True
    zenodo: str | None = None
    names: tuple[str, ...] = ()
    sample_rate: int | None = None

    def tars(self, folder: Path) -> dict[str, list[Path]]:
        """Tar files by split name or fold number.

        Raises:
            CodecError: a split or fold has none.
        """
        patterns = {str(number): pattern for number, pattern in enumerate(self.folds)} or {
            split: f"{beginning}*.tar" for split, beginning in zip(SPLITS, self.splits or (), strict=True)
        }
        found = {split: sorted(folder.glob(pattern)) for split, pattern in patterns.items()}
        for split, paths in found.items():
            if not paths:
                raise CodecError(f"{folder}: no {patterns[split]}, the task has no {split if self.splits else 'fold ' + split}")
        return found


def card_of(folder: Path) -> TaskCard:
    """The card of a task folder, whose name it must carry.

    Raises:
        CodecError: no card, or another task's.
    """
    card = read_card(folder)
    if card.name != folder.resolve().name:
        raise CodecError(f"{folder / 'task.json'}: describes task {card.name!r}, not this folder's")
    return card


def from_card(card: TaskCard) -> TaskDefinition:
    """A task folder of our own in the terms of X-ARES.

    Raises:
        CodecError: a metric or kind that no head here scores.
    """
    metrics: Mapping[str, Metric] = {
        "accuracy": "accuracy",
        "mAP": "mAP",
        "segmentf1_macro": "segmentf1_macro",
        "segmentf1_micro": "segmentf1_micro",
        "recallatk_r1": "recallatk_r1",
        "EER_inv": "EER_inv",
    }
    if card.metric not in metrics or card.kind not in ("clip", "frame", "retrieval", "verification"):
        raise CodecError(
            f"task {card.name}: kind {card.kind} with metric {card.metric} is unknown; known are {', '.join(metrics)}"
        )
    if card.kind != "retrieval" and len(card.classes) < 2:
        raise CodecError(f"task {card.name}: {len(card.classes)} class in task.json, there is nothing to tell apart")
    return TaskDefinition(
        name=card.name,
        title=card.name.replace("_", " ").replace("-", " "),
        domain=card.domain,
        metric=metrics[card.metric],
        classes=len(card.classes) or None,
        weight=card.weight,
        label="label",
        splits=("wds-audio-train-", "wds-audio-valid-", "wds-audio-test-"),
        kind=card.kind,
        knn=card.kind == "verification" or (card.kind == "clip" and card.metric == "accuracy"),
        separator=";" if card.metric == "mAP" else None,
        epochs=max(10, math.ceil(STEPS * 32 / max(card.counts.get("train", 0), 1))),
        names=card.classes,
        sample_rate=card.sample_rate,
    )


def _folds(pattern: str, first: int, count: int) -> tuple[str, ...]:
    return tuple(pattern.format(number) for number in range(first, first + count))


# fmt: off
TASKS = (
    TaskDefinition("asvspoof2015", "ASV2015", "speech", "accuracy", 2, 2000, "binary_spoof", splits=("asvspoof_train",
        "asvspoof_valid", "asvspoof_eval"), batch_size=64, epochs=5, zenodo="14718430"),
    TaskDefinition("clotho", "Clotho", "sound", "recallatk_r1", None, 1045, "", splits=("clotho_development",
        "clotho_evaluation", "clotho_validation"), kind="retrieval", crop_seconds=30, batch_size=128,
        epochs=20, knn=False, zenodo="14856454"),
    TaskDefinition("cremad", "CREMA-D", "speech", "accuracy", 6, 1116, "label", splits=("wds-audio-train",
        "wds-audio-valid", "wds-audio-test"), zenodo="14646870"),
    TaskDefinition("desed", "DESED", "sound", "segmentf1_macro", 10, 1153, "label", splits=("wds-audio-train",
        "wds-audio-eval", "wds-audio-eval"), kind="frame", knn=False, separator=",", segment_seconds=1.0,
        zenodo="14808180"),
    TaskDefinition("esc50", "ESC-50", "sound", "accuracy", 50, 400, "label", folds=_folds("wds-audio-fold-{}-*.tar", 1,
        5), zenodo="14614287"),
    TaskDefinition("finger_snap", "Finger snap sound", "sound", "accuracy", 2, 5000, "tag", splits=("finger_snap_train",
        "finger_snap_test", "finger_snap_test"), epochs=20, public=False),
    TaskDefinition("fluentspeechcommands", "Fluent Speech Commands", "speech", "accuracy", 248, 2000, "transcription",
        splits=("fluentspeechcommands_train", "fluentspeechcommands_valid", "fluentspeechcommands_test"),
        encode_batch=1, zenodo="14722453"),
    TaskDefinition("freemusicarchive", "Free Music Archive Small", "music", "accuracy", 8, 800, "genre",
        splits=("fma_small_train", "fma_small_valid", "fma_small_test"), crop_seconds=10, epochs=3,
        zenodo="14725056"),
    TaskDefinition("fsd50k", "FSD50k", "sound", "mAP", 200, 2000, "soundevent", splits=("fsd50k_train",
        "fsd50k_validation", "fsd50k_eval"), crop_seconds=10, batch_size=64, knn=False, separator=";",
        zenodo="14868441"),
    TaskDefinition("fsdkaggle2018", "FSD18-Kaggle", "sound", "accuracy", 41, 1600, "sound", splits=("fsd18_train",
        "fsd18_test", "fsd18_test"), batch_size=64, epochs=3, knn=False, zenodo="14725117"),
    TaskDefinition("gtzan_genre", "GTZAN Genre", "music", "accuracy", 10, 100, "genre",
        folds=_folds("gtzan_fold_{}_0000000.tar", 0, 10), zenodo="14722472"),
    TaskDefinition("inside_outside_car", "Inside/outside car", "sound", "accuracy", 2, 5000, "position",
        splits=("inside_outside_car_train", "inside_outside_car_test", "inside_outside_car_test"), epochs=20,
        public=False),
    TaskDefinition("key_scratching", "Key scratching car", "sound", "accuracy", 2, 5000, "tag",
        splits=("key_scratching_train", "key_scratching_test", "key_scratching_test"), epochs=20,
        public=False),
    TaskDefinition("libricount", "LibriCount", "speech", "accuracy", 11, 1144, "num_speakers",
        folds=_folds("libricount_fold{:02d}.tar", 0, 5), batch_size=64, zenodo="14722478"),
    TaskDefinition("librispeech", "LibriSpeech-100h", "speech", "WER_inv", None, 10000, "trans",
        splits=("train-clean-100", "dev-clean", "test-clean"), kind="asr", batch_size=4, knn=False,
        zenodo="14716252"),
    TaskDefinition("librispeechmalefemale", "LibriSpeech-MF", "speech", "accuracy", 2, 2620, "gender",
        splits=("train-clean-100", "dev-clean", "test-clean"), crop_seconds=5, zenodo="14716252"),
    TaskDefinition("liveenv", "liveenv", "sound", "accuracy", 28, 5000, "soundevent", splits=("liveenv_train",
        "liveenv_test", "liveenv_test"), epochs=50, knn=False, public=False),
    TaskDefinition("maestro", "MAESTRO", "music", "segmentf1_micro", 87, 65, "note", splits=("maestro_train",
        "maestro_valid", "maestro_test"), kind="frame", encode_batch=1, batch_size=1, epochs=50, knn=False,
        segment_seconds=0.1, positive_weight=10.0, zenodo="14858022"),
    TaskDefinition("nsynthinstument", "NSynth-Instruments", "music", "accuracy", 11, 2000, "instrument_family_str",
        splits=("nsynth_train", "nsynth_valid", "nsynth_test"), zenodo="14725174"),
    TaskDefinition("ravdess", "RAVDESS", "speech", "accuracy", 8, 360, "emotion",
        folds=_folds("ravdess_fold_{}_0000000.tar", 0, 4), zenodo="14722524"),
    TaskDefinition("speechcommandsv1", "Speech Commands V1", "speech", "accuracy", 30, 2000, "labels",
        splits=("wds-audio-train", "wds-audio-valid", "wds-audio-test"), batch_size=64, zenodo="14722647"),
    TaskDefinition("subway_broadcast", "Subway broadcast", "sound", "accuracy", 2, 5000, "broadcasting",
        splits=("subway_broadcast", "subway_broadcast", "subway_broadcast"), epochs=20, public=False),
    TaskDefinition("urbansound8k", "UrbanSound 8k", "sound", "accuracy", 10, 873, "soundevent",
        folds=_folds("urbansound_fold{}_0000000.tar", 1, 10), zenodo="14722683"),
    TaskDefinition("vocalimitations", "Vocal Imitation", "speech", "accuracy", 302, 1867, "imitation",
        folds=_folds("vocal_imitations_fold{:02d}_0000000.tar", 0, 3), encode_batch=1, epochs=20,
        zenodo="14862060"),
    TaskDefinition("vocalsound", "VocalSound", "speech", "accuracy", 6, 2000, "label", splits=("train", "valid", "test"),
        zenodo="14722710"),
    TaskDefinition("voxceleb1", "VoxCeleb1", "speech", "accuracy", 1251, 2000, "speakerid", splits=("voxceleb1_train",
        "voxceleb1_valid", "voxceleb1_test"), crop_seconds=6, zenodo="14811963"),
    TaskDefinition("voxlingua33", "VoxLingua33", "speech", "accuracy", 33, 1609, "labels", splits=("train_subset", "dev",
        "dev"), crop_seconds=10, batch_size=64, zenodo="14812245"),
)
"""All 27 of the 2025 challenge; 22 are public."""
# fmt: on

BY_NAME = {task.name: task for task in TASKS}
