"""Published neural codecs as codecs of tokens: any sample rate in, one item at a time, exact lengths."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from codec.audio.io import resample
from codec.audio.samples import Wave, as_batch
from codec.baselines.weights import find_weights, require_weights
from codec.errors import CodecError, ModelError
from codec.limits import as_sample_rate
from codec.provenance import sha256_of
from codec.token_checks import check_tokens, require_tokens
from codec.token_spec import TokenSpec
from codec.tokens import Tokens, batch, count_frames, model_samples, no_tokens

Module = TypeVar("Module", bound=torch.nn.Module)
SEED = 0


class Network(Protocol):
    """A published network at one operating point, on one clip."""

    def encode(self, wave: Tensor) -> Tensor:
        """``(samples,)``, whole frames → ``(S, N)`` codes."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """``(S, N)`` → about ``(N · hop_length,)``; some networks fall a few samples short."""
        ...

    def embed(self, codes: Tensor) -> Tensor:
        """``(S, N)`` → ``(N, D)``, what the network's decoder sees."""
        ...


@dataclass(frozen=True)
class Layout:
    """The layout of a network's tokens.

    Attributes:
        sample_rate: of the network, in Hz.
        hop_length: samples of a frame.
        codebook_sizes: of the streams in use.
    """

    sample_rate: int
    hop_length: int
    codebook_sizes: tuple[int, ...]


@dataclass(frozen=True)
class Origin:
    """Where a network's weights come from.

    Attributes:
        path: of the file; None for random ones.
        fingerprint: 16 hexadecimal digits.
    """

    path: Path | None
    fingerprint: str

    @property
    def version(self) -> str:
        """To tell results apart by."""
        return self.fingerprint if self.path else f"random weights, seed {SEED}"


def origin(family: str, trained_only: bool) -> Origin:
    """Weights on this machine, or random ones where those are explicitly allowed.

    Raises:
        ModelError: they are not here and must be.
    """
    if not trained_only and find_weights(family) is None:
        return Origin(None, hashlib.sha256(f"random {family} {SEED}".encode()).hexdigest()[:16])
    path = require_weights(family)
    return Origin(path, sha256_of(path)[:16])


def at_random(build: Callable[[], Module]) -> Module:
    """Builds with a fixed seed and leaves the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = build()
        # Codebooks that are learned as running means start at zero, where every code would be the same; of equal length,
        # so that direction decides.
        for name, buffer in network.named_buffers():
            if name.endswith(("codebook.embed", "codebook.embed_sum")):
                buffer.copy_(F.normalize(torch.randn_like(buffer), dim=-1))
    return network


class NeuralCodec:
    """An `AudioCodec` around a published network.

    Items of a batch go through one by one, without padding, so that every one gives the tokens that it gives alone.

    Args:
        name: as it was asked for.
        network: at its operating point.
        layout: of its tokens.
        origin: of its weights.
    """

    def __init__(self, name: str, network: Network, layout: Layout, origin: Origin) -> None:
        self.name, self._network, self._layout = name, network, layout
        self.fingerprint, self.version, self.trained = origin.fingerprint, origin.version, origin.path is not None

    @property
    def sample_rate(self) -> int:
        """The sample rate of decoded audio, in Hz."""
        return self._layout.sample_rate

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self._layout.sample_rate / self._layout.hop_length

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The codebook size of each stream."""
        return self._layout.codebook_sizes

    @property
    def bitrate(self) -> float:
        """Bits per second."""
        return self.spec().bitrate

    def spec(self) -> TokenSpec:
        """What its tokens are."""
        return TokenSpec(self.codebook_sizes, self.frame_rate, self.fingerprint, self.sample_rate)

    @torch.no_grad()
    def encode(self, wave: Wave, sample_rate: int, *, lengths: Tensor | None = None) -> Tokens:
        """``(B, samples)`` or ``(samples,)`` → tokens; as `codec.Codec.encode` does.

        Raises:
            AudioError: samples of another shape, type or scale, wrong lengths, or an impossible sample rate.
        """
        clips, sample_rate = as_batch(wave, lengths), as_sample_rate(sample_rate)
        items = [self._encode_one(clip, sample_rate) for clip in clips]
        return batch(no_tokens(self.spec(), sample_rate, 0), items, [len(clip) for clip in clips])

    def _encode_one(self, row: np.ndarray, sample_rate: int) -> Tensor:
        frames = count_frames(len(row), sample_rate, self.frame_rate, self.sample_rate)
        if not frames:
            return torch.zeros(len(self.codebook_sizes), 0, dtype=torch.int64)
        wave = torch.from_numpy(resample(row[None], sample_rate, self.sample_rate)[0])
        codes = self._network.encode(_fit(wave, frames * self._layout.hop_length))
        if codes.shape != (len(self.codebook_sizes), frames):
            raise CodecError(f"{self.name}: the network made codes of shape {tuple(codes.shape)} for {frames} frames")
        return codes.to(torch.int64).clone()

    @torch.no_grad()
    def decode(self, tokens: Tokens) -> Tensor:
        """→ ``(B, samples)`` at ``self.sample_rate``: each item as long as its original, then zeros.

        Raises:
            ModelError: another model made the tokens.
            CodecError: codes outside their codebooks, or too few of them.
        """
        self.check(tokens)
        rows = []
        for index, length in enumerate(tokens.lengths.tolist()):
            found, start = tokens.in_context(index)
            codes = torch.from_numpy(found)
            wave = self._network.decode(codes) if codes.shape[1] else torch.zeros(0)
            wave = wave[start * self._layout.hop_length :]
            rows.append(_fit(wave, model_samples(length, tokens.sample_rate, self.sample_rate)))
        longest = max(map(len, rows), default=0)
        return torch.stack([_fit(row, longest) for row in rows]) if rows else torch.zeros(0, 0)

    @torch.no_grad()
    def embed(self, tokens: Tokens) -> Tensor:
        """→ ``(B, N, D)``: sums of codebook vectors that the decoder sees, zero behind the end of an item.

        Raises:
            ModelError: another model made the tokens.
            CodecError: codes outside their codebooks, or too few of them.
        """
        self.check(tokens)
        width = self._network.embed(torch.zeros(len(self.codebook_sizes), 1, dtype=torch.int64)).shape[1]
        vectors = torch.zeros(len(tokens.codes), tokens.codes.shape[2], width)
        for row, item in zip(vectors, tokens, strict=True):
            codes = item.codes[0]
            if codes.shape[1]:
                row[: codes.shape[1]] = self._network.embed(codes)
        return vectors

    def check(self, tokens: Tokens) -> None:
        """Refuses tokens that this codec cannot decode.

        Raises:
            ModelError: another model made them.
            CodecError: other codebooks, too few frames, or codes outside their codebooks.
        """
        require_tokens(tokens)
        if tokens.model != self.fingerprint:
            made_by = tokens.model or "unknown"
            raise ModelError(f"these tokens were made by model {made_by}, not by {self.fingerprint} ({self.name})")
        if tokens.codebook_sizes != self.codebook_sizes:
            raise CodecError(f"{len(tokens.codebook_sizes)} streams, but {self.name} has {len(self.codebook_sizes)}")
        check_tokens(tokens, self.spec())


def _fit(wave: Tensor, samples: int) -> Tensor:
    return F.pad(wave, (0, max(0, samples - len(wave))))[:samples]
