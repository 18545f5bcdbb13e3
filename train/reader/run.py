"""Trains the reader of tokens: pairs that belong together are to be more alike than any others in a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.hub import load_own
from codec.networks.reader_file import reader_of, save_reader
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.token_reader import TokenReader, begun, pooled
from train.config import TrainConfig
from train.crops import FRAMES_PER_SECOND
from train.loop import Training, train
from train.parallel import Place, join
from train.progress import autocast
from train.reader.groups import gather, is_held_out
from train.reader.pairs import Pairs, PairSource, ReaderBatch, padded

MATTERS = ("reader", "seed")
BESIDE = 0.4
"""Of the length of a reading of a clip, the length that its codewords have beside it."""
HELD_OUT = 256
"""Phrases to validate on, at most."""


def run(config: TrainConfig) -> str:
    """Trains to the end, or goes on from the last checkpoint, and writes ``reader.safetensors`` beside the model's weights.

    Returns:
        The fingerprint of the reader.

    Raises:
        CodecError: a synthesiser, texts or the corpus are missing.
    """
    torch.manual_seed(config.seed)
    stage, place = config.reader, Place(0, 1, join().device)
    model = load_own(config.folder("model"))
    networks, vocab = model.networks, model.vocabs[-1]
    assert isinstance(networks, SourceFilterNetworks)
    spoken, recorded = gather(config, model)  # on the processor, where threads share the clips
    networks.to(place.device)
    data = PairSource(spoken, recorded, model.vocabs, stage.phrases_per_step, stage.recordings_per_step, config.seed)
    held_out = [group for number, group in enumerate(spoken) if is_held_out(number)][:HELD_OUT]
    reader = reader_of(stage.sizes, networks.config)

    def means(reader: nn.Module, pairs: Pairs, frames_per_token: int, vocab: int) -> Tensor:
        semantic, acoustic = networks.codes_to_values(pairs.codes, frames_per_token, vocab)
        with autocast(place.device, config.precision):
            features = reader(semantic, pairs.there, frames_per_token, acoustic).float()
        return pooled(features, begun(pairs.there, max(networks.config.token_lengths) // frames_per_token))

    def losses(reader: nn.Module, step: int, batch: ReaderBatch) -> dict[str, Tensor]:
        said, recorded = (
            contrast(means(reader, pairs, batch.frames_per_token, batch.vocab), stage.temperature)
            for pairs in (batch.phrases, batch.recordings)
        )
        return {"loss": said + stage.recordings * recorded, "loss/phrases": said, "loss/recordings": recorded}

    token_lengths = networks.config.token_lengths if held_out else ()

    def clips(frames_per_token: int, streams: int | None = None) -> Pairs:
        codes = [codes[frames_per_token][:streams] for group in held_out for codes in group[:2]]
        return padded(codes).to(place.device)

    @torch.no_grad()
    def validate(reader: nn.Module) -> dict[str, float]:
        semantic = {
            f"error/retrieval/semantic/{FRAMES_PER_SECOND / n:g}": missed(means(reader, clips(n, 1), n, vocab))
            for n in token_lengths
        }
        return semantic | {
            f"error/retrieval/all/{FRAMES_PER_SECOND / n:g}": missed(means(reader, clips(n), n, vocab)) for n in token_lengths
        }

    training = Training("reader", reader.to(place.device), losses, validate, MATTERS, model.fingerprint)
    averaged = train(config, stage, data, place, training).averaged
    assert isinstance(averaged, TokenReader)
    with torch.no_grad():
        for n in token_lengths:
            semantic = clips(n, 1)
            codewords = pooled(networks.codebook(n).decode(semantic.codes[:, 0], vocab), semantic.there)
            lengths = (
                part.norm(dim=1).mean() for part in (*(means(averaged, c, n, vocab) for c in (semantic, clips(n))), codewords)
            )
            averaged.shares[averaged.frames_per_tokens.index(n)] = shares_of(*lengths)
    return save_reader(averaged, config.folder("model"), model.fingerprint)


def shares_of(semantic: Tensor, everything: Tensor, codewords: Tensor) -> Tensor:
    """The factors that give the second reading and the codewords their lengths beside the first reading.

    Args:
        semantic: mean length of what is read of semantic tokens.
        everything: of what is read of all tokens.
        codewords: of their means.

    Example:
        >>> shares_of(torch.tensor(2.0), torch.tensor(4.0), torch.tensor(1.0))
        tensor([0.5000, 0.8000])
    """
    return torch.stack([semantic / everything, BESIDE * semantic / codewords])


def contrast(vectors: Tensor, temperature: float) -> Tensor:
    """InfoNCE both ways (van den Oord et al. 2018; Chen et al. 2020): vectors 2·i and 2·i + 1 are to find each other.

    Args:
        vectors: ``(B, D)``.
        temperature: of the softmax over cosines.

    Example:
        >>> alike = torch.eye(2).repeat_interleave(2, 0)
        >>> round(contrast(alike, 0.1).item(), 3)
        0.0
    """
    unit = F.normalize(vectors, dim=1)
    scores = unit @ unit.T / temperature
    scores = scores.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -torch.inf)
    other = torch.arange(len(unit), device=unit.device) ^ 1
    return F.cross_entropy(scores, other)


def missed(vectors: Tensor) -> float:
    """Share of vectors whose nearest one by cosine is not the one that belongs to it.

    Example:
        >>> missed(torch.eye(2).repeat_interleave(2, 0))
        0.0
    """
    unit = F.normalize(vectors, dim=1)
    nearest = (unit @ unit.T).fill_diagonal_(-2).argmax(1)
    return (nearest != (torch.arange(len(unit), device=unit.device) ^ 1)).float().mean().item()
