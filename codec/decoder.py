"""The decoder: tokens' vectors → frames → spectrum → wave, all at 50 Hz (Vocos, arXiv 2306.00814)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import DecoderConfig
from codec.convnext import ConvNeXt

MAX_LOG_MAGNITUDE = 6.0


class ISTFTHead(nn.Module):
    """Predicts magnitude and phase of every frame and overlaps their inverse transforms.

    ``T`` frames give exactly ``T · hop_length`` samples; each frame is centred on the middle of its hop.

    Args:
        dim: width of the input.
        n_fft: window length in samples, a multiple of the hop.
        hop_length: in samples.
    """

    window: Tensor

    def __init__(self, dim: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        if n_fft % hop_length or (n_fft - hop_length) % 2:
            raise ValueError(f"n_fft {n_fft} must be a multiple of hop_length {hop_length}, and their difference even")
        self.n_fft, self.hop_length = n_fft, hop_length
        self.project = nn.Linear(dim, n_fft + 2)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    @property
    def reach(self) -> int:
        """Frames to either side that a hop's samples depend on."""
        return self.n_fft // self.hop_length // 2

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D)`` → ``(B, T · hop_length)``."""
        projected = self.project(x)
        # Fourier transforms want at least single precision, whatever the networks run in.
        magnitude, phase = projected.to(torch.promote_types(projected.dtype, torch.float32)).chunk(2, dim=-1)
        spectrum = torch.polar(magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase)
        frames = torch.fft.irfft(spectrum, self.n_fft) * self.window
        weight = self.window.square().expand(1, x.shape[1], -1)
        edge = (self.n_fft - self.hop_length) // 2
        wave = self._overlap_add(frames)[:, edge:-edge]
        return wave / self._overlap_add(weight)[:, edge:-edge]

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """``(B, T, n_fft)`` → ``(B, (T − 1) · hop_length + n_fft)``, as a few shifted sums of whole hops."""
        parts = self.n_fft // self.hop_length
        hops = rearrange(frames, "b t (p h) -> b t p h", p=parts)
        total = hops.new_zeros(frames.shape[0], frames.shape[1] + parts - 1, self.hop_length)
        for part in range(parts):
            total[:, part : part + frames.shape[1]] += hops[:, :, part]
        return rearrange(total, "b t h -> b (t h)")


class Decoder(nn.Module):
    """Semantic codewords and acoustic values, or semantic codewords alone → wave.

    Args:
        config: sizes.
        hop_length: samples per 50 Hz frame.
        stacks: frames per token, for each rate.
        semantic_dims: width of semantic codewords, for each rate.
        acoustic_dim: width of acoustic values.
    """

    def __init__(
        self, config: DecoderConfig, hop_length: int, stacks: Sequence[int], semantic_dims: Sequence[int], acoustic_dim: int
    ) -> None:
        super().__init__()
        self.stacks = tuple(stacks)
        dim = config.dim
        self.semantic = nn.ModuleList(nn.Linear(width, stack * dim) for stack, width in zip(stacks, semantic_dims, strict=True))
        self.acoustic = nn.ModuleList(
            nn.Sequential(nn.Linear(acoustic_dim, dim), nn.GELU(), nn.Linear(dim, stack * dim)) for stack in stacks
        )
        self.no_acoustic = nn.Parameter(torch.zeros(dim))
        self.rate = nn.Parameter(torch.zeros(len(self.stacks), dim))
        self.backbone = ConvNeXt(dim, config.hidden_dim, config.dilations)
        self.head = ISTFTHead(dim, config.n_fft, hop_length)

    @property
    def reach(self) -> int:
        """Frames of context on either side, at 50 Hz."""
        return self.backbone.reach + self.head.reach

    def forward(self, semantic: Tensor, acoustic: Tensor | None, stack: int, keep: Tensor | None = None) -> Tensor:
        """Decodes.

        Args:
            semantic: ``(B, T, D)`` codewords.
            acoustic: ``(B, T, acoustic_dim)`` values, or None for semantic-only decoding.
            stack: frames per token.
            keep: ``(B,)`` bool, items whose acoustic values are used (dropout of the stream in training).

        Returns:
            ``(B, T · stack · hop_length)`` samples.
        """
        index = self.stacks.index(stack)
        x = rearrange(self.semantic[index](semantic), "b t (k d) -> b (t k) d", k=stack) + self.rate[index]
        if acoustic is None:
            x = x + self.no_acoustic
        else:
            detail = rearrange(self.acoustic[index](acoustic), "b t (k d) -> b (t k) d", k=stack)
            x = x + (detail if keep is None else torch.where(keep[:, None, None], detail, self.no_acoustic.to(detail.dtype)))
        wave: Tensor = self.head(self.backbone(x))
        return wave
