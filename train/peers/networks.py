"""Peers as they are trained: networks with codebooks that learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.baselines.narrow import narrowed
from codec.baselines.plain import PlainNetworks
from codec.networks.token_decoder import Frames
from train.peers.config import PeerConfig
from train.voice.pitch import labelled
from train.voice.praat import needs, track
from train.voice.targets import Targets, frame_losses

DECAY = 0.99
"""Of codebooks' running means, per step."""


class Heard(NamedTuple):
    """What a peer makes of a batch.

    Attributes:
        output: ``(B, 1, samples)``.
        commitment: how far the encoder is from its codewords.
        frames: losses on frames, by name; of peers that have none, empty.
    """

    output: Tensor
    commitment: Tensor
    frames: dict[str, Tensor] = {}


def residual(books: Sequence[Any], vectors: Tensor, moving: bool, draws: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Codewords of codewords' errors, codebook after codebook.

    Args:
        books: with ``embed``, ``embed_avg``, ``cluster_size`` and ``quantize``.
        vectors: ``(N, D)``.
        moving: codebooks follow what chooses them.
        draws: for codewords that move.

    Returns:
        Sums of codewords ``(N, D)``, and the mean square errors, added up.
    """
    rest, total, commitment = vectors, torch.zeros_like(vectors), vectors.new_zeros(())
    for book in books:
        with torch.no_grad():
            codes = book.quantize(rest.detach())
            if moving:
                learn(book, rest.detach(), codes, draws)
            chosen = F.embedding(codes, book.embed)
        commitment = commitment + F.mse_loss(rest, chosen)
        rest, total = rest - chosen, total + chosen
    return total, commitment


@torch.no_grad()
def learn(book: Any, vectors: Tensor, codes: Tensor, draws: torch.Generator | None) -> None:
    """Moves codewords to the mean of what chose them; those that nothing chooses move to a vector of the batch."""
    counts = torch.bincount(codes, minlength=len(book.embed)).to(vectors.dtype)
    sums = torch.zeros_like(book.embed).index_add_(0, codes, vectors)
    book.cluster_size.lerp_(counts, 1 - DECAY)
    book.embed_avg.lerp_(sums, 1 - DECAY)
    dead = book.cluster_size < 1e-2
    fresh = vectors[torch.randint(len(vectors), (int(dead.sum()),), generator=draws).to(vectors.device)]
    book.embed_avg[dead], book.cluster_size[dead] = fresh, 1.0
    book.embed.copy_(book.embed_avg / book.cluster_size.unsqueeze(1))


class EncodecPeer(nn.Module):
    """EnCodec with what its library leaves out: codebooks that learn as running means, and gradients past them.

    Args:
        network: transformers' ``EncodecModel``.
        streams: codebooks in use.
    """

    def __init__(self, network: Any, streams: int) -> None:
        super().__init__()
        self.network, self.streams = network, streams
        self.sample_rate = int(network.config.sampling_rate)

    def forward(self, wave: Tensor, draws: torch.Generator | None = None) -> Heard:
        """``(B, 1, samples)`` → the same again, and how far the encoder is from its codewords.

        Args:
            wave: of a batch.
            draws: of the step, for codewords that move.
        """
        latents = self.network.encoder(wave)
        rest = latents.transpose(1, 2).reshape(-1, latents.shape[1])
        books = [layer.codebook for layer in self.network.quantizer.layers[: self.streams]]
        total, commitment = residual(books, rest, self.training, draws)
        values = total.view(len(latents), -1, latents.shape[1]).transpose(1, 2)
        return Heard(self.network.decoder(latents + (values - latents).detach()), commitment)


class DacPeer(nn.Module):
    """The Descript codec, whose library has all that training needs, but for streams: by itself it trains every codebook.

    Args:
        network: transformers' ``DacModel``.
        streams: codebooks in use.
    """

    def __init__(self, network: Any, streams: int) -> None:
        super().__init__()
        self.network, self.streams = network, streams
        self.sample_rate = int(network.config.sampling_rate)

    def forward(self, wave: Tensor, draws: torch.Generator | None = None) -> Heard:
        """``(B, 1, samples)`` → the same again, and how far encoder and codewords are from each other; nothing is drawn."""
        sizes, rest = self.network.config, self.network.encoder(wave)
        distance, total = rest.new_zeros(()), torch.zeros_like(rest)
        for layer in self.network.quantizer.quantizers[: self.streams]:
            chosen, commitment, codebook, *_ = layer(rest)
            rest, total = rest - chosen, total + chosen
            distance = distance + sizes.commitment_loss_weight * commitment + sizes.codebook_loss_weight * codebook
        output: Tensor = self.network.decode(total).audio_values
        return Heard(output.unsqueeze(1), distance.mean())


class PlainPeer(nn.Module):
    """Our decoder behind a plain residual quantiser: no semantic tokens, no pitch of its own, no tones.

    Args:
        network: to train.
    """

    def __init__(self, network: PlainNetworks) -> None:
        super().__init__()
        needs()
        self.network = network
        self.sample_rate = network.sample_rate

    def forward(self, wave: Tensor, draws: torch.Generator | None = None) -> Heard:
        """``(B, 1, samples)``, whole tokens → the same again, how far encoder and codewords are apart, and losses on frames."""
        with torch.no_grad():
            features = self.network.front_end(wave[:, 0])
        latents = self.network.encode_features(features)
        flat = latents.flatten(0, 1)
        total, commitment = residual(list(self.network.books), flat, self.training, draws)
        values = latents + (total.view_as(latents) - latents).detach()
        frames = self.network.frames(values)
        return Heard(self.network.sound(frames)[:, None], commitment, self._frame_losses(wave[:, 0], frames, features))

    def _frame_losses(self, wave: Tensor, frames: Frames, features: Any) -> dict[str, Tensor]:
        hertz = np.stack([track(item) for item in wave.detach().cpu().numpy()])
        pitch = labelled(torch.from_numpy(hertz)[..., None].to(wave.device))
        return frame_losses(frames, Targets(features, pitch))


Peer = EncodecPeer | DacPeer | PlainPeer


def peer(config: PeerConfig) -> Peer:
    """An untrained one, the same for the same seed."""
    if config.family == "plain":
        torch.manual_seed(config.seed)
        return PlainPeer(PlainNetworks(config.codebooks))
    network = narrowed(config.family, config.width, None).requires_grad_(True)
    return DacPeer(network, config.codebooks) if config.family == "dac_16khz" else EncodecPeer(network, config.codebooks)
