"""Encoding and decoding piece by piece, on a fixed grid of windows.

Whole files go through the same windows: `Codec.encode` is one push and a flush. A stream therefore gives, bit for
bit, what the whole file gives, and memory does not depend on length. A window carries the exact context that its
core depends on, so nothing is cross-faded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec.audio import Resampler
from codec.networks import Networks
from codec.tokens import model_samples


@dataclass(frozen=True)
class Grid:
    """How a stream is cut into windows, in frames of 50 Hz that 4 divides.

    Attributes:
        core: that a window adds.
        ahead: of look-ahead that a window waits for, or None for everything that its core depends on.
    """

    core: int
    ahead: int | None = None

    def wait(self, context: int) -> int:
        """Frames of look-ahead, for a network of so much context on either side."""
        return context if self.ahead is None else min(self.ahead, context)


WHOLE = Grid(core=1024)
"""Windows of 20.48 s, long enough that recomputed context costs little: what files and batches go through."""
LOW_LATENCY = Grid(core=4, ahead=8)
"""Windows of 80 ms that see 160 ms ahead. Their tokens are near those of a file, but not the same."""


def per_item(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Applies a network to a batch.

    On a CPU it does so item by item: kernels round differently for other batch sizes, a rounding can flip a token,
    and there is no speed in batching windows of this length there.
    """
    if batch.device.type == "cpu":
        first = function(batch[:1])
        output = first.new_empty(len(batch), *first.shape[1:])
        output[:1] = first
        for index in range(1, len(batch)):
            output[index] = function(batch[index : index + 1])[0]
        return output
    return function(batch)


class StreamEncoder:
    """Turns pushed audio into codes.

    Args:
        networks: of the model.
        sample_rate: of the audio, in Hz.
        channels: independent channels, each encoded on its own.
        stack: 50 Hz frames per token.
        vocab: semantic vocabulary.
        grid: of windows; only on `WHOLE` are the tokens those of a whole file.

    A token is ready once its window and the window's look-ahead have arrived: ``latency`` seconds at most.
    """

    def __init__(self, networks: Networks, sample_rate: int, channels: int, stack: int, vocab: int, grid: Grid = WHOLE) -> None:
        self._networks, self._stack, self._vocab, self._grid = networks, stack, vocab, grid
        self._ahead = grid.wait(networks.encoder_context)
        self._rate_in, self._rate = sample_rate, networks.config.sample_rate
        self._resampler = Resampler(sample_rate, self._rate, channels)
        self._hop, self._edge = networks.config.hop_length, networks.mel.edge
        self._buffer = np.zeros((channels, 0), np.float32)
        self._buffer_start = 0
        self._next_frame = 0
        self.samples = 0

    @property
    def latency(self) -> float:
        """Longest time in seconds between a sample's arrival and its token."""
        return ((self._grid.core + self._ahead) * self._hop + self._edge) / self._rate

    @property
    def look_ahead(self) -> float:
        """Seconds of audio behind a window that its tokens depend on."""
        return (self._ahead * self._hop + self._edge) / self._rate

    def push(self, block: np.ndarray) -> Tensor:
        """``(channels, n)`` samples → ``(channels, 2, ready)`` codes."""
        self.samples += block.shape[1]
        self._append(self._resampler.push(np.ascontiguousarray(block.T, np.float32)).T)
        return self._encode(final=False)

    def flush(self) -> Tensor:
        """The codes of everything that was pushed and is still waiting."""
        self._append(self._resampler.flush().T)
        missing = model_samples(self.samples, self._rate_in, self._rate) - self._received
        self._append(np.zeros((len(self._buffer), max(0, missing)), np.float32))
        return self._encode(final=True)

    @property
    def _received(self) -> int:
        return self._buffer_start + self._buffer.shape[1]

    def _append(self, wave: np.ndarray) -> None:
        if wave.shape[1]:
            self._buffer = np.concatenate([self._buffer, wave], axis=1)

    def _encode(self, final: bool) -> Tensor:
        parts = [torch.zeros(len(self._buffer), 2, 0, dtype=torch.int64)]
        for left, start, stop, right in self._windows(final):
            wave = self._slice(left * self._hop - self._edge, right * self._hop + self._edge)
            codes = per_item(self._window_codes, wave).cpu()
            parts.append(codes[:, :, (start - left) // self._stack : (stop - left) // self._stack])
            self._next_frame = stop
            self._drop((stop - self._networks.encoder_context) * self._hop - self._edge)
        return torch.cat(parts, dim=2)

    def _windows(self, final: bool) -> Iterator[tuple[int, int, int, int]]:
        """Context start, core start, core stop, context stop of every window that can be computed now, in frames."""
        context = self._networks.encoder_context
        token = self._hop * self._stack
        # After flush the end is known: zeros fill the last token, and context stops where the audio does.
        total = -(-min(self._received, model_samples(self.samples, self._rate_in, self._rate)) // token) * self._stack
        while True:
            start = self._next_frame
            stop = start + self._grid.core
            if not final and (stop + self._ahead) * self._hop + self._edge > self._received:
                return
            if final and start >= total:
                return
            limit = total if final else stop + self._ahead
            yield max(0, start - context), start, min(stop, limit), min(stop + self._ahead, limit)

    def _window_codes(self, wave: Tensor) -> Tensor:
        return self._networks.mel_to_codes(self._networks.mel(wave, padded=True), self._stack, self._vocab)

    def _slice(self, start: int, stop: int) -> Tensor:
        """Samples ``start … stop`` of the stream at the model's rate; zeros before its beginning and after its end."""
        inside = self._buffer[:, max(0, start - self._buffer_start) : max(0, stop - self._buffer_start)]
        before = max(0, -start)
        wave = np.zeros((len(self._buffer), stop - start), np.float32)
        wave[:, before : before + inside.shape[1]] = inside
        return torch.from_numpy(wave).to(next(self._networks.parameters()).device)

    def _drop(self, start: int) -> None:
        if start > self._buffer_start:
            self._buffer = self._buffer[:, start - self._buffer_start :].copy()
            self._buffer_start = start


class StreamDecoder:
    """Turns pushed codes into audio at the model's sample rate.

    Args:
        networks: of the model.
        stack: 50 Hz frames per token.
        vocab: semantic vocabulary.
        grid: of windows; where it looks less far ahead than the network does, windows are cross-faded over 20 ms.
    """

    def __init__(self, networks: Networks, stack: int, vocab: int, grid: Grid = WHOLE) -> None:
        self._networks, self._stack, self._vocab, self._grid = networks, stack, vocab, grid
        self._ahead = grid.wait(networks.decoder_context)
        self._fading: Tensor | None = None
        self._codes: Tensor | None = None
        self._start = 0  # frame at which the held codes begin
        self._next_frame = 0

    @property
    def latency(self) -> float:
        """Longest time in seconds between a token's arrival and its sound."""
        return self.look_ahead + self._grid.core * self._networks.config.hop_length / self._networks.config.sample_rate

    @property
    def look_ahead(self) -> float:
        """Seconds of tokens behind a window that its sound depends on."""
        return self._ahead * self._networks.config.hop_length / self._networks.config.sample_rate

    def push(self, codes: Tensor) -> Tensor:
        """``(channels, S, n)`` codes → ``(channels, ready)`` samples."""
        self._codes = codes if self._codes is None else torch.cat([self._codes, codes], dim=2)
        return self._decode(final=False)

    def flush(self) -> Tensor:
        """The audio of everything that was pushed and is still waiting."""
        return self._decode(final=True)

    def _decode(self, final: bool) -> Tensor:
        if self._codes is None:
            return torch.zeros(0, 0)
        hop, context = self._networks.config.hop_length, self._networks.decoder_context
        parts: list[Tensor] = []
        while True:
            total = self._start + self._codes.shape[2] * self._stack
            start, stop = self._next_frame, self._next_frame + self._grid.core
            if (start >= total) if final else (stop + self._ahead > total):
                # One part needs no copy: with many channels it is large.
                return parts[0] if len(parts) == 1 else torch.cat([torch.zeros(len(self._codes), 0), *parts], dim=1)
            left, stop, right = max(0, start - context), min(stop, total), min(stop + self._ahead, total)
            window = self._codes[:, :, (left - self._start) // self._stack : (right - self._start) // self._stack]
            wave = per_item(self._window_wave, window.to(next(self._networks.parameters()).device)).cpu()
            parts.append(self._faded(wave[:, (start - left) * hop : (stop - left) * hop]))
            if self._ahead < context:
                self._fading = wave[:, (stop - left) * hop : (stop - left + 1) * hop]
            self._next_frame = stop
            keep = max(self._start, stop - context)
            self._codes, self._start = self._codes[:, :, (keep - self._start) // self._stack :], keep

    def _faded(self, core: Tensor) -> Tensor:
        """A window's core whose first frame goes over from what the window before made of it, seeing less."""
        old = self._fading
        if old is None or not old.shape[1]:
            return core
        ramp = torch.linspace(0, 1, old.shape[1])
        return torch.cat([old + ramp * (core[:, : old.shape[1]] - old), core[:, old.shape[1] :]], dim=1)

    def _window_wave(self, codes: Tensor) -> Tensor:
        return self._networks.codes_to_wave(codes, self._stack, self._vocab)
