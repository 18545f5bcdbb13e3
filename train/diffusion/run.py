"""The training loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from codec.data.store import Corpus
from codec.errors import CodecError
from codec.semanticodec import checkpoint
from codec.semanticodec.config import SAMPLE_RATE, PublishedConfig
from codec.semanticodec.published import PublishedFiles
from train.crops import FRAME, Crops
from train.diffusion.config import DiffusionConfig
from train.diffusion.export import export
from train.diffusion.model import DiffusionModel, Frozen, prepare
from train.diffusion.schedule import zero_terminal_cosine
from train.draws import step_generator
from train.parallel import average_gradients, join, mean_over_processes
from train.progress import Steps
from train.run import Average, Run, Stateful, check_finite, clip_gradients, set_rate


def load_frozen(folder: str, config: PublishedConfig, vocabs: tuple[int, ...]) -> Frozen:
    """The parts of a published checkpoint that stay as they are.

    Raises:
        ModelError: files are missing or of another rate.
    """
    files = PublishedFiles.of(folder)
    decoder = checkpoint.load_decoder(files.decoder(config.rate), config)
    centroids = {v: checkpoint.load_centroids(files.centroids(config.rate, v), v, config) for v in vocabs}
    audiomae = checkpoint.load_encoder(files.encoder(config.rate), config).audiomae
    return Frozen(audiomae, decoder.vae, decoder.vocoder, centroids, decoder.scale_factor)


def train(config: DiffusionConfig, frozen: Frozen, sizes: PublishedConfig) -> Path:
    """Trains to the end, or goes on from the last checkpoint, and exports to ``model`` below the run's folder.

    Args:
        config: the run.
        frozen: networks that are not trained.
        sizes: of the networks.

    Raises:
        CodecError: a crop does not hold whole blocks of tokens.
    """
    _, covered = sizes.block
    samples = round(config.seconds * SAMPLE_RATE)
    if samples % covered:
        raise CodecError(f"crops of {config.seconds} s do not hold whole blocks of {covered / SAMPLE_RATE} s")
    torch.manual_seed(config.seed)
    place = join()
    model = DiffusionModel(sizes, zero_terminal_cosine(), config.drop).to(place.device)
    frozen.audiomae.to(place.device)
    frozen.vae.to(place.device)
    average = Average(model, config.average_decay)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
    share = place.share(config.batch_size)
    corpus, frames = Corpus(config.corpus), samples // FRAME
    data = Crops(corpus, "train", config.weights, frames, config.batch_size, seed=config.seed, share=share)
    parts: dict[str, Stateful] = {"model": model, "average": average, "optimizer": optimizer}
    run = Run(config.root, config, parts, matters=("rate", "vocabs", "seed"), main=place.main)
    steps = Steps("diffusion", data, run.resume(), config.steps, place)
    for step, batch in steps:
        set_rate(optimizer, config.learning_rate * min(1.0, (step + 1) / config.warmup))
        # The vocabulary is every process's; noise is each one's own.
        shared = step_generator(config.seed, step)
        vocab = config.vocabs[int(torch.randint(len(config.vocabs), (), generator=shared))]
        own = step_generator(config.seed, step, share.start or 0)
        features, latents = prepare(batch.wave, frozen, sizes)
        loss, codes = model(features, latents, frozen.centroids[vocab].to(place.device), own)
        check_finite(loss, step, run)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(model.parameters())
        clip_gradients(model.parameters(), step, run, most=float("inf"))
        optimizer.step()
        average.update(model, step)
        run.after(step, config, losses=partial(_losses, loss, codes, steps), figures=dict)
    if place.main:
        print(f"{run.folder / 'model'}: model {export(model, average.module, frozen, run.folder / 'model')}")
    return run.close()


def _losses(loss: Tensor, codes: Tensor, steps: Steps) -> dict[str, float]:
    return {"loss": mean_over_processes(loss), "codes": len(codes.unique()), "speed": steps.speed}
