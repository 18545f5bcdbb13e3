"""What meaning costs: the decoder of this project behind a plain residual quantiser, with no semantic stream and no rules."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from codec.config import ModelConfig
from codec.errors import ModelError
from codec.networks.convnext import ConvNeXt
from codec.networks.frontend import MEL_CENTRE, AcousticFeatures, AcousticFrontEnd
from codec.networks.pitch import MIDDLE_OCTAVE
from codec.networks.token_decoder import FRAMES_PER_TOKEN_FRAME, Frames
from codec.networks.tones import N_TONES, Tones
from codec.networks.vocoder import Vocoder

STACK = 2
"""Frames of 50 Hz in a token: 25 tokens/s of each stream."""
CODEBOOK_SIZE, CODEBOOK_DIM = 2048, 64


class Codebook(nn.Module):
    """Codewords that learn as running means of what chooses them.

    Args:
        size: codewords.
        dim: their width.
    """

    embed: Tensor
    embed_avg: Tensor
    cluster_size: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        start = torch.randn(size, dim)
        self.register_buffer("embed", start)
        self.register_buffer("embed_avg", start.clone())
        self.register_buffer("cluster_size", torch.ones(size))

    def quantize(self, vectors: Tensor) -> Tensor:
        """``(N, D)`` → ``(N,)`` nearest codewords."""
        return torch.cdist(vectors.float(), self.embed).argmin(1)


DILATIONS, TOKEN_DILATIONS = (1, 2, 1, 2, 1), (1, 1, 1)
"""Of the encoder, at 50 frames a second and with a frame a token."""


class PlainNetworks(nn.Module):
    """Encoder, residual codebooks, decoder; sizes are those of our own networks, the encoder's those of the semantic one.

    Args:
        streams: codebooks.
        config: sizes.
    """

    def __init__(self, streams: int, config: ModelConfig | None = None) -> None:
        super().__init__()
        config = config or ModelConfig()
        encoder, decoder, mel = config.semantic, config.decoder, config.mel
        self.n_mels, self.sample_rate = mel.n_mels, config.sample_rate
        self.hop_length = STACK * FRAMES_PER_TOKEN_FRAME * config.hop_length
        self.front_end = AcousticFrontEnd(
            config.sample_rate, mel.n_fft, config.hop_length, config.n_fft, mel.n_mels, config.n_lags
        )
        self.stem = nn.Linear(FRAMES_PER_TOKEN_FRAME * (mel.n_mels + config.n_lags), encoder.dim)
        self.backbone = ConvNeXt(encoder.dim, encoder.hidden_dim, DILATIONS)
        self.gather = nn.Linear(STACK * encoder.dim, encoder.dim)
        self.tokens = ConvNeXt(encoder.dim, encoder.hidden_dim, TOKEN_DILATIONS)
        self.head = nn.Linear(encoder.dim, CODEBOOK_DIM)
        self.books = nn.ModuleList(Codebook(CODEBOOK_SIZE, CODEBOOK_DIM) for _ in range(streams))
        self.spread = nn.Linear(CODEBOOK_DIM, STACK * decoder.dim)
        self.decoder = ConvNeXt(decoder.dim, decoder.hidden_dim, decoder.dilations)
        self.refine = nn.Linear(decoder.dim, FRAMES_PER_TOKEN_FRAME * decoder.fine_dim)
        self.fine = ConvNeXt(decoder.fine_dim, decoder.fine_hidden_dim, decoder.fine_dilations)
        self.block = nn.Linear(decoder.fine_dim, mel.n_mels + 2)
        self.vocoder = Vocoder(
            config.vocoder, mel.n_mels, decoder.fine_dim, config.n_fft, config.hop_length, config.sample_rate
        )

    def encode_features(self, features: AcousticFeatures) -> Tensor:
        """Features of ``T`` frames at 100 Hz → ``(B, T / 4, D)`` latents."""
        x = torch.cat([features.mel + MEL_CENTRE, features.correlogram], -1)
        x = self.backbone(self.stem(rearrange(x, "b (t two) d -> b t (two d)", two=FRAMES_PER_TOKEN_FRAME)))
        latents: Tensor = self.head(self.tokens(self.gather(rearrange(x, "b (n k) d -> b n (k d)", k=STACK))))
        return latents

    def codes(self, latents: Tensor) -> Tensor:
        """``(N, D)`` → ``(S, N)``."""
        rest, found = latents, []
        for book in self.books:
            assert isinstance(book, Codebook)
            found.append(book.quantize(rest))
            rest = rest - F.embedding(found[-1], book.embed)
        return torch.stack(found)

    def values(self, codes: Tensor) -> Tensor:
        """``(S, N)`` → ``(N, D)``."""
        parts = [F.embedding(code, book.embed) for code, book in zip(codes, self.books, strict=True)]  # type: ignore[arg-type]
        return torch.stack(parts).sum(0)

    def frames(self, values: Tensor) -> Frames:
        """``(B, N, D)`` → what they say of ``4 · N`` frames at 100 Hz."""
        x = self.decoder(rearrange(self.spread(values), "b n (k d) -> b (n k) d", k=STACK))
        x = self.fine(rearrange(self.refine(x), "b t (two d) -> b (t two) d", two=FRAMES_PER_TOKEN_FRAME))
        said = self.block(x).float()
        return Frames(
            mel=said[..., : self.n_mels] - MEL_CENTRE,
            octave=MIDDLE_OCTAVE + said[..., self.n_mels],
            voicing=said[..., self.n_mels + 1],
            hidden=x,
        )

    def sound(self, frames: Frames) -> Tensor:
        """→ ``(B, samples)``."""
        x = self.vocoder(frames.mel, frames.pitch, frames.hidden)
        silent = x.new_zeros(*x.shape[:2], N_TONES)
        wave: Tensor = self.vocoder.head(x, frames.pitch.f0, frames.pitch.voiced, Tones(silent, silent, silent[..., 0])).wave
        return wave


class Plain:
    """The networks as a `codec.baselines.neural.Network`."""

    def __init__(self, networks: PlainNetworks) -> None:
        self._networks = networks

    def encode(self, wave: Tensor) -> Tensor:
        return self._networks.codes(self._networks.encode_features(self._networks.front_end(wave[None]))[0])

    def decode(self, codes: Tensor) -> Tensor:
        return self._networks.sound(self._networks.frames(self._networks.values(codes)[None]))[0]

    def embed(self, codes: Tensor) -> Tensor:
        return self._networks.values(codes)


def load_plain(path: Path, streams: int) -> PlainNetworks:
    """Networks of our own sizes with weights of a file.

    Raises:
        ModelError: it holds weights of something else.
    """
    networks = PlainNetworks(streams)
    try:
        networks.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path}: not the weights of such a network ({' '.join(str(error).split())[:200]})") from error
    return networks.eval().requires_grad_(False)
