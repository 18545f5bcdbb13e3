"""A diffusion decoder for our own model's tokens: denoiser of log-mel and vocoder, side by side on the same crops."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from codec.bundled import folder_of
from codec.config import Config, DiffusionDecoderConfig
from codec.data.store import Corpus
from codec.hub import load_own
from codec.networks.diffusion.decoder import DiffusionDecoder
from codec.networks.diffusion.files import build, export_diffusion
from codec.networks.networks import Networks, first_architecture
from train.config import Weights
from train.crops import Crops
from train.diffusion.schedule import add_noise, zero_terminal_cosine
from train.draws import step_generator
from train.losses import ReconstructionLoss
from train.parallel import average_gradients, join, mean_over_processes
from train.progress import Steps
from train.run import Average, Run, Stateful, check_finite, clip_gradients, cosine, set_rate

STATISTICS = 8
"""Batches that mean and deviation of the log-mel are taken from."""
Share = Annotated[float, Field(ge=0, lt=1)]


class TokenDiffusionConfig(Config):
    """A whole run.

    Attributes:
        root: folder of the run.
        corpus: folder made by ``codec train corpus``.
        model: whose tokens are decoded: ``default`` or a folder; it stays as it is.
        decoder: sizes.
        weights: share of each domain.
        crop_frames: of 20 ms.
        steps: optimiser steps.
        batch_size: crops per step.
        learning_rate: peak of a half cosine.
        drop: share of items whose tokens are hidden, for classifier-free guidance.
        drop_acoustic: share of items that keep their semantic tokens only.
        average_decay: of the averaged weights, which are exported.
        save_every: steps.
        seed: of everything random.
    """

    root: str
    corpus: str
    model: str = "semcodec-1"
    decoder: DiffusionDecoderConfig = DiffusionDecoderConfig()
    weights: Weights = {"speech": 0.6, "music": 0.28, "sound": 0.12}
    crop_frames: Annotated[int, Field(ge=16, le=512, multiple_of=16)] = 128
    steps: Annotated[int, Field(ge=1)] = 20_000
    batch_size: Annotated[int, Field(ge=1)] = 16
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    drop: Share = 0.1
    drop_acoustic: Share = 0.08
    average_decay: Share = 0.999
    save_every: Annotated[int, Field(ge=1)] = 500
    seed: int = 0


def velocity_loss(
    decoder: DiffusionDecoder, networks: Networks, wave: Tensor, config: TokenDiffusionConfig, step: int, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Mean squared error of v under the tokens of a wave.

    Args:
        decoder: in training.
        networks: of the codec, frozen.
        wave: ``(B, samples)``.
        config: of the run.
        step: rate and vocabulary are drawn for it; every process draws the same.
        first: number of this process's first crop in the batch; noise is each crop's own.

    Returns:
        It, and the clean log-mel ``(B, T, width)`` for the vocoder.
    """
    shared = step_generator(config.seed, step)
    own = step_generator(config.seed, step, first)
    stacks, vocabs = networks.config.stacks, networks.config.vocabs
    stack = stacks[int(torch.randint(len(stacks), (), generator=shared))]
    vocab = vocabs[int(torch.randint(len(vocabs), (), generator=shared))]
    with torch.no_grad():
        mel = networks.mel(wave)
        semantic = networks.feats_to_semantic(networks.semantic(mel), stack, vocab).values
        acoustic = networks.mel_to_acoustic(mel, semantic, stack).values
        clean = decoder.normalise(mel)
    keep, seen = (
        (torch.rand(len(wave), generator=own) >= share).to(wave.device) for share in (config.drop_acoustic, config.drop)
    )
    frames = torch.where(seen[:, None, None], decoder.frames(semantic, acoustic, stack, keep), decoder.no_tokens)
    noisy, steps, v = add_noise(clean, decoder.schedule, own)
    return F.mse_loss(decoder(noisy, steps, frames), v), clean


@torch.no_grad()
def fit_statistics(decoder: DiffusionDecoder, networks: Networks, data: Crops) -> None:
    """Sets the decoder's idea of the mean and deviation of every band."""
    mel = torch.cat([networks.mel(data.batch(index).wave.to(decoder.mean.device)) for index in range(STATISTICS)])
    decoder.mean.copy_(mel.mean((0, 1)))
    decoder.deviation.copy_(mel.std((0, 1)).clamp_min(0.1))


def train(config: TokenDiffusionConfig) -> Path:
    """Trains to the end, or goes on from the last checkpoint, and exports to ``model`` below the run's folder.

    Raises:
        ModelError: no such model.
        CodecError: an unusable corpus, or a run with another config.
    """
    torch.manual_seed(config.seed)
    place, codec = join(), load_own(config.model)
    networks = first_architecture(codec.networks, "the diffusion decoder").to(place.device)
    decoder = build(config.decoder, networks).to(place.device)
    decoder.alphas_cumprod.copy_(zero_terminal_cosine(config.decoder.noise_steps).alphas_cumprod)
    crops = partial(Crops, Corpus(config.corpus), "train", config.weights, config.crop_frames, config.batch_size)
    fit_statistics(decoder, networks, crops(seed=config.seed + 1))
    share = place.share(config.batch_size)
    data = crops(seed=config.seed, share=share)
    average = Average(decoder, config.average_decay)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    criterion = ReconstructionLoss(networks.config.sample_rate).to(place.device)
    parts: dict[str, Stateful] = {"decoder": decoder, "average": average, "optimizer": optimizer}
    run = Run(config.root, config, parts, matters=("model", "decoder", "seed"), main=place.main)
    steps = Steps("diffusion", data, run.resume(), config.steps, place)
    for step, batch in steps:
        set_rate(optimizer, cosine(step, config.steps, config.learning_rate))
        loss, clean = velocity_loss(decoder, networks, batch.wave, config, step, share.start or 0)
        # The vocoder learns from the log-mel as it is, whatever the denoiser makes of it.
        heard = criterion(decoder.vocoder(clean), batch.wave)
        check_finite(loss + heard, step, run)
        optimizer.zero_grad(set_to_none=True)
        (loss + heard).backward()
        average_gradients(decoder.parameters())
        clip_gradients(decoder.parameters(), step, run)
        optimizer.step()
        average.update(decoder, step)
        run.after(step, config, losses=partial(_losses, loss, heard, steps), figures=dict)
    if place.main:
        folder = folder_of(config.model)
        assert isinstance(average.module, DiffusionDecoder)
        export_diffusion(average.module, folder, codec.fingerprint, run.folder / "model")
        print(f"{run.folder / 'model'}: codec decode --decoder diffusion --model {run.folder / 'model'}")
    return run.close()


def _losses(loss: Tensor, heard: Tensor, steps: Steps) -> dict[str, float]:
    return {"loss": mean_over_processes(loss), "vocoder": mean_over_processes(heard), "speed": steps.speed}
