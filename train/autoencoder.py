"""The codec stage: acoustic encoder, quantiser and decoder, trained together on frozen semantic codewords.

Every batch draws a rate and a vocabulary, and some items lose their acoustic stream, so that one set of weights
serves all operating points and semantic-only decoding works.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from codec.data.domains import Domain
from codec.data.store import Corpus
from codec.networks.networks import Networks
from train.codebooks import frozen_features
from train.config import AdversarialStage, CodecStage, TrainConfig
from train.crops import Batch, Crops, usable
from train.draws import CODEC_CROPS, step_generator
from train.intelligibility import IntelligibilityLoss
from train.lineage import digest_of
from train.losses import MultiScaleMelLoss, ReconstructionLoss
from train.meaning import MeaningLoss
from train.parallel import average_gradients, join, mean_over_processes
from train.progress import Steps, autocast
from train.run import Average, Run, Stateful, check_finite, clip_gradients, cosine, load_averaged, set_rate
from train.similarity import SimilarityLoss
from train.usage import CodeUsage

MATTERS = ("codec", "model", "seed", "precision")
"""Sections of the config that a run cannot change on its way."""


class Decoded(NamedTuple):
    """What became of a batch.

    Attributes:
        wave: ``(B, samples)`` reconstruction.
        codes: ``(B, N)`` acoustic codes.
        values: ``(B, N, D)`` what they stand for, before it was rounded.
    """

    wave: Tensor
    codes: Tensor
    values: Tensor


class Autoencoder(nn.Module):
    """The trainable half of `Networks`, with the choices that training makes per batch."""

    def __init__(self, networks: Networks, precision: str) -> None:
        super().__init__()
        self.precision = precision
        self.acoustic, self.decoder = networks.acoustic, networks.decoder

    def forward(self, networks: Networks, batch: Batch, stack: int, vocab: int, keep: Tensor) -> Decoded:
        """Encodes and decodes a batch at one rate and vocabulary, items outside ``keep`` without their acoustic stream."""
        assert batch.features is not None
        with torch.no_grad():
            mel = networks.mel(batch.wave)
            semantic = networks.feats_to_semantic(batch.features, stack, vocab).values
        with autocast(batch.wave.device, self.precision):
            latents = self.acoustic(mel, semantic, stack)
        acoustic = networks.acoustic_quantizer(latents)
        with autocast(batch.wave.device, self.precision):
            output = self.decoder(semantic, acoustic.values, stack, keep)
        return Decoded(output, acoustic.codes, networks.acoustic_quantizer.bound(latents))


def train(config: TrainConfig, networks: Networks) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder.

    Args:
        config: the run.
        networks: with trained semantic encoder and codebooks; its acoustic half is trained in place.
    """
    torch.manual_seed(config.seed)
    stage, place = config.codec, join()
    networks.to(place.device)
    share = place.share(stage.batch_size)
    data, valid = crops_of(config, networks, stage, config.seed + CODEC_CROPS, share)
    model = Autoencoder(networks, config.precision)
    average = Average(model, stage.average_decay)
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    criteria: dict[str, tuple[float, nn.Module]] = {
        "loss": (1.0, ReconstructionLoss(networks.config.sample_rate).to(place.device)),
        "meaning": (stage.meaning, MeaningLoss(networks, config.precision)),
        "unlike": (stage.similarity, SimilarityLoss(networks.config.sample_rate).to(place.device)),
        "unclear": (stage.intelligibility, IntelligibilityLoss(networks.config.sample_rate).to(place.device)),
    }
    usage = CodeUsage(networks.acoustic_quantizer, networks.config.stacks).to(place.device)
    weights = {name: weight for name, (weight, _) in criteria.items()} | {"uneven": stage.evenness}
    parts: dict[str, Stateful] = {"model": model, "average": average, "optimizer": optimizer, "usage": usage}
    upon = digest_of(networks.semantic, networks.codebooks)
    run = Run(config.folder("codec"), config, parts, MATTERS, main=place.main, upon=upon)
    if place.device.type == "cuda":
        model.compile()
    recent: dict[str, float] = {}
    steps = Steps("codec", data, run.resume(), stage.steps, place)
    for step, batch in steps:
        set_rate(optimizer, cosine(step, stage.steps, stage.learning_rate))
        stack, vocab, keep = draw(config, networks, step, stage.batch_size)
        output, codes, values = model(networks, batch, stack, vocab, keep[share].to(place.device))
        losses = {name: criterion(output, batch.wave) for name, (weight, criterion) in criteria.items() if weight}
        if stage.evenness:
            losses["uneven"] = usage.unevenness(values, stack)
        recent.update({f"loss_{100 // stack}" if k == "loss" else k: mean_over_processes(v) for k, v in losses.items()})
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        check_finite(loss, step, run)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(model.parameters())
        clip_gradients(model.parameters(), step, run)
        optimizer.step()
        average.update(model, step)
        usage.add(codes, stack)
        run.after(
            step,
            stage,
            losses=lambda: recent | {"speed": steps.speed} | usage.report(),
            figures=lambda: validate(average.module, networks, valid),
        )
    return run.close()


def crops_of(
    config: TrainConfig, networks: Networks, stage: CodecStage | AdversarialStage, seed: int, share: slice
) -> tuple[Crops, dict[Domain, Batch]]:
    """Training crops with the frozen encoder's features, and one validation batch of each domain that has held-out clips."""
    corpus = Corpus(config.folder("corpus"))
    sizes = (stage.crop_frames, stage.batch_size, frozen_features(config, corpus, encoder=digest_of(networks.semantic)))
    valid = {
        domain: Crops(corpus, "valid", {domain: 1.0}, *sizes, seed=1).batch(0)
        for domain in config.codec.weights
        if usable(corpus, "valid", domain)
    }
    return Crops(corpus, "train", config.codec.weights, *sizes, seed=seed, share=share), valid


def load_stage(config: TrainConfig, networks: Networks, stage: str) -> int:
    """Loads the averaged weights of a stage's latest checkpoint into ``networks``; returns its step, 0 if there is none.

    Raises:
        CodecError: the checkpoint is damaged, or of other sizes.
    """
    path = config.folder(stage) / "checkpoint.pt"
    return load_averaged(path, Autoencoder(networks, config.precision)) if path.exists() else 0


def draw(config: TrainConfig, networks: Networks, step: int, batch_size: int) -> tuple[int, int, Tensor]:
    """Rate, vocabulary and kept acoustic streams of a step; they depend on seed and step alone."""
    generator = step_generator(config.seed, step)
    stacks, vocabs = networks.config.stacks, networks.config.vocabs
    stack = stacks[int(torch.multinomial(torch.tensor(config.codec.stack_shares), 1, generator=generator))]
    vocab = vocabs[int(torch.randint(len(vocabs), (1,), generator=generator))]
    return stack, vocab, torch.rand(batch_size, generator=generator) >= config.codec.drop_acoustic


@torch.no_grad()
def validate(model: Any, networks: Networks, valid: Mapping[Domain, Batch]) -> dict[str, float]:
    """Mel distance on fixed crops of each domain and rate, at the second vocabulary; semantic-only at the highest rate."""
    device = networks.codebook(networks.config.stacks[0]).leaves.device
    vocab, criterion = networks.config.vocabs[:2][-1], MultiScaleMelLoss(networks.config.sample_rate).to(device)
    values: dict[str, float] = {}
    for domain, held_out in valid.items():
        batch = held_out.to(device)
        everything = torch.ones(len(batch.wave), dtype=torch.bool, device=device)
        for stack in networks.config.stacks:
            output = model(networks, batch, stack, vocab, everything).wave
            values[f"valid_{domain}_{100 // stack}"] = criterion(output, batch.wave).item()
        output = model(networks, batch, networks.config.stacks[0], vocab, ~everything).wave
        values[f"valid_{domain}_semantic"] = criterion(output, batch.wave).item()
    return values
