"""The two halves of a codec as plain functions of one tensor, which ``torch.export`` and ONNX can trace.

They compute what `Networks` computes, with what those formats lack written in other words: Fourier transforms as products
with a matrix, searches without tiles, overlapping windows as a few shifted sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from codec.features import LOG_FLOOR, LogMel
from codec.networks.decoder import MAX_LOG_MAGNITUDE, ISTFTHead
from codec.networks.networks import Networks
from quantizers.nested import NestedKMeansQuantizer, descend

MAX_TOKENS = 100_000
"""In one call."""


class EncoderGraph(nn.Module):
    """Wave ``(1, N · stack · hop + 2 · edge)``, its context included, → codes ``(1, 2, N)``.

    Args:
        networks: of the model.
        stack: 50 Hz frames per token.
        vocab: semantic vocabulary.
    """

    def __init__(self, networks: Networks, stack: int, vocab: int) -> None:
        super().__init__()
        self.stack = stack
        self.mel = MelGraph(networks.mel)
        self.semantic, self.acoustic = networks.semantic, networks.acoustic
        self.search = CodewordSearch(networks.codebook(stack), vocab)
        self.quantizer = networks.acoustic_quantizer

    def forward(self, wave: Tensor) -> Tensor:
        mel = self.mel(wave)
        features = self.semantic(mel)
        semantic, values = self.search(features.reshape(1, -1, self.stack * features.shape[-1]))
        acoustic = self.quantizer.encode(self.acoustic(mel, values, self.stack))
        return torch.stack([semantic, acoustic], dim=1)


class MelGraph(nn.Module):
    """`LogMel` of a wave with its context: the transform is a convolution with windowed sines and cosines."""

    kernels: Tensor
    filters: Tensor

    def __init__(self, mel: LogMel) -> None:
        super().__init__()
        window = mel.mel.spectrogram.window
        self.hop_length = mel.hop_length
        spectrum = torch.fft.rfft(torch.diag(window.double()))  # (n_fft, bins)
        kernels = torch.cat([spectrum.real, spectrum.imag], dim=1).T.float()
        self.register_buffer("kernels", kernels.unsqueeze(1).contiguous())
        self.register_buffer("filters", mel.mel.mel_scale.fb.clone())

    def forward(self, wave: Tensor) -> Tensor:
        real, imaginary = F.conv1d(wave.unsqueeze(1), self.kernels, stride=self.hop_length).chunk(2, dim=1)
        magnitude = (real.square() + imaginary.square()).sqrt().transpose(1, 2)
        return (magnitude @ self.filters).clamp_min(LOG_FLOOR).log10()


class CodewordSearch(nn.Module):
    """`NestedKMeansQuantizer` for one vocabulary, and windows short enough to be searched at once."""

    mean: Tensor
    basis: Tensor

    def __init__(self, codebook: NestedKMeansQuantizer, vocab: int) -> None:
        super().__init__()
        self.register_buffer("mean", codebook.mean)
        self.register_buffer("basis", codebook.basis)
        self.used = [size for size in codebook.vocabs if size <= vocab]
        for size in self.used:
            self.register_buffer(f"table{size}", codebook.table(size).clone())

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """``(1, N, D)`` → codes ``(1, N)`` and codewords ``(1, N, D')``."""
        points = (features - self.mean) @ self.basis
        tables = [self.get_buffer(f"table{size}") for size in self.used]
        codes = descend(points[0], tables)[-1].unsqueeze(0)
        return codes, tables[-1][codes]


class DecoderGraph(nn.Module):
    """Codes ``(1, 2, N)`` → wave ``(1, N · stack · hop)``.

    Args:
        networks: of the model.
        stack: 50 Hz frames per token.
        vocab: semantic vocabulary.
    """

    table: Tensor

    def __init__(self, networks: Networks, stack: int, vocab: int) -> None:
        super().__init__()
        self.stack = stack
        self.decoder, self.quantizer = networks.decoder, networks.acoustic_quantizer
        self.register_buffer("table", networks.codebook(stack).table(vocab).clone())
        self.head = HeadGraph(networks.decoder.head)

    def forward(self, codes: Tensor) -> Tensor:
        values = self.quantizer.decode(codes[:, 1])
        return self.head(self.decoder.backbone(self.decoder.frames(self.table[codes[:, 0]], values, self.stack)))


class HeadGraph(nn.Module):
    """`ISTFTHead`, its inverse transform and window as one matrix."""

    inverse: Tensor
    weight: Tensor
    turns: Tensor

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        self.project, self.period, self.hop_length = head.project, head.period, head.hop_length
        self.edge = (head.n_fft - head.hop_length) // 2
        unit = torch.eye(head.n_fft // 2 + 1, dtype=torch.complex128)
        both = torch.cat([torch.fft.irfft(unit, head.n_fft), torch.fft.irfft(1j * unit, head.n_fft)])
        self.register_buffer("inverse", (both * head.window.double()).float())
        self.register_buffer("weight", head.window.square())
        self.register_buffer("turns", head.turns.clone())

    def forward(self, x: Tensor) -> Tensor:
        magnitude, phase = self.project(x).chunk(2, dim=-1)
        magnitude = magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp()
        phase = phase + self.turns[torch.arange(x.shape[1], device=x.device) % self.period]
        frames = torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=-1) @ self.inverse
        wave = self._overlap_add(frames) / self._overlap_add(self.weight.expand(1, x.shape[1], -1))
        return wave.clamp(-1, 1)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        hops = frames.reshape(1, -1, self.period, self.hop_length)
        shifted = [F.pad(hops[:, :, part], (0, 0, part, self.period - 1 - part)) for part in range(self.period)]
        return torch.stack(shifted).sum(0).reshape(1, -1)[:, self.edge : -self.edge]


@dataclass(frozen=True)
class Traced:
    """A half of the codec, ready for any exporter.

    Attributes:
        input: name of its one input.
        output: name of its one output.
        program: with a dynamic number of tokens.
    """

    input: str
    output: str
    program: ExportedProgram


def trace_encoder(networks: Networks, stack: int, vocab: int) -> Traced:
    """`EncoderGraph` by ``torch.export``."""
    step, context = stack * networks.config.hop_length, 2 * networks.mel.edge
    tokens = Dim("tokens", min=2, max=MAX_TOKENS)
    graph = EncoderGraph(networks, stack, vocab).eval()
    example = torch.zeros(1, 50 * step + context)
    program = torch.export.export(graph, (example,), dynamic_shapes={"wave": {1: step * tokens + context}})
    return Traced("wave", "codes", program)


def trace_decoder(networks: Networks, stack: int, vocab: int) -> Traced:
    """`DecoderGraph` by ``torch.export``."""
    tokens = Dim("tokens", min=2, max=MAX_TOKENS)
    graph = DecoderGraph(networks, stack, vocab).eval()
    example = torch.zeros(1, 2, 50, dtype=torch.int64)
    return Traced("codes", "wave", torch.export.export(graph, (example,), dynamic_shapes={"codes": {2: tokens}}))
