"""The layout that training reads: one int16 memory map of 16 kHz mono audio and a JSON line per clip."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from codec.audio.io import read_what_is_there, resample
from codec.audio.pcm import from_int16, to_int16
from codec.data.finite import holds_numbers
from codec.data.progress import heard
from codec.data.recording import LeftOut, Recording, split_of
from codec.errors import CodecError
from codec.processes import in_order

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.2
SILENCE_RMS = 10 ** (-60 / 20)
"""Below −60 dBFS all through: nothing to learn from."""
AHEAD = 64
"""Clips that are read from their source before the first of them is written."""
NAMED = 20
"""Clips that the report names for every kind of warning."""


@dataclass(frozen=True)
class Entry:
    """A clip inside the memory map.

    Attributes:
        clip: where it came from and its labels.
        split: train, valid or test.
        start: first sample in the map.
        samples: length in samples at 16 kHz.
        speed: 1.0, or the factor by which this copy was sped up (pitch and formants move with it).
        sha256: of its samples as they lie in the map, so that a manifest tells other audio under the same names; empty in
            corpora of older versions.
    """

    clip: Recording
    split: str
    start: int
    samples: int
    speed: float = 1.0
    sha256: str = ""

    @property
    def seconds(self) -> float:
        """The length of the audio in s."""
        return self.samples / SAMPLE_RATE


def line(entry: Entry) -> str:
    """An entry's line of the manifest."""
    row = asdict(entry)
    del row["clip"]["split"]  # stands in the entry
    del row["clip"]["unpacked"]  # a temporary name: two builds of the same files must write the same
    if not entry.sha256:
        del row["sha256"]
    return json.dumps(row) + "\n"


class Corpus:
    """A built corpus, opened read-only.

    Args:
        folder: what `build` wrote.

    Raises:
        CodecError: no corpus there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = self.folder / "clips.jsonl"
        if not manifest.is_file():
            raise CodecError(f"{folder}: no corpus here; build one with: codec train corpus")
        rows = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]
        self.entries = [Entry(**{**row, "clip": Recording(**row["clip"])}) for row in rows]
        if not self.entries:
            raise CodecError(f"{folder}: the corpus is empty")
        end = max(entry.start + entry.samples for entry in self.entries)
        self.audio = np.memmap(self.folder / "audio.i16", dtype="<i2", mode="r", shape=(end,))

    def select(self, split: str, domain: str | None = None) -> list[Entry]:
        """The entries of one split, and of one domain if given."""
        return [e for e in self.entries if e.split == split and domain in (None, e.clip.domain)]

    def wave(self, entry: Entry, start: int = 0, samples: int | None = None) -> np.ndarray:
        """``(samples,)`` float32 of an entry, or of a part of it."""
        stop = entry.samples if samples is None else min(start + samples, entry.samples)
        return from_int16(self.audio[entry.start + start : entry.start + stop])


def build(clips: Iterable[Recording | LeftOut], folder: str | Path, workers: int = 2) -> dict[str, object]:
    """Decodes clips to 16 kHz mono and writes the layout; duplicates, silence and broken files are left out.

    The manifest comes last: where it is, everything else is whole. Without it, a build starts anew and ends the same.

    Args:
        clips: in the order in which they are kept, and what readers left out themselves.
        folder: of the corpus.
        workers: processes that decode.

    Returns:
        The report, also written to ``report.json``: hours per domain and split, how many were left out and why, the
        first 200 of these by name, and how many were read of which something is missing, by kind, with the first names.

    Raises:
        CodecError: nothing usable was found.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    left_out: Counter[str] = Counter()
    examples: list[str] = []
    seconds: defaultdict[str, float] = defaultdict(float)
    warnings: defaultdict[str, list[str]] = defaultdict(list)
    position = 0
    decoding = in_order(clips, partial(partial, _decode), workers, AHEAD)
    with (folder / ".audio.i16").open("wb") as audio, (folder / ".clips.jsonl").open("w", encoding="utf-8") as manifest:
        for clip, decoded in heard("building corpus", decoding, lambda item: len(item[1].wave) / SAMPLE_RATE):
            wave, problem = decoded.wave, decoded.problem
            for kind in dict.fromkeys(map(_kind, decoded.missing)):
                warnings[kind].append(clip.path)
            digest = hashlib.sha256(wave.tobytes()).hexdigest()
            if not problem and digest in seen:
                problem = "duplicate"
            if problem or isinstance(clip, LeftOut):
                left_out[problem.split(":")[0]] += 1
                examples.append(f"{clip.path}: {problem}")
                continue
            seen.add(digest)
            split = clip.split or split_of(clip.source)
            audio.write(wave.tobytes())
            manifest.write(line(Entry(clip, split, position, len(wave), sha256=digest)))
            position += len(wave)
            seconds[f"{clip.domain}/{split}"] += len(wave) / SAMPLE_RATE
    if not position:
        raise CodecError(
            f"no usable audio found ({dict(left_out)}, first {examples[0]})" if left_out else "no usable audio found"
        )
    report: dict[str, object] = {
        "hours": {key: round(value / 3600, 3) for key, value in sorted(seconds.items())},
        "left_out": dict(left_out),
        "examples": examples[:200],
        "warned": len({path for paths in warnings.values() for path in paths}),
        "warnings": {kind: {"clips": len(paths), "first": paths[:NAMED]} for kind, paths in sorted(warnings.items())},
    }
    (folder / ".report.json").write_text(json.dumps(report, indent=1), "utf-8")
    (folder / "clips.jsonl").unlink(missing_ok=True)  # one of an older build must not be found beside newer audio
    for name in ("audio.i16", "report.json", "clips.jsonl"):
        (folder / f".{name}").replace(folder / name)
    return report


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A clip after decoding.

    Attributes:
        wave: ``(samples,)`` int16 at 16 kHz; nothing of an unusable one.
        problem: why it is unusable; empty if it is usable.
        missing: what its file lacks, a clause each.
    """

    wave: np.ndarray
    problem: str = ""
    missing: tuple[str, ...] = ()


def _decode(clip: Recording | LeftOut) -> _Decoded:
    nothing = np.zeros(0, "<i2")
    if isinstance(clip, LeftOut):
        return _Decoded(nothing, clip.problem)
    path = clip.unpacked or clip.path
    try:
        wave, rate, missing = read_what_is_there(path)
    except CodecError as error:
        return _Decoded(nothing, f"unreadable: {str(error).removeprefix(f'{path}: ')}")  # the report names the clip already
    if not holds_numbers(path):
        return _Decoded(nothing, "not all numbers", missing)
    mono = resample(wave.mean(0, keepdims=True), rate, SAMPLE_RATE)[0]
    if len(mono) < MIN_SECONDS * SAMPLE_RATE:
        return _Decoded(nothing, "too short", missing)
    if np.sqrt(np.mean(mono**2)) < SILENCE_RMS:
        return _Decoded(nothing, "silent", missing)
    return _Decoded(to_int16(mono), "", missing)


def _kind(clause: str) -> str:
    """What is missing, without saying how much: what stands before a colon, its numbers left open.

    Example:
        >>> _kind("cut short: 0.12 s are missing at the end"), _kind("damaged after 3.25 s, where reading ends")
        ('cut short', 'damaged after … s, where reading ends')
    """
    return re.sub(r"\d+(\.\d+)?", "…", clause.partition(":")[0])
