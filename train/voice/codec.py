"""The codec stage: transform and acoustic codebooks are found, then both halves of the decoder learn, upon frozen codewords."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.transform import block_features
from quantizers.collective import world
from quantizers.fit_residual import fit_residual
from quantizers.kmeans import POINTS_PER_CENTROID
from train.codebooks import given_networks
from train.config import TrainConfig
from train.crops import Batch, Crops
from train.draws import CODEC_CROPS, UNUSED_BATCHES
from train.lineage import digest_of
from train.loop import Training, train
from train.parallel import join
from train.progress import compile_for
from train.specimens import Specimens
from train.voice.data import crops_of, held_out
from train.voice.follow import follow, reading_of
from train.voice.networks import VoiceCodec
from train.voice.objective import Objective, prepared

MATTERS = ("codec", "model", "seed", "precision")
FEWEST_BATCHES = 160
"""From which the transform and the codebooks are found; more where a codebook wants more blocks."""


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
    if (config.new_space or not config.goes_on) and not (config.folder("codec") / "checkpoint.pt").exists():
        fit_tokens(networks, data, place.device, given_networks(config) if config.goes_on else None)
    objective = Objective(config, networks, place, stage.batch_size)
    compile_for(place.device, networks.decoder.backbone, networks.vocoder.backbone)

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
def fit_tokens(
    networks: SourceFilterNetworks, data: Crops, device: torch.device, before: SourceFilterNetworks | None = None
) -> None:
    """Finds the transform and the acoustic codebooks of every rate, from batches that training never sees.

    Args:
        networks: in place.
        data: the batches.
        device: of the networks.
        before: whose decoder goes on here, with tokens of its own until now.
    """
    rank, ranks = world()
    for frames_per_token in networks.config.token_lengths:
        transform, quantizer = networks.transform(frames_per_token), networks.quantizer(frames_per_token)
        semantic: list[Tensor] = []
        blocks: list[Tensor] = []
        batches: list[Batch] = []
        wanted = POINTS_PER_CENTROID * max(quantizer.codebook_sizes)
        while len(blocks) < FEWEST_BATCHES or sum(codewords.shape[:2].numel() for codewords in semantic) < wanted:
            batch = data.whole_batch(UNUSED_BATCHES + len(blocks)).to(device)
            targets, codewords = prepared(networks, batch, frames_per_token, networks.config.vocabs[-1])
            semantic.append(codewords.cpu())
            blocks.append(block_features(targets.features.mel, targets.pitch).cpu())
            if before is not None and len(batches) < FEWEST_BATCHES:
                batches.append(batch)
        shares = transform.fit(torch.cat(semantic), torch.cat(blocks))
        explained = ", ".join(f"{share:.3f}" for share in shares.cumsum(0)[[0, min(3, len(shares) - 1), -1]])
        print(
            f"transform of {frames_per_token} frames: 1, 4, all coefficients explain {explained} of what semantic tokens do not"
        )
        if before is not None:
            reading = reading_of(before.to(device), batches, frames_per_token)
            lost = follow(networks, torch.cat(semantic[: len(batches)]).flatten(0, 1), reading, frames_per_token)
            print(f"new semantic tokens of {frames_per_token} frames do not tell {lost:.3f} of what was read of the old ones")
        coefficients = torch.cat(
            [
                transform.analyse(features.to(device), transform.predicted(codewords.to(device))).flatten(0, 1)
                for codewords, features in zip(semantic, blocks, strict=True)
            ]
        )
        # Every process has drawn the same blocks; together they cluster them, each its share.
        left = fit_residual(quantizer, coefficients.tensor_split(ranks)[rank])
        shown = ", ".join(f"{share:.3f}" for share in left)
        print(f"acoustic codebooks of {frames_per_token} frames leave {shown} of the coefficients", flush=True)
