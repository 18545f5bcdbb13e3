"""Networks of torch as an engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.engine import Engine, Point
from codec.networks.interface import CodecNetworks
from codec.networks.resampling import converted, is_simple
from codec.threads import at_once, side_by_side

TOGETHER = 32
"""Clips whose windows go through a GPU side by side."""
CONVERTED = 1 << 27
"""Samples that a GPU resamples at once, half a gigabyte of them: 32 clips of a minute and a half at 44.1 kHz."""


def sent(array: np.ndarray, device: torch.device) -> Tensor:
    """An array there; a GPU goes on meanwhile."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def fetched(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Tensors of one device here. All copies are begun before the first is waited for."""
    copies = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
    if tensors and tensors[0].device.type == "cuda":
        torch.cuda.current_stream(tensors[0].device).synchronize()
    return [copy.numpy() for copy in copies]


class TorchEngine(Engine):
    """Runs networks where they are.

    Args:
        networks: of a model.
    """

    def __init__(self, networks: CodecNetworks) -> None:
        self._networks = networks
        self.sample_rate, self.vocabs = networks.config.sample_rate, networks.config.vocabs
        self.points, self.frame_length, self.edge = networks.points, networks.frame_length, networks.edge
        self.encoder_context, self.decoder_context = networks.encoder_context, networks.decoder_context
        self.decoder_step = networks.decoder_step

    @property
    def networks(self) -> CodecNetworks:
        """The networks."""
        return self._networks

    @property
    def on_cpu(self) -> bool:
        """Whether the networks are there."""
        return self._device.type == "cpu"

    @property
    def at_once(self) -> int:
        """Windows that are computed at a time: on a CPU one for each thread; a GPU works on clips side by side instead."""
        return at_once() if self.on_cpu else 1

    @property
    def together(self) -> int:
        """Clips that are computed at a time: on a CPU one for each thread."""
        return at_once() if self.on_cpu else TOGETHER

    @property
    def _device(self) -> torch.device:
        return self._networks.codebook(next(iter(self.points.values())).frames_per_token).leaves.device

    def codebook_sizes(self, vocab: int) -> tuple[int, ...]:
        return self._networks.codebook_sizes(vocab)

    def at_its_rate(self, clips: Sequence[np.ndarray], sample_rate: int) -> tuple[Sequence[np.ndarray], int]:
        """Converted there, but on a CPU, and where it would take much memory: streams do it then."""
        if self.on_cpu or sample_rate == self.sample_rate or not is_simple(sample_rate, self.sample_rate):
            return clips, sample_rate
        if len(clips) * max(map(len, clips), default=0) > CONVERTED:
            return clips, sample_rate
        return fetched(converted(clips, sample_rate, self.sample_rate, self._device)), self.sample_rate

    def encode(self, windows: Sequence[np.ndarray], point: Point, vocab: int) -> list[np.ndarray]:
        frames_per_token, n_streams = point
        return fetched(
            self._through(lambda wave: self._networks.wave_to_codes(wave, frames_per_token, vocab, n_streams), windows)
        )

    def draw(self, windows: Sequence[np.ndarray], frames_per_token: int, vocab: int) -> list[Tensor]:
        return self._through(lambda codes: self._networks.codes_to_drawing(codes, frames_per_token, vocab), windows)

    def sound(self, drawing: Any, state: Any, left: int, start: int, stop: int) -> tuple[np.ndarray, Any]:
        with torch.no_grad():
            wave, state = self._networks.sound(drawing, state, left, start, stop)
        return wave.clamp(-1, 1).cpu().numpy(), state

    def _through(self, network: Callable[[Tensor], Tensor], arrays: Sequence[np.ndarray]) -> list[Tensor]:
        """What a network makes of windows ``(B, …)``.

        On a CPU it sees item by item: kernels round differently for other batch sizes, a rounding can flip a token, and there
        is no speed in batching windows of this length there. Elsewhere it sees all windows of one shape together.
        """
        network = torch.no_grad()(network)  # in every thread that runs it
        windows = [sent(array, self._device) for array in arrays]
        if windows[0].device.type == "cpu":
            items = side_by_side(network, [item for window in windows for item in torch.split(window, 1)])
            parts = iter(items)
            found = [[next(parts) for _ in window] for window in windows]
            return [part[0] if len(part) == 1 else torch.cat(part) for part in found]
        alike: defaultdict[torch.Size, list[int]] = defaultdict(list)
        for index, window in enumerate(windows):
            alike[window.shape[1:]].append(index)
        outputs: dict[int, Tensor] = {}
        for group in alike.values():
            output = network(torch.cat([windows[index] for index in group]))
            outputs |= zip(group, torch.split(output, [len(windows[index]) for index in group]), strict=True)
        return [outputs[index] for index in range(len(windows))]
