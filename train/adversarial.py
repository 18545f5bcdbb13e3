"""The adversarial stage: the decoder alone is polished against a light discriminator; tokens stay what they are."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from codec.errors import CodecError
from codec.networks.networks import Networks
from train.autoencoder import Autoencoder, crops_of, draw, load_stage, validate
from train.balancer import Balancer
from train.config import TrainConfig
from train.discriminator import MultiResolutionDiscriminator, adversarial_loss, discriminator_loss, feature_loss
from train.draws import ADVERSARIAL_CROPS
from train.lineage import digest_of
from train.losses import ReconstructionLoss
from train.meaning import MeaningLoss
from train.parallel import average_gradients, join, mean_over_processes
from train.progress import Steps, autocast
from train.run import Average, Run, Stateful, check_finite, clip_gradients, cosine, set_rate

MATTERS = ("codec", "adversarial", "model", "seed", "precision")
"""Sections of the config that a run cannot change on its way."""


def train(config: TrainConfig, networks: Networks) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder.

    Args:
        config: the run.
        networks: from `train.codebooks.assemble`; the codec stage's weights are loaded into them. Where that stage has
            not run, ``config.init`` is polished as it is.

    Raises:
        CodecError: the codec stage has not run, and there is no ``config.init``.
    """
    torch.manual_seed(config.seed)
    stage, place = config.adversarial, join()
    if not load_stage(config, networks, "codec") and not config.init:
        raise CodecError(f"{config.folder('codec')}: no trained codec; run codec train codec first")
    upon = digest_of(networks)
    networks.to(place.device)
    share = place.share(stage.batch_size)
    data, valid = crops_of(config, networks, stage, config.seed + ADVERSARIAL_CROPS, share)
    model = Autoencoder(networks, config.precision)
    model.acoustic.requires_grad_(False)
    judge = MultiResolutionDiscriminator(stage.n_ffts, stage.channels).to(place.device)
    average = Average(model, stage.average_decay)
    criterion = ReconstructionLoss(networks.config.sample_rate).to(place.device)
    meaning = MeaningLoss(networks, config.precision) if stage.meaning else None
    generator = torch.optim.AdamW(model.decoder.parameters(), lr=stage.learning_rate, betas=(0.8, 0.98), weight_decay=0.01)
    critic = torch.optim.AdamW(judge.parameters(), lr=stage.discriminator_rate, betas=(0.8, 0.98))
    shares = {"mel": stage.mel, "adversarial": stage.adversarial, "feature": stage.feature, "meaning": stage.meaning}
    balancer = Balancer(shares)
    parts: dict[str, Stateful] = {
        "model": model,
        "judge": judge,
        "average": average,
        "generator": generator,
        "critic": critic,
        "balancer": balancer,
    }
    run = Run(config.folder("adversarial"), config, parts, MATTERS, main=place.main, upon=upon)
    steps = Steps("adversarial", data, run.resume(), stage.steps, place)
    recent: dict[str, float] = {}
    for step, batch in steps:
        set_rate(generator, cosine(step, stage.steps, stage.learning_rate))
        stack, vocab, keep = draw(config, networks, step, stage.batch_size)
        output: Tensor = model(networks, batch, stack, vocab, keep[share].to(place.device)).wave
        if step % stage.discriminator_every == 0:
            with autocast(place.device, config.precision):
                loss = discriminator_loss(judge(batch.wave), judge(output.detach())).float()
            check_finite(loss, step, run)
            critic.zero_grad(set_to_none=True)
            loss.backward()
            average_gradients(judge.parameters())
            clip_gradients(judge.parameters(), step, run, most=float("inf"))
            critic.step()
            recent["discriminator"] = mean_over_processes(loss)
        losses = _generator_losses(config, judge, criterion, output, batch.wave)
        if meaning:
            losses["meaning"] = meaning(output, batch.wave)
        check_finite(torch.stack(list(losses.values())).sum(), step, run)
        generator.zero_grad(set_to_none=True)
        balancer.backward(losses, output)
        average_gradients(model.decoder.parameters())
        clip_gradients(model.decoder.parameters(), step, run)
        generator.step()
        average.update(model, step)
        recent.update({name: mean_over_processes(value) for name, value in losses.items()})
        run.after(
            step,
            stage,
            losses=lambda: recent | {"speed": steps.speed},
            figures=lambda: validate(average.module, networks, valid),
        )
    return run.close()


def _generator_losses(
    config: TrainConfig, judge: MultiResolutionDiscriminator, criterion: ReconstructionLoss, output: Tensor, target: Tensor
) -> dict[str, Tensor]:
    judge.requires_grad_(False)
    with autocast(output.device, config.precision):
        with torch.no_grad():
            real = judge(target)
        fake = judge(output)
    judge.requires_grad_(True)
    return {
        "mel": criterion(output, target),
        "adversarial": adversarial_loss(fake).float(),
        "feature": feature_loss(real, fake).float(),
    }
