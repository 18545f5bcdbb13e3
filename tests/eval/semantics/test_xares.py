from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from codec.errors import AudioError, CodecError
from eval.semantics.interface import TaskCard
from eval.semantics.scores import MAJORITY, Mode, Score, weighted_average
from eval.semantics.xares.examples import embed_tars
from eval.semantics.xares.published import LEADERBOARD, Entry
from eval.semantics.xares.run import PartlyScoredError, run_majority, run_task
from eval.semantics.xares.tasks import BY_NAME, TASKS, TaskDefinition, card_of, from_card
from tests.eval.semantics.folders import PITCHES, RATE, Spectrum, flac, tone, tone_samples, tone_task, wav, write_tar


@pytest.mark.parametrize("entry", [entry for entry in LEADERBOARD if entry.head == "knn"], ids=lambda entry: entry.team)
def test_published_averages_of_track_b_follow_from_the_weights(entry: Entry) -> None:
    assert len(entry.scores) == 20
    assert entry.recomputed == pytest.approx(entry.average, abs=0.001)


def test_published_averages_of_track_a_where_they_can_be_reproduced() -> None:
    close = {entry.team for entry in LEADERBOARD if entry.head == "mlp" and abs(entry.recomputed - entry.average) < 0.001}
    assert {"AudioX", "SAMoVA", "Probin"} <= close


def test_task_definitions_add_up() -> None:
    assert len(TASKS) == len(BY_NAME) == 27
    assert sum(task.weight for task in TASKS) == 63752
    assert sum(task.weight for task in TASKS if task.public) == 38752
    assert sum(task.weight for task in TASKS if task.knn) == 42889
    assert all(bool(task.splits) != bool(task.folds) for task in TASKS)


@pytest.fixture
def own_threads() -> Iterator[None]:
    """X-ARES sets the number of threads for the whole process whenever a task is made."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("own_threads")
def test_task_definitions_agree_with_the_package() -> None:
    from importlib import import_module
    from pkgutil import iter_modules

    import tasks

    seen = set()
    for module in iter_modules(tasks.__path__):
        imported = import_module(f"tasks.{module.name}")
        make = next(getattr(imported, name) for name in dir(imported) if name.endswith("_config"))
        theirs = make(None)
        ours = BY_NAME[theirs.name]
        seen.add(theirs.name)
        assert (ours.title, ours.weight, ours.epochs, ours.batch_size, ours.encode_batch, ours.knn, ours.crop_seconds) == (
            theirs.formal_name,
            theirs.eval_weight,
            theirs.epochs,
            theirs.batch_size_train,
            theirs.batch_size_encode,
            theirs.do_knn,
            theirs.crop_length,
        ), theirs.name
        assert (ours.metric, ours.classes, ours.public) == (theirs.metric, theirs.output_dim, not theirs.private)
        if theirs.k_fold_splits:
            assert list(ours.folds) == list(theirs.audio_tar_name_of_split.values())
        else:
            assert ours.splits == (theirs.train_split, theirs.valid_split, theirs.test_split)
        if theirs.metric_args:
            assert ours.segment_seconds == theirs.metric_args["segment_length_in_s"]
    assert seen == set(BY_NAME)


def run(folder: Path, mode: Mode = "corrected", task: TaskDefinition | None = None, embedder: object = None) -> list[Score]:
    task = task or dataclasses.replace(from_card(card_of(folder)), epochs=20)
    return run_task(task, folder, embedder or Spectrum(), ["knn", "mlp"], mode, "tasks")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["corrected", "compatible"])
def test_a_task_is_scored_the_same_way_each_time(tmp_path: Path, mode: Mode) -> None:
    folder = tone_task(tmp_path)
    task = from_card(card_of(folder))
    assert task.epochs == 1067
    knn, mlp = first = run(folder, mode, dataclasses.replace(task, epochs=300))
    assert mlp.value > 0.8
    # What X-ARES calls k-NN is no cosine similarity.
    assert knn.value > (0.8 if mode == "corrected" else 0)
    assert (knn.train, knn.test, knn.weight) == (30, 12, 12.0)
    assert run(folder, mode, dataclasses.replace(task, epochs=300)) == first


def test_majority_class(tmp_path: Path) -> None:
    folder = tone_task(tmp_path, train=31)
    like = run(folder)[0]
    row = run_majority(from_card(card_of(folder)), folder, like)
    assert (row.value, row.embedder, row.head) == (pytest.approx(1 / 3), MAJORITY, "majority")


def verification_task(root: Path) -> Path:
    """Pitches as speakers; those of valid and test are others than those of training."""
    pitches = {"train": (150, 300, 700, 1500, 3500), "valid": (220, 1000, 2500), "test": (180, 500, 1200, 2800)}
    for split, own in pitches.items():
        samples = [
            (f"{split}-{p}-{i}", flac(tone(p, 0.4, 31 * p + i, 0.02)), {"label": str(p), "group": str(p)})
            for p in own
            for i in range(6)
        ]
        write_tar(root / "who" / f"wds-audio-{split}-000000.tar", samples)
    classes = tuple(str(p) for own in pitches.values() for p in own)
    counts = {split: 6 * len(own) for split, own in pitches.items()}
    about = ("synthetic", "pitches", "", 0, counts, 24.0)
    TaskCard("who", "verification", "EER_inv", classes, *about).write(root)
    return root / "who"


def test_speakers_that_training_never_heard_are_verified(tmp_path: Path) -> None:
    folder = verification_task(tmp_path)
    task = dataclasses.replace(from_card(card_of(folder)), epochs=40)
    knn, mlp = run(folder, task=task)
    assert (knn.metric, knn.train, knn.test) == ("EER_inv", 30, 24)
    assert 0.85 < knn.value <= 1
    assert 0.85 < mlp.value <= 1
    assert run(folder, "compatible", task) == []
    row = run_majority(task, folder, knn)
    assert (row.value, row.head) == (0.5, "majority")

    class Deaf(Spectrum):
        name = "deaf"

        def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
            return [np.random.default_rng(len(w) + int(1e6 * abs(w[0]))).standard_normal((1, 24)).astype("f4") for w in waves]

    assert run(folder, task=task, embedder=Deaf())[0].value == pytest.approx(0.5, abs=0.15)


def test_one_speaker_alone_cannot_be_verified(tmp_path: Path) -> None:
    folder = verification_task(tmp_path)
    alone = [(f"a{i}", flac(tone(500, 0.4, i)), {"label": "500", "group": "500"}) for i in range(6)]
    write_tar(folder / "wds-audio-test-000000.tar", alone)
    with pytest.raises(PartlyScoredError, match="6 clips have no pairs of both kinds"):
        run(folder)


def test_events_without_listening_are_all_of_them_in_every_second(tmp_path: Path) -> None:
    """In closed form: a class in one of four seconds has F1 2·¼ / (1 + ¼), one in three of four 2·¾ / (1 + ¾)."""
    events = [{"onset": 0.2, "offset": 0.8, "label": "a"}, {"onset": 0.5, "offset": 2.5, "label": "b"}]
    for split in ("train", "valid", "test"):
        write_tar(tmp_path / "when" / f"wds-audio-{split}-000000.tar", [(split, flac(tone(300, 4.0, 1)), {"events": events})])
    counts = {"train": 1, "valid": 1, "test": 1}
    TaskCard("when", "frame", "segmentf1_macro", ("a", "b"), "synthetic", "", "", 0, counts, 1.0).write(tmp_path)
    task = dataclasses.replace(from_card(card_of(tmp_path / "when")), epochs=2)
    (score,) = run(tmp_path / "when", task=task)
    row = run_majority(task, tmp_path / "when", score)
    assert row.value == pytest.approx((0.5 / 1.25 + 1.5 / 1.75) / 2)


def test_padding_reaches_only_the_compatible_mode(tmp_path: Path) -> None:
    folder = tone_task(tmp_path)
    task = from_card(card_of(folder))
    tars = task.tars(folder)["test"]
    alone = dataclasses.replace(task, encode_batch=1)
    corrected, single = (embed_tars(tars, t, Spectrum(), "corrected") for t in (task, alone))
    padded, unpadded = (embed_tars(tars, t, Spectrum(), "compatible") for t in (task, alone))
    for a, b, c, d in zip(corrected, single, padded, unpadded, strict=True):
        assert (a.vectors == b.vectors).all()
        assert np.allclose(a.vectors, d.vectors)
        longest = a.seconds == pytest.approx(0.7)
        assert np.allclose(a.vectors, c.vectors) == longest


def test_crops(tmp_path: Path) -> None:
    # 32 clips of three crops: X-ARES with batches of 16 reads 36 of the 96 back.
    samples = [(f"clip-{i}", flac(tone(500, 3.5, i)), {"genre": "Rock"}) for i in range(32)]
    write_tar(tmp_path / "a-0.tar", samples)
    task = dataclasses.replace(BY_NAME["freemusicarchive"], crop_seconds=1)
    tars = [tmp_path / "a-0.tar"]
    assert len(embed_tars(tars, task, Spectrum(), "compatible")) == 36
    assert len(embed_tars(tars, dataclasses.replace(task, encode_batch=1), Spectrum(), "compatible")) == 96
    crops = embed_tars(tars, task, Spectrum(), "corrected")
    assert len(crops) == 96
    longer = dataclasses.replace(task, crop_seconds=2)
    assert [e.seconds for e in embed_tars(tars, longer, Spectrum(), "corrected")][:2] == [2.0, 1.5]


def test_a_clip_counts_once_however_many_crops_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "freemusicarchive"
    names = {"train": 12, "valid": 6, "test": 6}
    for split, count in names.items():
        rows = []
        for i in range(count):
            name = list(PITCHES)[i % 3]
            rows.append((f"{split}-{i}", flac(tone(PITCHES[name], 1.0 + i, i)), {"genre": name}))
        write_tar(folder / f"fma_small_{split}-0.tar", rows)
    task = dataclasses.replace(BY_NAME["freemusicarchive"], crop_seconds=1, classes=3)
    knn = run(folder, task=task)[0]
    assert (knn.value * 6) % 1 == pytest.approx(0)
    assert (knn.train, knn.test) == (12, 6)
    compatible = run(folder, "compatible", task)[0]
    assert compatible.test > 6
    # A third of the clips is of each class, but not of their crops; that is so whatever was asked for.
    row = run_majority(task, folder, knn)
    assert (row.value, row.mode, row.train, row.test) == (pytest.approx(1 / 3), "corrected", 12, 6)
    assert run_majority(task, folder, compatible) == row


def test_folds(tmp_path: Path) -> None:
    folder = tmp_path / "esc50"
    for number in range(1, 6):
        write_tar(folder / f"wds-audio-fold-{number}-000.tar", tone_samples(f"f{number}", 9))
    # Corrected: one fold less to train on, none of it is the tested one.
    for mode, train in (("corrected", 27), ("compatible", 36)):
        knn, mlp = run(folder, mode, dataclasses.replace(BY_NAME["esc50"], epochs=2))
        assert len(knn.folds) == len(mlp.folds) == 5
        assert (knn.test, knn.train, mlp.train) == (45, 36, train)
        assert knn.value == pytest.approx(np.mean(knn.folds))
        assert knn.value > (0.8 if mode == "corrected" else 0)


def test_validation_never_on_the_test_split(tmp_path: Path) -> None:
    folder = tmp_path / "fsdkaggle2018"
    write_tar(folder / "fsd18_train-0.tar", tone_samples("train", 60, "sound"))
    write_tar(folder / "fsd18_test-0.tar", tone_samples("test", 12, "sound"))
    mlp = run(folder, "corrected", BY_NAME["fsdkaggle2018"])[0]
    assert 40 < mlp.train < 60
    assert run(folder, "compatible", BY_NAME["fsdkaggle2018"])[0].train == 60


def test_several_labels_a_clip(tmp_path: Path) -> None:
    folder = tmp_path / "fsd50k"
    for split, beginning in zip(("train", "valid", "test"), BY_NAME["fsd50k"].splits or (), strict=True):
        rows = []
        for i in range(30):
            low, high = i % 2, i // 2 % 2
            wave = low * tone(300, 1, i) + high * tone(3000, 1, i + 50) + 0.001 * tone(100, 1, i)
            labels = ";".join(["any"] + ["low"] * low + ["high"] * high)
            rows.append((f"{split}-{i}", flac(wave), {"soundevent": labels}))
        write_tar(folder / f"{beginning}-0.tar", rows)
    for mode in ("corrected", "compatible"):
        (score,) = run(folder, mode, BY_NAME["fsd50k"])
        assert (score.head, score.metric) == ("mlp", "mAP")
        assert score.value > 0.7


def test_events(tmp_path: Path) -> None:
    folder = tmp_path / "desed"
    for beginning, count in (("wds-audio-train", 24), ("wds-audio-eval", 6)):
        rows = []
        for i in range(count):
            wave = 0.001 * tone(100, 2, i)
            start = i % 2
            wave[start * RATE : (start + 1) * RATE] += tone(2000, 1, i)
            whistle = {"onset": start, "offset": start + 1.0, "label": "Dog"}
            rows.append((f"{beginning}-{i}", flac(wave), [whistle, {"onset": 0, "offset": 2.0, "label": "Frying,Cat"}]))
        write_tar(folder / f"{beginning}-0.tar", rows)
    task = dataclasses.replace(BY_NAME["desed"], batch_size=4, epochs=40)
    for mode in ("corrected", "compatible"):
        (score,) = run(folder, mode, task)
        assert score.value > 0.85, mode


def test_captions(tmp_path: Path) -> None:
    folder = tmp_path / "clotho"
    for beginning in BY_NAME["clotho"].splits or ():
        rows = [
            (f"{beginning}-{i}", flac(tone(p, 1, i, 0.01)), {"caption_1": f"a {n} tone", "caption_2": f"{n} whistle"})
            for i, (n, p) in enumerate(PITCHES.items())
        ]
        write_tar(folder / f"{beginning}-0.tar", rows)
    (score,) = run(folder, "corrected", BY_NAME["clotho"])
    assert score.metric == "recallatk_r1"
    assert score.value > 0.6


def test_average_is_weighted() -> None:
    score = Score("xares", "a", "e", "knn", "corrected", "accuracy", 0.5, 300, 1, 1)
    assert weighted_average([score, dataclasses.replace(score, value=1.0, weight=100)]) == pytest.approx(0.625)


# Bad input: each message names the file or split, and the task.


def test_missing_split(tmp_path: Path) -> None:
    folder = tone_task(tmp_path)
    (folder / "wds-audio-valid-000000.tar").unlink()
    with pytest.raises(CodecError, match=r"tones: no wds-audio-valid-\*\.tar, the task has no valid"):
        run(folder)


def test_class_in_test_that_is_not_in_train(tmp_path: Path) -> None:
    folder = tone_task(tmp_path)
    write_tar(folder / "wds-audio-test-000001.tar", [("odd", flac(tone(99, 1, 1)), {"label": "yodel"})])
    with pytest.raises(CodecError, match=r"task tones: .*odd\.flac: class 'yodel' is in test but not in train"):
        run(folder)


def test_class_in_valid_that_is_not_in_train(tmp_path: Path) -> None:
    folder = tone_task(tmp_path)
    write_tar(folder / "wds-audio-valid-000001.tar", [("odd", flac(tone(99, 1, 1)), {"label": "yodel"})])
    with pytest.raises(CodecError, match=r"odd\.flac: class 'yodel' is in valid but not in train"):
        run(folder)


def test_class_that_is_not_in_the_card(tmp_path: Path) -> None:
    folder = tone_task(tmp_path)
    write_tar(folder / "wds-audio-train-000001.tar", [("odd", flac(tone(99, 1, 1)), {"label": "yodel"})])
    with pytest.raises(CodecError, match=r"task tones: class 'yodel' is not in task\.json"):
        run(folder)


@pytest.mark.parametrize(
    ("audio", "label", "message"),
    [
        (b"no audio", {"label": "low"}, r"000001\.tar: odd\.flac: not "),
        (wav(np.zeros(0)), {"label": "low"}, r"odd\.flac: no audio"),
        (wav(np.full(99, np.nan)), {"label": "low"}, r"odd\.flac: NaN"),
        (flac(np.zeros(99, np.float32), 8000), {"label": "low"}, r"odd\.flac: 8000 Hz, but task\.json says 16000 Hz"),
        (flac(np.zeros(99, np.float32)), {"title": "low"}, r"odd\.flac: no 'label' in its JSON file"),
        (flac(np.zeros(99, np.float32)), ["low"], r"odd\.flac: a list of labels, but task tones has one"),
        (flac(np.zeros(99, np.float32)), "low", r"odd\.json holds neither"),
    ],
    # names, since a wav file holds the time of its making
    ids=["unreadable", "empty", "nan", "rate", "unlabelled", "labels", "text"],
)
def test_bad_clips(tmp_path: Path, audio: bytes, label: object, message: str) -> None:
    folder = tone_task(tmp_path)
    write_tar(folder / "wds-audio-train-000001.tar", [("odd", audio, label)])
    with pytest.raises(CodecError, match=message):
        run(folder)


def test_too_few_training_clips(tmp_path: Path) -> None:
    folder = tone_task(tmp_path, train=9)
    with pytest.raises(PartlyScoredError, match="task tones: k-NN: 9 training clips are fewer than the 10") as caught:
        run(folder)
    assert [score.head for score in caught.value.scores] == ["mlp"]


def test_damaged_tar_and_repeated_key(tmp_path: Path) -> None:
    folder = tone_task(tmp_path)
    (folder / "wds-audio-train-000001.tar").write_bytes(b"not a tar" * 100)
    with pytest.raises(CodecError, match=r"wds-audio-train-000001\.tar: not a readable tar"):
        run(folder)
    write_tar(folder / "wds-audio-train-000001.tar", tone_samples("train", 1))
    with pytest.raises(CodecError, match="the key train-0 comes twice"):
        run(folder)


class Wrong(Spectrum):
    def __init__(self, how: str) -> None:
        self.how = how

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        good = super().embed(waves, sample_rate)
        if self.how == "width":
            return [v[:, :5] for v in good]
        if self.how == "rate":
            raise AudioError(f"cannot work at {sample_rate} Hz")
        if self.how == "nan":
            return [v * np.nan for v in good]
        return [v[:0] for v in good] if self.how == "empty" else good[1:]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("width", r"\(\d+, 5\)"),
        ("nan", "NaN"),
        ("empty", r"\(0, 24\)"),
        ("count", "15 results for 16"),
        ("rate", "cannot work at 16000 Hz"),
    ],
)
def test_wrong_embedders(tmp_path: Path, how: str, message: str) -> None:
    folder = tone_task(tmp_path)
    with pytest.raises(CodecError, match=message) as caught:
        run(folder, embedder=Wrong(how))
    assert "spectrum" in str(caught.value)
    assert "train-0" in str(caught.value)
