"""The codec stage: transform and acoustic codebooks are found, then both halves of the decoder learn, upon frozen codewords."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.transform import block_features
from quantizers.collective import world
from train.config import TrainConfig
from train.crops import Batch, Crops
from train.draws import CODEC_CROPS, UNUSED_BATCHES
from train.lineage import digest_of
from train.loop import Training, train
from train.parallel import join
from train.specimens import Specimens
from train.voice.data import crops_of, held_out
from train.voice.networks import VoiceCodec
from train.voice.objective import Objective, prepared

MATTERS = ("codec", "model", "seed", "precision")
BLOCKS_PER_CODEWORD = 40
"""Of the largest acoustic codebook, from which the transform and the codebooks are found."""
FEWEST_BATCHES = 160


def run(config: TrainConfig, networks: SourceFilterNetworks) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder.

    Args:
        config: the run.
        networks: with trained semantic encoder, codebooks, pitch tracker and vocoder; the rest is trained in place.
    """
    torch.manual_seed(config.seed)
    stage, place, corpus = config.codec, join(), Corpus(config.folder("corpus"))
    networks.to(place.device)
    data = crops_of(config, corpus, stage, config.seed + CODEC_CROPS, place.share(stage.batch_size), networks)
    valid = held_out(config, corpus, stage, stage.weights, networks)
    if not (config.goes_on or (config.folder("codec") / "checkpoint.pt").exists()):
        fit_tokens(networks, data)
    objective = Objective(config, networks, place, stage.batch_size)

    def losses(model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        return objective.decoded(model, step, batch)[1]

    def validate(model: nn.Module) -> dict[str, float]:
        return objective.figures(model, valid)

    def specimens(model: nn.Module) -> Specimens:
        return objective.specimens(model, valid)

    upon = digest_of(networks.semantic, networks.codebooks)
    training = Training("codec", VoiceCodec(networks), losses, validate, MATTERS, upon, specimens=specimens)
    return train(config, stage, data, place, training).folder


@torch.no_grad()
def fit_tokens(networks: SourceFilterNetworks, data: Crops) -> None:
    """Finds the transform and the acoustic codebooks of every rate, from batches that training never sees."""
    for stack in networks.config.stacks:
        transform, quantizer = networks.transform(stack), networks.quantizer(stack)
        semantic: list[Tensor] = []
        blocks: list[Tensor] = []
        wanted = BLOCKS_PER_CODEWORD * max(quantizer.codebook_sizes)
        while len(blocks) < FEWEST_BATCHES or sum(map(_count, semantic)) < wanted:
            batch = data.whole_batch(UNUSED_BATCHES + len(blocks))
            targets, codewords = prepared(networks, batch, stack, networks.config.vocabs[-1])
            semantic.append(codewords)
            blocks.append(block_features(targets.features.mel, targets.pitch))
        known, features = torch.cat(semantic), torch.cat(blocks)
        shares = transform.fit(known, features)
        explained = ", ".join(f"{share:.3f}" for share in shares.cumsum(0)[[0, min(3, len(shares) - 1), -1]])
        print(f"transform of {stack} frames: 1, 4, all coefficients explain {explained} of what the semantic token does not")
        coefficients = transform.analyse(features, transform.predicted(known))
        rank, ranks = world()  # every process has the same blocks, and clusters its share of them
        left = quantizer.fit(coefficients.flatten(0, 1).tensor_split(ranks)[rank])
        print(
            f"codebooks of {stack} frames leave {', '.join(f'{share:.3f}' for share in left)} of the coefficients", flush=True
        )


def _count(codewords: Tensor) -> int:
    return codewords.shape[0] * codewords.shape[1]
