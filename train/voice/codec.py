"""The codec stage: acoustic encoder, quantiser and both halves of the decoder, trained together on frozen semantic codewords.

Every batch draws a token rate and a vocabulary, and every item how many of its acoustic tokens arrive, so that one set of
weights serves all operating points.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.token_encoder import block_features
from train.config import CodecStage, TrainConfig
from train.crops import Batch, Crops
from train.draws import CODEC_CROPS, UNUSED_BATCHES, step_generator
from train.lineage import digest_of
from train.loop import Training, train
from train.losses import MultiScaleMelLoss, ReconstructionLoss
from train.parallel import join
from train.progress import autocast
from train.voice.data import crops_of, held_out
from train.voice.networks import VoiceCodec
from train.voice.pitch import labelled
from train.voice.targets import Targets, targets_of

MATTERS = ("codec", "model", "seed", "precision")
FRAME_WEIGHTS = {
    "envelope_loss": 1.0,
    "envelope_delta_loss": 0.5,
    "pitch_loss": 0.3,
    "voicing_loss": 0.3,
}
"""Of what frames say, beside the loss on sound."""
TRANSFORM_BATCHES = 160
"""From which the linear part of the tokens is found."""


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
        fit_transforms(networks, data)
    criterion = ReconstructionLoss(networks.config.sample_rate).to(place.device)
    measure = MultiScaleMelLoss(networks.config.sample_rate).to(place.device)
    shared = place.share(stage.batch_size)

    def losses(model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        stack, vocab, n_acoustic, told = draw(config, networks, step, shared)
        targets, semantic = prepared(networks, batch, stack, vocab)
        with autocast(place.device, config.precision):
            wave, found = model(networks, targets, semantic, stack, n_acoustic.to(place.device), told.to(place.device))
        sound = criterion(wave, batch.wave)
        total = sound + torch.stack([weight * found[name] for name, weight in FRAME_WEIGHTS.items()]).sum()
        return {"loss": total, f"sound_loss_{stack}": sound, **found}

    @torch.no_grad()
    def validate(model: nn.Module) -> dict[str, float]:
        figures: dict[str, float] = {}
        for domain, held in valid.items():
            batch = held.to(place.device)
            count = len(batch.wave)
            nobody = torch.zeros(count, dtype=torch.bool, device=place.device)
            for rate, point in networks.points.items():
                stack = point.frames_per_token
                targets, semantic = prepared(networks, batch, stack, networks.config.vocabs[-1])
                arrive = torch.full((count,), point.n_streams - 1, device=place.device)
                wave, found = model(networks, targets, semantic, stack, arrive, nobody)
                figures[f"valid_{domain}_mel_{rate}"] = measure(wave, batch.wave).item()
                figures[f"valid_{domain}_gross_pitch_{rate}"] = found["gross_pitch_error"].item()
                figures[f"valid_{domain}_voicing_{rate}"] = found["voicing_error"].item()
        return figures

    upon = digest_of(networks.semantic, networks.codebooks)
    return train(config, stage, data, place, Training("codec", VoiceCodec(networks), losses, validate, MATTERS, upon))


@torch.no_grad()
def prepared(networks: SourceFilterNetworks, batch: Batch, stack: int, vocab: int) -> tuple[Targets, Tensor]:
    """What a batch should become, and its codewords.

    The encoder is told the labelled pitch in training and the tracker's afterwards: that one was taught to say the same.
    """
    assert batch.features is not None
    assert batch.labels is not None
    semantic = networks.feats_to_semantic(batch.features, stack, vocab).values
    return targets_of(networks.front_end, batch.wave, labelled(batch.labels)), semantic


def draw(config: TrainConfig, networks: SourceFilterNetworks, step: int, share: slice) -> tuple[int, int, Tensor, Tensor]:
    """Frames per token and vocabulary of a step; acoustic tokens that arrive and whether the true pitch is told, by item."""
    generator, stage = step_generator(config.seed, step), config.codec
    stacks, vocabs = networks.config.stacks, networks.config.vocabs
    stack = stacks[int(torch.multinomial(torch.tensor(stage.stack_shares), 1, generator=generator))]
    vocab = vocabs[int(torch.randint(len(vocabs), (1,), generator=generator))]
    shares = torch.tensor(arrival_shares(stage, len(networks.quantizer.dims), step))
    arrive = torch.multinomial(shares, stage.batch_size, replacement=True, generator=generator)
    told = torch.rand(stage.batch_size, generator=generator) < stage.told_pitch
    return stack, vocab, arrive[share], told[share]


def arrival_shares(stage: CodecStage, groups: int, step: int) -> list[float]:
    """Chances that 0, 1, … all acoustic tokens arrive; nearly all do in the first part of the training.

    Example:
        >>> arrival_shares(CodecStage(drop_acoustic=0.1, first_only=0.3, steps=100), 3, 99)
        [0.1, 0.3, 0.12, 0.48]
    """
    early = 0.25 if step < 0.4 * stage.steps else 1.0
    none, first = early * stage.drop_acoustic, early * stage.first_only
    rest = 1 - none - first
    if groups == 1:
        return [none, 1 - none]
    between = [0.2 * rest / (groups - 2)] * (groups - 2) if groups > 2 else []
    return [round(share, 6) for share in (none, first, *between, rest - sum(between))]


@torch.no_grad()
def fit_transforms(networks: SourceFilterNetworks, data: Crops) -> None:
    """Finds the linear part of the tokens of every rate, from batches that training never sees."""
    batches = [data.whole_batch(UNUSED_BATCHES + number) for number in range(TRANSFORM_BATCHES)]
    for stack in networks.config.stacks:
        semantic, blocks = [], []
        for batch in batches:
            targets, codewords = prepared(networks, batch, stack, networks.config.vocabs[-1])
            semantic.append(codewords)
            blocks.append(block_features(targets.features.mel, targets.pitch))
        shares = networks.transform(stack).fit(torch.cat(semantic), torch.cat(blocks))
        explained = ", ".join(f"{share:.3f}" for share in shares.cumsum(0)[[0, min(3, len(shares) - 1), -1]])
        print(f"transform of {stack} frames: 1, 4, all coefficients explain {explained} of what the semantic token does not")
