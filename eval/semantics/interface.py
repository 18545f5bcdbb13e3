"""What an evaluation of meaning asks of any codec or encoder, and how a task lies on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from codec.atomic import atomic_write
from codec.errors import CodecError

Kind = Literal["clip", "frame", "retrieval", "verification"]
SPLITS = ("train", "valid", "test")
CARD_NAME = "task.json"


@runtime_checkable
class Embedder(Protocol):
    """Audio → vectors over time, from a codec's tokens, its latents, or any encoder.

    Attributes:
        name: as it was asked for, for example ``semcodec@50:semantic``; results are kept under it.
        dim: width of a vector.
        hop_seconds: from one vector to the next.
        trained: False for an architecture with random weights, whose results must be labelled as such.
        bitrate: of the tokens that the vectors can be made from, in bits per second; None if there are none.
    """

    name: str
    dim: int
    hop_seconds: float
    trained: bool
    bitrate: float | None

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """Embeds clips, each as if it were alone: no padding reaches a vector, so the batch changes nothing.

        Args:
            waves: ``(samples,)`` float32 each, full scale ±1.
            sample_rate: of all of them, in Hz.

        Returns:
            ``(frames, dim)`` float32 per clip, as many frames as its true length has, at least one.
        """
        ...


def learned_by(embedder: Embedder) -> tuple[str, ...]:
    """Names of tasks whose labels an embedder was tuned on; most were on none."""
    return getattr(embedder, "learned", ())


@dataclass(frozen=True)
class TaskCard:
    """A probing task, as ``task.json`` beside its tar files describes it.

    The folder ``<root>/<name>/`` holds ``wds-audio-<split>-000000.tar`` and so on, as the ``xares`` package reads them:
    ``<key>.flac`` and ``<key>.json`` per clip, the latter with ``label`` (a name out of ``classes``) and ``group``
    (what must never be on both sides of a split). Keys have no dots.

    Attributes:
        name: of task and folder.
        kind: what is predicted: a class of a clip, classes of frames, its text, or whether two clips have the same label.
        metric: ``accuracy`` for example.
        classes: all labels, in the order of their numbers.
        source: where the audio comes from.
        held_out: what the test split has that the train split has not.
        seen: which of the test clips the default model was trained on, in words; empty if none.
        seed: of the choice of clips.
        counts: clips of each split.
        weight: in an average over tasks, as X-ARES weighs: the size of the test split.
        sample_rate: of the clips in Hz.
        domain: speech, music or sound, or several.
    """

    name: str
    kind: Kind
    metric: str
    classes: tuple[str, ...]
    source: str
    held_out: str
    seen: str
    seed: int
    counts: dict[str, int]
    weight: float
    sample_rate: int = 16_000
    domain: str = "speech"

    def tars(self, root: str | Path, split: str) -> list[Path]:
        """Tar files of one split, in order.

        Raises:
            CodecError: there are none.
        """
        found = sorted((Path(root) / self.name).glob(f"wds-audio-{split}-*.tar"))
        if not found:
            raise CodecError(f"{Path(root) / self.name}: no wds-audio-{split}-*.tar, the task has no {split} split")
        return found

    def write(self, root: str | Path) -> None:
        """Writes ``<root>/<name>/task.json``."""
        with atomic_write(Path(root) / self.name / CARD_NAME) as handle:
            handle.write((json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode())


def read_card(folder: str | Path) -> TaskCard:
    """Reads the ``task.json`` of a task's folder.

    Raises:
        CodecError: it is missing or not such a file.
    """
    path = Path(folder) / CARD_NAME
    try:
        raw = json.loads(path.read_text("utf-8-sig"))
        return TaskCard(**{**raw, "classes": tuple(raw["classes"])})
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CodecError(f"{path}: not a task's card ({type(error).__name__}: {error})") from error
