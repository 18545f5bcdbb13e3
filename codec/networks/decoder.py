"""The decoder: tokens' vectors → frames → spectrum → wave, all at 50 Hz (Vocos, arXiv 2306.00814)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import DecoderConfig, check_head
from codec.networks.convnext import ConvNeXt
from codec.networks.overlap import overlap_add

MAX_LOG_MAGNITUDE = 6.0


class ISTFTHead(nn.Module):
    """Predicts magnitude and phase of every frame and overlaps their inverse transforms.

    Phases are predicted relative to a steady tone in the middle of each bin, which turns by ``2π · bin · hop / n_fft``
    from frame to frame. A convolution cannot count frames, so without this reference its steady tones can only be
    multiples of the frame rate (50 Hz); with it they are multiples of the bin width (12.5 Hz), and what lies between
    drifts slowly.

    ``T`` frames give exactly ``T · hop_length`` samples; each frame is centred on the middle of its hop. The first
    frame of a window must have a number that ``period`` divides.

    Args:
        dim: width of the input.
        n_fft: window length in samples, at least two hops and a whole number of them.
        hop_length: in samples.

    Raises:
        ValueError: other lengths.
    """

    window: Tensor
    turns: Tensor

    def __init__(self, dim: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        check_head(n_fft, hop_length)
        self.n_fft, self.hop_length = n_fft, hop_length
        self.project = nn.Linear(dim, n_fft + 2)
        self.period = n_fft // hop_length
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        steps = torch.arange(self.period).unsqueeze(1) * torch.arange(n_fft // 2 + 1)
        self.register_buffer("turns", 2 * torch.pi * (steps % self.period) / self.period, persistent=False)

    @property
    def receptive_field(self) -> int:
        """Frames to either side that a hop's samples depend on."""
        return self.period // 2

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D)`` → ``(B, T · hop_length)``."""
        projected = self.project(x)
        # Fourier transforms want at least single precision, whatever the networks run in.
        magnitude, phase = projected.to(torch.promote_types(projected.dtype, torch.float32)).chunk(2, dim=-1)
        turns = self.turns.repeat(-(-x.shape[1] // self.period), 1)[: x.shape[1]]
        spectrum = torch.polar(magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase + turns)
        frames = torch.fft.irfft(spectrum, self.n_fft) * self.window
        weight = self.window.square().expand(1, x.shape[1], -1)
        edge = (self.n_fft - self.hop_length) // 2
        wave = overlap_add(frames, self.hop_length)[:, edge:-edge]
        return wave / overlap_add(weight, self.hop_length)[:, edge:-edge]


class TokenFrames(nn.Module):
    """Semantic codewords and acoustic values, or semantic codewords alone → frames at 50 Hz: where every decoder begins.

    Args:
        dim: width of the frames.
        stacks: frames per token, for each rate.
        semantic_dims: width of semantic codewords, for each rate.
        acoustic_dim: width of acoustic values.
    """

    def __init__(self, dim: int, stacks: Sequence[int], semantic_dims: Sequence[int], acoustic_dim: int) -> None:
        super().__init__()
        self.stacks = tuple(stacks)
        self.semantic = nn.ModuleList(nn.Linear(width, stack * dim) for stack, width in zip(stacks, semantic_dims, strict=True))
        self.acoustic = nn.ModuleList(
            nn.Sequential(nn.Linear(acoustic_dim, dim), nn.GELU(), nn.Linear(dim, stack * dim)) for stack in stacks
        )
        self.no_acoustic = nn.Parameter(torch.zeros(dim))
        self.rate = nn.Parameter(torch.zeros(len(self.stacks), dim))

    def frames(self, semantic: Tensor, acoustic: Tensor | None, stack: int, keep: Tensor | None = None) -> Tensor:
        """What the tokens say about each frame.

        Args:
            semantic: ``(B, T, D)`` codewords.
            acoustic: ``(B, T, acoustic_dim)`` values, or None for semantic-only decoding.
            stack: frames per token.
            keep: ``(B,)`` bool, items whose acoustic values are used (dropout of the stream in training).

        Returns:
            ``(B, T · stack, dim)``.
        """
        index = self.stacks.index(stack)
        x = rearrange(self.semantic[index](semantic), "b t (k d) -> b (t k) d", k=stack) + self.rate[index]
        if acoustic is None:
            return x + self.no_acoustic
        detail = rearrange(self.acoustic[index](acoustic), "b t (k d) -> b (t k) d", k=stack)
        return x + (detail if keep is None else torch.where(keep[:, None, None], detail, self.no_acoustic.to(detail.dtype)))


class Decoder(TokenFrames):
    """The fast decoder: frames → wave in one pass.

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
        super().__init__(config.dim, stacks, semantic_dims, acoustic_dim)
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.head = ISTFTHead(config.dim, config.n_fft, hop_length)

    @property
    def receptive_field(self) -> int:
        """Frames of context on either side, at 50 Hz."""
        return self.backbone.receptive_field + self.head.receptive_field

    def forward(self, semantic: Tensor, acoustic: Tensor | None, stack: int, keep: Tensor | None = None) -> Tensor:
        """Decodes; arguments as `frames` takes them.

        Returns:
            ``(B, T · stack · hop_length)`` samples.
        """
        wave: Tensor = self.head(self.backbone(self.frames(semantic, acoustic, stack, keep)))
        return wave
