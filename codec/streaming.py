"""Encoding and decoding piece by piece, on a fixed grid of windows.

Whole files go through the same windows: `Codec.encode` is one push and a flush. A stream therefore gives, bit for
bit, what the whole file gives, and memory does not depend on length. A window carries the exact context that its
core depends on, so nothing is cross-faded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from codec.arrays import as_integers, given
from codec.audio.io import Resampler
from codec.audio.samples import as_batch
from codec.engine import Engine, Point
from codec.errors import CodecError
from codec.token_checks import check_codes
from codec.tokens import model_samples

if TYPE_CHECKING:
    from torch import Tensor

    from codec.audio.samples import Wave


@dataclass(frozen=True)
class Grid:
    """How a stream is cut into windows, in frames of 50 Hz; both are filled up to whole tokens.

    Attributes:
        core: that a window adds.
        ahead: of look-ahead that a window waits for, or None for everything that its core depends on.
    """

    core: int
    ahead: int | None = None

    def fit(self, frames_per_token: int, context: int) -> tuple[int, int]:
        """Core and look-ahead in whole tokens, for a network of so much context on either side."""
        ahead = context if self.ahead is None else min(self.ahead, context)
        return -(-self.core // frames_per_token) * frames_per_token, -(-ahead // frames_per_token) * frames_per_token


WHOLE = Grid(core=1024)
"""Windows of 20.48 s, long enough that recomputed context costs little: what files and batches go through."""
LOW_LATENCY = Grid(core=4, ahead=8)
"""Windows of 80 ms that see 160 ms ahead. Their tokens are near those of a file, but not the same."""
Task = Generator[list[np.ndarray], list[Any], np.ndarray]
"""Yields windows that an engine is to see, is sent what it makes of them, and returns all of it together."""
Work = Callable[[Sequence[np.ndarray]], list[Any]]
"""What an engine makes of windows."""


def run(tasks: Sequence[Task], work: Work) -> list[np.ndarray]:
    """Carries tasks out side by side: what they yield is worked on together."""
    waiting: dict[int, list[np.ndarray]] = {}
    results: dict[int, np.ndarray] = {}

    def go_on(index: int, outputs: list[Any] | None) -> None:
        try:
            waiting[index] = tasks[index].send(outputs)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as end:
            results[index] = end.value

    for index in range(len(tasks)):
        go_on(index, None)
    while waiting:
        asked, waiting = waiting, {}
        outputs = iter(work([window for windows in asked.values() for window in windows]))
        for index, windows in asked.items():
            go_on(index, list(islice(outputs, len(windows))))
    return [results[index] for index in range(len(tasks))]


class StreamEncoder:
    """Turns pushed audio into codes.

    Args:
        engine: of the model.
        sample_rate: of the audio, in Hz.
        channels: independent channels, each encoded on its own.
        point: frames per token, and streams.
        vocab: semantic vocabulary.
        grid: of windows; only on `WHOLE` are the tokens those of a whole file.

    Attributes:
        samples: pushed so far, per channel.

    A token is ready once its window and the window's look-ahead have arrived: ``latency`` seconds at most.
    """

    def __init__(self, engine: Engine, sample_rate: int, channels: int, point: Point, vocab: int, grid: Grid = WHOLE) -> None:
        self._engine, self._point, self._vocab = engine, point, vocab
        self._core, self._ahead = grid.fit(point.frames_per_token, engine.encoder_context)
        self._rate_in, self._rate = sample_rate, engine.sample_rate
        self._resampler = Resampler(sample_rate, self._rate, channels)
        self._hop, self._edge = engine.frame_length, engine.edge
        self._buffer = np.zeros((channels, 0), np.float32)
        self._buffer_start = 0
        self._arrived: list[np.ndarray] = []  # behind the buffer, until a window wants it: pushes may be short and many
        self._received = 0
        self._next_frame = 0
        self._ended = False
        self.samples = 0

    @property
    def window(self) -> float:
        """Seconds of audio whose codes become known together."""
        return self._core * self._hop / self._rate

    @property
    def latency(self) -> float:
        """Longest time in seconds between a sample's arrival and its token."""
        return ((self._core + self._ahead) * self._hop + self._edge) / self._rate

    @property
    def look_ahead(self) -> float:
        """Seconds of audio behind a window that its tokens depend on."""
        return (self._ahead * self._hop + self._edge) / self._rate

    def push(self, block: Wave) -> Tensor:
        """``(channels, n)`` samples, ``(n,)`` of one channel, or a list of channels → ``(channels, S, ready)`` codes.

        Raises:
            AudioError: not such samples; `codec.audio.samples.as_batch` says which can be.
            CodecError: the stream was flushed.
        """
        self._receive(block)
        return given(run([self._windows_of_now(final=False)], self._work)[0])

    def flush(self) -> Tensor:
        """The codes of everything that was pushed and is still waiting; the stream ends with it.

        Raises:
            CodecError: the stream was flushed before.
        """
        return given(run([self._rest()], self._work)[0])

    def _receive(self, block: Wave) -> None:
        require_open(self._ended)
        rows = np.stack(as_batch(block, channels=len(self._buffer)))
        self.samples += rows.shape[1]
        self._append(self._resampler.push(np.ascontiguousarray(rows.T)).T)

    def _rest(self) -> Task:
        require_open(self._ended)
        self._ended = True
        self._append(self._resampler.flush().T)
        missing = model_samples(self.samples, self._rate_in, self._rate) - self._received
        self._append(np.zeros((len(self._buffer), max(0, missing)), np.float32))
        return self._windows_of_now(final=True)

    def _append(self, wave: np.ndarray) -> None:
        if wave.shape[1]:
            self._arrived.append(wave)
            self._received += wave.shape[1]

    def _windows_of_now(self, final: bool) -> Task:
        parts = [np.zeros((len(self._buffer), self._point.n_streams, 0), np.int64)]
        while spans := list(islice(self._windows(final), self._engine.at_once)):
            outputs = yield [
                self._slice(left * self._hop - self._edge, right * self._hop + self._edge) for left, _, _, right in spans
            ]
            for (left, start, stop, _), codes in zip(spans, outputs, strict=True):
                first, last = ((frame - left) // self._point.frames_per_token for frame in (start, stop))
                parts.append(codes[..., first:last])
                self._next_frame = stop
            self._drop(self._left(self._next_frame) * self._hop - self._edge)
        return np.concatenate(parts, axis=2)

    def _windows(self, final: bool) -> Iterator[tuple[int, int, int, int]]:
        """Context start, core start, core stop, context stop of every window that can be computed now, in frames."""
        token = self._hop * self._point.frames_per_token
        # After flush the end is known: zeros fill the last token, and context stops where the audio does.
        received = min(self._received, model_samples(self.samples, self._rate_in, self._rate))
        total = -(-received // token) * self._point.frames_per_token
        stop = self._next_frame
        while True:
            start, stop = stop, stop + self._core
            if not final and (stop + self._ahead) * self._hop + self._edge > self._received:
                return
            if final and start >= total:
                return
            limit = total if final else stop + self._ahead
            yield self._left(start), start, min(stop, limit), min(stop + self._ahead, limit)

    def _left(self, start: int) -> int:
        """Where the context of a core begins: at an even token, since tokens take turns in what they tell of tones."""
        two = 2 * self._point.frames_per_token
        return max(0, start - self._engine.encoder_context) // two * two

    def _work(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._engine.encode(windows, self._point, self._vocab)

    def _slice(self, start: int, stop: int) -> np.ndarray:
        """Samples ``start … stop`` of the stream at the model's rate; zeros before its beginning and after its end."""
        if self._arrived:
            self._buffer, self._arrived = np.concatenate([self._buffer, *self._arrived], axis=1), []
        inside = self._buffer[:, max(0, start - self._buffer_start) : max(0, stop - self._buffer_start)]
        before = max(0, -start)
        wave = np.zeros((len(self._buffer), stop - start), np.float32)
        wave[:, before : before + inside.shape[1]] = inside
        return wave

    def _drop(self, start: int) -> None:
        if start > self._buffer_start:
            self._buffer = self._buffer[:, start - self._buffer_start :]  # its memory goes when more is appended
            self._buffer_start = start


def encode_clips(streams: Sequence[StreamEncoder], clips: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Whole clips ``(samples,)`` → codes ``(S, N)``, each through a stream of its own; windows of one shape go together.

    Args:
        streams: of one channel and one model, nothing pushed yet; as many as clips.
        clips: to encode.
    """
    for stream, clip in zip(streams, clips, strict=True):
        stream._receive(clip)
    return [codes[0] for codes in run([stream._rest() for stream in streams], streams[0]._work)] if streams else []


class StreamDecoder:
    """Turns pushed codes into audio at the model's sample rate, within ±1.

    Args:
        engine: of the model.
        frames_per_token: 50 Hz frames per token.
        vocab: semantic vocabulary.
        grid: of windows; where it looks less far ahead than the network does, windows are cross-faded over 20 ms.
    """

    def __init__(self, engine: Engine, frames_per_token: int, vocab: int, grid: Grid = WHOLE) -> None:
        self._engine, self._frames_per_token, self._vocab = engine, frames_per_token, vocab
        self._core, self._ahead = grid.fit(frames_per_token, engine.decoder_context)
        self._sizes = engine.sizes_at(frames_per_token, vocab)
        self._state: Any = None
        self._fading: np.ndarray | None = None
        self._codes: np.ndarray | None = None
        self._start = 0  # frame at which the held codes begin
        self._next_frame = 0
        self._ended = False

    @property
    def latency(self) -> float:
        """Longest time in seconds between a token's arrival and its sound."""
        return self.look_ahead + self._core * self._engine.frame_length / self._engine.sample_rate

    @property
    def look_ahead(self) -> float:
        """Seconds of tokens behind a window that its sound depends on."""
        return self._ahead * self._engine.frame_length / self._engine.sample_rate

    def push(self, codes: Tensor | np.ndarray) -> Tensor:
        """``(channels, S, n)`` codes → ``(channels, ready)`` samples.

        Raises:
            CodecError: not such codes, other channels or streams than before, or the stream was flushed.
        """
        self._receive(codes)
        return given(run([self._windows_of_now(final=False)], self._work)[0])

    def flush(self) -> Tensor:
        """The audio of everything that was pushed and is still waiting; the stream ends with it.

        Raises:
            CodecError: the stream was flushed before.
        """
        return given(run([self._rest()], self._work)[0])

    def _receive(self, codes: Tensor | np.ndarray) -> None:
        require_open(self._ended)
        self._codes = appended(self._codes, codes, self._sizes)

    def _rest(self) -> Task:
        require_open(self._ended)
        self._ended = True
        return self._windows_of_now(final=True)

    def _windows_of_now(self, final: bool) -> Task:
        if self._codes is None:
            return np.zeros((0, 0), np.float32)
        hop, context = self._engine.frame_length, self._engine.decoder_context
        parts: list[np.ndarray] = []
        while spans := list(islice(self._windows(final), self._engine.at_once)):
            outputs = yield [self._slice(left, right) for left, _, _, right in spans]
            for (left, start, stop, _), output in zip(spans, outputs, strict=True):
                wave, self._state = self._engine.sound(output, self._state, left, start, stop)
                parts.append(self._faded(wave[:, (start - left) * hop : (stop - left) * hop]))
                if self._ahead < context:
                    self._fading = wave[:, (stop - left) * hop : (stop - left + 1) * hop]
                self._next_frame = stop
            keep = max(self._start, self._left(self._next_frame))
            self._codes, self._start = self._slice(keep, None), keep
        # One part needs no copy: with many channels it is large.
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros((len(self._codes), 0), np.float32), *parts], axis=1)

    def _windows(self, final: bool) -> Iterator[tuple[int, int, int, int]]:
        """Context start, core start, core stop, context stop of every window that can be computed now, in frames."""
        assert self._codes is not None
        total, stop = self._start + self._codes.shape[2] * self._frames_per_token, self._next_frame
        while (stop < total) if final else (stop + self._core + self._ahead <= total):
            start, stop = stop, min(stop + self._core, total)
            yield self._left(start), start, stop, min(stop + self._ahead, total)

    def _slice(self, start: int, stop: int | None) -> np.ndarray:
        """Codes of the frames ``start … stop`` of the stream."""
        assert self._codes is not None
        end = None if stop is None else (stop - self._start) // self._frames_per_token
        return self._codes[:, :, (start - self._start) // self._frames_per_token : end]

    def _left(self, start: int) -> int:
        """Where the context of a window begins."""
        step = self._engine.decoder_step
        return max(0, start - self._engine.decoder_context) // step * step

    def _faded(self, core: np.ndarray) -> np.ndarray:
        """A window's core whose first frame goes over from what the window before made of it, seeing less."""
        old = self._fading
        if old is None or not old.shape[1]:
            return core
        ramp = np.linspace(0, 1, old.shape[1], dtype=np.float32)
        return np.concatenate([old + ramp * (core[:, : old.shape[1]] - old), core[:, old.shape[1] :]], axis=1)

    def _work(self, windows: Sequence[np.ndarray]) -> list[Any]:
        return self._engine.draw(windows, self._frames_per_token, self._vocab)


def decode_clips(streams: Sequence[StreamDecoder], clips: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Codes ``(S, N)`` of whole clips → ``(samples,)``, each through a stream of its own; as `encode_clips`."""
    for stream, codes in zip(streams, clips, strict=True):
        stream._receive(codes[None])
    return [wave[0] for wave in run([stream._rest() for stream in streams], streams[0]._work)] if streams else []


def require_open(ended: bool) -> None:
    """Refuses to go on with a stream that was flushed.

    Raises:
        CodecError: it was.
    """
    if ended:
        raise CodecError("this stream was flushed, which ends it; start another one for more")


def appended(held: np.ndarray | None, codes: Tensor | np.ndarray, codebook_sizes: tuple[int, ...]) -> np.ndarray:
    """What a decoder holds, and ``(channels, S, n)`` codes that were pushed behind it.

    Raises:
        CodecError: not such codes, outside their codebooks, or other channels or streams than before.
    """
    pushed = as_integers(codes)
    check_codes(pushed, codebook_sizes)
    if held is None:
        return pushed
    if pushed.shape[:2] != held.shape[:2]:
        raise CodecError(f"codes of shape {tuple(pushed.shape)} after others of {tuple(held.shape[:2])} channels and streams")
    return np.concatenate([held, pushed], axis=2)
