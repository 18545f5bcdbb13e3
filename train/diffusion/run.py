"""Training of the published architecture, upon the frozen parts of a published checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.errors import CodecError
from codec.semanticodec import checkpoint
from codec.semanticodec.config import SAMPLE_RATE, PublishedConfig
from codec.semanticodec.published import PublishedFiles
from train.crops import FRAME, Batch, Crops
from train.diffusion.config import DiffusionConfig
from train.diffusion.export import export
from train.diffusion.model import DiffusionModel, Frozen, prepare
from train.diffusion.schedule import zero_terminal_cosine
from train.draws import step_generator
from train.loop import Training, no_figures
from train.loop import train as train_loop
from train.parallel import join


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
    corpus, share = Corpus(config.corpus), place.share(config.batch_size)
    data = Crops(corpus, "train", config.weights, samples // FRAME, config.batch_size, seed=config.seed, share=share)

    def losses(_model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        # The vocabulary is every process's; noise is each one's own.
        shared = step_generator(config.seed, step)
        vocab = config.vocabs[int(torch.randint(len(config.vocabs), (), generator=shared))]
        own = step_generator(config.seed, step, share.start or 0)
        features, latents = prepare(batch.wave, frozen, sizes)
        loss, codes = model(features, latents, frozen.centroids[vocab].to(place.device), own)
        return {"loss": loss, "codes": torch.tensor(len(codes.unique()), device=place.device)}

    training = Training(
        "diffusion",
        model,
        losses,
        no_figures,
        matters=("rate", "vocabs", "seed"),
        optimizer=torch.optim.AdamW(model.parameters(), lr=config.learning_rate),
        rate=lambda step: config.learning_rate * min(1.0, (step + 1) / config.warmup),
        most=float("inf"),
    )
    folder, _, averaged = train_loop(config, config, data, place, training)
    if place.main:
        assert isinstance(averaged, DiffusionModel)
        print(f"{folder / 'model'}: model {export(model, averaged, frozen, folder / 'model')}")
    return folder
