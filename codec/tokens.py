"""Tokens: what an encoder returns, a container holds and a decoder takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from codec.arrays import as_array, as_codes, given, is_tensor, like
from codec.errors import CodecError
from codec.limits import as_sample_rate
from codec.patterns import Pattern, batch_of
from codec.token_spec import USUAL_RATE, TokenSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Cut:
    """Where a slice was cut out.

    Attributes:
        whole: what it was cut out of.
        start, stop: in frames.
    """

    whole: Tokens
    start: int
    stop: int


@dataclass(frozen=True, eq=False, repr=False)
class Tokens:
    """Discrete audio: a batch of clips, whose ``len`` is their number. Equal are tokens that say the same of the same model.

    Attributes:
        codes: ``(B, S, N)``; stream 0 is semantic, those behind it (if there) acoustic, coarse to fine. Items shorter than the
            longest are padded with 0. Integers of any type are taken, and kept as int64: as tensors, or as
            arrays where torch is not installed.
        lengths: ``(B,)`` true length of each item in samples at ``sample_rate``; likewise.
        sample_rate: of the audio that was encoded, in Hz.
        frame_rate: tokens per second in each stream.
        codebook_sizes: of each stream.
        model: fingerprint of the model that made them.
        model_rate: sample rate that this model works at, in Hz; a frame is ``model_rate / frame_rate`` of its samples.
        counts: ``(B,)`` frames of each item, of a model that makes more than the length needs.
        cut: where these tokens were cut out, so that a decoder hears what stands around them; containers do not keep it.

    Raises:
        CodecError: codes or lengths that are no integers, or that do not fit each other; an impossible sample rate.
    """

    codes: Tensor
    lengths: Tensor
    sample_rate: int
    frame_rate: float
    codebook_sizes: tuple[int, ...]
    model: str
    model_rate: int = USUAL_RATE
    counts: Tensor | None = None
    cut: Cut | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", as_codes(self.codes))
        object.__setattr__(self, "lengths", _at_home(as_codes(self.lengths, "lengths")))
        object.__setattr__(self, "sample_rate", as_sample_rate(self.sample_rate))
        object.__setattr__(self, "codebook_sizes", tuple(map(int, self.codebook_sizes)))
        if self.codes.ndim != 3 or self.codes.shape[1] != len(self.codebook_sizes):
            raise CodecError(f"codes of shape {tuple(self.codes.shape)} do not have {len(self.codebook_sizes)} streams")
        if self.lengths.shape != self.codes.shape[:1]:
            raise CodecError(f"{len(self.codes)} items but {len(self.lengths)} lengths")
        if (self.lengths < 0).any():
            raise CodecError(f"lengths {self.lengths.tolist()}: none can be below 0")
        if self.counts is not None:
            object.__setattr__(self, "counts", _at_home(as_codes(self.counts, "counts")))
            if self.counts.shape != self.lengths.shape:
                raise CodecError(f"{len(self.codes)} items but {len(self.counts)} counts of frames")
            if (self.counts < 0).any():
                raise CodecError(f"counts {self.counts.tolist()} of frames: none can be below 0")

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Tokens]:
        return (self.item(index) for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokens):
            return NotImplemented
        return (
            (self.sample_rate, self.spec) == (other.sample_rate, other.spec)
            and np.array_equal(as_array(self.lengths), as_array(other.lengths))
            and np.array_equal(as_array(self.frames), as_array(other.frames))
            and all(np.array_equal(as_array(a.codes), as_array(b.codes)) for a, b in zip(self, other, strict=True))
        )

    def __repr__(self) -> str:
        seconds = ", ".join(f"{seconds:.2f}" for seconds in self.duration[:4].tolist()) + ", …" * (len(self) > 4)
        clips = "1 clip" if len(self) == 1 else f"{len(self)} clips"
        sizes = " × ".join(map(str, self.codebook_sizes))
        return (
            f"Tokens({clips} of {seconds or 0} s at {self.sample_rate} Hz, {self.rate:g} tokens/s: "
            f"codes {tuple(self.codes.shape)} of {sizes} at {self.frame_rate:g} Hz, {self.bitrate:g} bit/s, "
            f"model {self.model or 'unknown'})"
        )

    @property
    def spec(self) -> TokenSpec:
        """What they are, whatever they are of."""
        return TokenSpec(self.codebook_sizes, self.frame_rate, self.model, self.model_rate)

    @property
    def rate(self) -> float:
        """Tokens per second over all streams."""
        return self.spec.rate

    @property
    def bits_per_frame(self) -> int:
        """Bits that one frame takes in a container, over all streams."""
        return self.spec.bits_per_frame

    @property
    def bitrate(self) -> float:
        """Bits per second of one channel, before container overhead."""
        return self.spec.bitrate

    @property
    def duration(self) -> Tensor:
        """``(B,)`` of each item's audio in seconds, float64."""
        return given(as_array(self.lengths) / self.sample_rate)

    @property
    def frames(self) -> Tensor:
        """``(B,)`` number of frames that each item really has."""
        return given(np.array([self._frames_of(index) for index in range(len(self))], np.int64))

    def _frames_of(self, index: int) -> int:
        if self.counts is not None:
            return int(self.counts[index])
        return count_frames(int(self.lengths[index]), self.sample_rate, self.frame_rate, self.model_rate)

    @property
    def mask(self) -> Tensor:
        """``(B, N)`` bool where the codes lie: which frames are an item's own, and which ones padding."""
        return like(np.arange(self.codes.shape[2])[None] < as_array(self.frames)[:, None], self.codes)

    def to(self, device: str | torch.device) -> Tokens:
        """The same, with codes on another device; lengths stay on the CPU.

        Raises:
            CodecError: torch is not installed.
        """
        if not is_tensor(self.codes):
            raise CodecError("there are no devices without torch: pip install 'semcodec[torch]'")
        return replace(self, codes=self.codes.to(device))

    def semantic_only(self) -> Tokens:
        """The same audio without its acoustic streams: the words but not the voice."""
        return replace(self, codes=self.codes[:, :1], codebook_sizes=self.codebook_sizes[:1])

    def item(self, index: int) -> Tokens:
        """One item, without padding; negative numbers count from the end.

        Raises:
            IndexError: there is no such item.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        index %= len(self)
        frames = self._frames_of(index)
        one = slice(index, index + 1)
        counts = None if self.counts is None else self.counts[one]
        cut = self.cut and replace(self.cut, whole=self.cut.whole.item(index))
        return replace(self, codes=self.codes[one, :, :frames], lengths=self.lengths[one], counts=counts, cut=cut)

    def slice(self, start: float = 0.0, stop: float | None = None) -> Tokens:
        """What lies between two times of every item, to the nearest frame; items that end before ``stop`` are shorter.

        The slice knows what stands around it: `Codec.decode` gives the very samples that decoding everything gives there,
        also if its own codes were replaced since. Decoding it takes as long as decoding from the beginning does.
        Slices that meet at a time join to what they were cut out of (`cat`).

        Args:
            start: in seconds.
            stop: in seconds, default: the end.

        Raises:
            CodecError: times before the beginning, in the wrong order, or no numbers.
        """
        if not all(time is None or isinstance(time, Real) for time in (start, stop)):
            raise CodecError(f"a slice from {start!r} to {stop!r}; seconds are numbers")
        if not 0 <= start <= (math.inf if stop is None else stop):
            raise CodecError(f"a slice from {start} s to {stop} s; times from 0 on in their order are expected")
        longest = int(self.frames.max()) if len(self) else 0
        first, last = (
            longest if time is None or time * self.frame_rate >= longest else math.floor(time * self.frame_rate + 0.5)
            for time in (start, stop)
        )
        return self.between(first, last)

    def between(self, first: int, last: int) -> Tokens:
        """What lies between two frames of every item; otherwise like `slice`."""
        counts = np.maximum(np.minimum(as_array(self.frames), last) - first, 0)
        begin = math.floor(first * self._samples_per_frame)
        samples = as_array(self.lengths) - begin
        lengths = [self._length(int(count), int(length)) for count, length in zip(counts, samples, strict=True)]
        return replace(
            self,
            codes=self.codes[:, :, first:last],
            lengths=given(np.array(lengths, np.int64)),
            counts=None if self.counts is None else given(counts),
            cut=Cut(self, first, last),
        )

    def in_context(self, index: int) -> tuple[np.ndarray, int]:
        """One item for a decoder: its own codes and those around them, if it was cut out.

        Returns:
            ``(S, n)`` codes as an array, and how many of the frames stand before the item.

        Raises:
            CodecError: more streams than what it was cut out of has.
        """
        own = as_array(self.item(index).codes[0])
        if self.cut is None:
            return own, 0
        around, offset = self.cut.whole.in_context(index)
        if len(around) < len(own):
            raise CodecError(f"{len(own)} streams, cut out of {len(around)}")
        around = around[: len(own)]
        before = around[:, : offset + self.cut.start]
        return np.concatenate([before, own, around[:, offset + self.cut.stop :]], axis=1), before.shape[1]

    @property
    def _samples_per_frame(self) -> Fraction:
        """At the rate of the audio."""
        return self.spec.samples_per_frame(self.sample_rate)

    def _length(self, frames: int, samples: int) -> int:
        """The length nearest to ``samples`` that so many frames allow."""
        most = math.floor(frames * self._samples_per_frame)
        least = math.floor((frames - 1) * self._samples_per_frame) + 1 if self.counts is None else 0
        return max(0, min(most, max(least, samples))) if frames else 0

    @staticmethod
    def cat(parts: Sequence[Tokens], dim: int = 0) -> Tokens:
        """Joins tokens of one model, rate and vocabulary, as ``torch.cat`` joins their codes.

        Args:
            parts: at least one.
            dim: 0: all items as one batch, padded to the longest. 2 or -1: items one after the other in time; an item whose
                last frame is not filled goes on behind that frame.

        Raises:
            CodecError: nothing to join, another axis, or tokens that do not fit each other.
        """
        if not parts:
            raise CodecError("no tokens to join")
        if dim not in (0, 2, -1):
            raise CodecError(f"tokens are joined along 0 (items) or 2 (time), not {dim}")
        first = parts[0]
        for key in ("sample_rate", "frame_rate", "codebook_sizes", "model", "model_rate"):
            if len({getattr(part, key) for part in parts}) > 1:
                raise CodecError(f"tokens of different {key} cannot be joined")
        if dim == 0:
            return _batch([item for part in parts for item in part]) if any(map(len, parts)) else replace(first, cut=None)
        if len({len(part) for part in parts}) > 1:
            raise CodecError("batches of different numbers of items cannot follow each other")
        return _batch([_joined(items) for items in zip(*parts, strict=True)]) if len(first) else replace(first, cut=None)

    def pattern(self, layout: str) -> Pattern:
        """A layout for these streams; `codec.patterns` tells which there are.

        Raises:
            CodecError: no such layout.
        """
        return Pattern(layout, self.codebook_sizes)  # type: ignore[arg-type]  # it checks the name

    def arrange(self, layout: str) -> Tensor:
        """What a language model reads: ``(B, …)`` numbers in a layout, items padded with ``pattern(layout).special``.

        `Codec.tokens` takes them back.

        Raises:
            CodecError: no such layout.
        """
        pattern = self.pattern(layout)
        return batch_of([pattern.apply(item.codes[0]) for item in self], pattern)


def no_tokens(spec: TokenSpec, sample_rate: int, channels: int = 1) -> Tokens:
    """Tokens of no audio: what a container's header needs, and what `batch` makes others like.

    Raises:
        CodecError: an impossible sample rate.
    """
    return Tokens(
        codes=given(np.zeros((channels, spec.n_streams, 0), np.int64)),
        lengths=given(np.zeros(channels, np.int64)),
        sample_rate=sample_rate,
        frame_rate=spec.frame_rate,
        codebook_sizes=spec.codebook_sizes,
        model=spec.model,
        model_rate=spec.model_rate,
    )


def batch(alike: Tokens, rows: Sequence[Tensor | np.ndarray], lengths: Sequence[int] | None = None) -> Tokens:
    """Items as one batch, padded to the longest.

    Args:
        alike: tokens of the same model, rate and vocabulary.
        rows: codes ``(S, N)`` of each item.
        lengths: of each in samples at ``alike.sample_rate``; default: whole frames.

    Returns:
        Tokens whose codes lie where those of the first item do.
    """
    counts = [row.shape[1] for row in rows]
    codes = np.zeros((len(rows), len(alike.codebook_sizes), max(counts, default=0)), np.int64)
    for index, (row, count) in enumerate(zip(rows, counts, strict=True)):
        codes[index, :, :count] = as_array(row)
    if lengths is None:
        lengths = [math.floor(count * alike._samples_per_frame) for count in counts]
    placed = like(codes, rows[0] if rows else alike.codes)
    told = None if alike.counts is None else given(np.array(counts, np.int64))
    return replace(alike, codes=placed, lengths=given(np.array(lengths, np.int64)), counts=told, cut=None)


def _batch(items: Sequence[Tokens]) -> Tokens:
    """Single items as one batch, which counts its frames if any item does: lengths would not tell them."""
    alike = next((item for item in items if item.counts is not None), items[0])
    return batch(alike, [item.codes[0] for item in items], [int(item.lengths[0]) for item in items])


def _joined(items: Sequence[Tokens]) -> Tokens:
    """Single items as one, in time."""
    items = [item for item in items if item.codes.shape[2]] or items[:1]
    first = items[0]
    codes = np.concatenate([as_array(item.codes[0]) for item in items], axis=1)
    ends = np.cumsum([item.codes.shape[2] for item in items])
    # Where a model makes more frames than the length needs, the last items may have no sound.
    last = max((index for index, item in enumerate(items) if int(item.lengths[0])), default=0)
    before = int(ends[last]) - items[last].codes.shape[2]
    samples = math.floor(before * first._samples_per_frame) + int(items[last].lengths[0])
    return batch(first, [like(codes, first.codes)], [first._length(codes.shape[1], samples)])


def _at_home(lengths: Tensor) -> Tensor:
    return lengths.cpu() if is_tensor(lengths) else lengths


def count_frames(samples: int, sample_rate: int, frame_rate: float, model_rate: int | None = None) -> int:
    """Frames that cover ``samples`` at ``sample_rate``: the audio is resampled, then filled up to a whole frame.

    Args:
        samples: of the audio.
        sample_rate: of the audio in Hz.
        frame_rate: frames per second, exactly, unless ``model_rate`` makes it exact.
        model_rate: in Hz, of which a frame is a whole number of samples. Which rate that is does not matter: rounding up to
            samples and then to frames is rounding up to frames.
    """
    exact = Fraction(frame_rate) if model_rate is None else Fraction(model_rate, round(model_rate / frame_rate))
    return math.ceil(samples * exact / sample_rate)


def model_samples(samples: int, sample_rate: int, model_rate: int = USUAL_RATE) -> int:
    """Samples at the model's rate that ``samples`` at ``sample_rate`` become, rounded up."""
    return -(-samples * model_rate // sample_rate)
