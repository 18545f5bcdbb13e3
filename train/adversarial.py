"""The adversarial stage: the decoder alone is polished against a light discriminator; tokens stay what they are."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from codec.errors import CodecError
from codec.networks import Networks
from train.autoencoder import Autoencoder, draw, fixed_batches, load_averaged, validate
from train.balancer import Balancer
from train.config import TrainConfig
from train.corpora.store import Corpus
from train.crops import Batch, Crops, open_features
from train.discriminator import Judgement, MultiResolutionDiscriminator, adversarial_loss, discriminator_loss, feature_loss
from train.losses import ReconstructionLoss
from train.run import Average, Run, check_finite, cosine


def train(config: TrainConfig, networks: Networks) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder.

    Args:
        config: the run.
        networks: from `train.codebooks.assemble`; trained weights of the codec stage are loaded into them.

    Raises:
        CodecError: the codec stage has not run.
    """
    torch.manual_seed(config.seed)
    if not load_averaged(config, networks, "codec"):
        raise CodecError(f"{config.folder('codec')}: no trained codec; run codec train codec first")
    stage, corpus = config.adversarial, Corpus(config.folder("corpus"))
    sizes = (stage.crop_frames, stage.batch_size, open_features(config.folder("features")))
    data = Crops(corpus, "train", config.codec.weights, *sizes, seed=config.seed + 31)
    valid = fixed_batches(corpus, config.codec.weights, *sizes)
    model = Autoencoder(networks, config.precision)
    model.acoustic.requires_grad_(False)
    judge = MultiResolutionDiscriminator(stage.n_ffts, stage.channels)
    average, criterion = Average(model, stage.average_decay), ReconstructionLoss(networks.config.sample_rate)
    generator = torch.optim.AdamW(model.decoder.parameters(), lr=stage.learning_rate, betas=(0.8, 0.98), weight_decay=0.01)
    critic = torch.optim.AdamW(judge.parameters(), lr=stage.discriminator_rate, betas=(0.8, 0.98))
    balancer = Balancer({"mel": stage.mel, "adversarial": stage.adversarial, "feature": stage.feature})
    parts = {"model": model, "judge": judge, "average": average, "generator": generator, "critic": critic, "balancer": balancer}
    run = Run(config.folder("adversarial"), config, parts, matters=("codec", "adversarial", "model", "seed", "precision"))
    for step, batch in data.stream(run.resume()):
        if step >= stage.steps:
            break
        for group in generator.param_groups:
            group["lr"] = cosine(step, stage.steps, stage.learning_rate)
        output = _decode(config, model, networks, batch, step)
        figures: dict[str, float] = {}
        if step % stage.discriminator_every == 0:
            loss = discriminator_loss(_judge(config, judge, batch.wave), _judge(config, judge, output.detach()))
            check_finite(loss, step, run)
            critic.zero_grad(set_to_none=True)
            loss.backward()
            critic.step()
            figures["discriminator"] = loss.item()
        losses = _generator_losses(config, judge, criterion, output, batch.wave)
        check_finite(sum(losses.values(), torch.zeros(())), step, run)
        generator.zero_grad(set_to_none=True)
        balancer.backward(losses, output)
        torch.nn.utils.clip_grad_norm_(model.decoder.parameters(), 1.0)
        generator.step()
        average.update(model, step)
        if step % 100 == 0:
            run.log(step, figures | {name: value.item() for name, value in losses.items()})
        if (step + 1) % stage.save_every == 0 or step + 1 == stage.steps:
            run.log(step + 1, validate(average.module, networks, valid))
            run.save(step + 1)
    return run.folder


def _decode(config: TrainConfig, model: Autoencoder, networks: Networks, batch: Batch, step: int) -> Tensor:
    stack, vocab, keep = draw(config, networks, step, config.adversarial.batch_size)
    output: Tensor = model(networks, batch, stack, vocab, keep)[0]
    return output


def _judge(config: TrainConfig, judge: MultiResolutionDiscriminator, wave: Tensor) -> list[Judgement]:
    with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
        judgements: list[Judgement] = judge(wave)
        return judgements


def _generator_losses(
    config: TrainConfig, judge: MultiResolutionDiscriminator, criterion: ReconstructionLoss, output: Tensor, target: Tensor
) -> dict[str, Tensor]:
    judge.requires_grad_(False)
    with torch.no_grad():
        real = _judge(config, judge, target)
    fake = _judge(config, judge, output)
    judge.requires_grad_(True)
    return {
        "mel": criterion(output, target),
        "adversarial": adversarial_loss(fake).float(),
        "feature": feature_loss(real, fake).float(),
    }
