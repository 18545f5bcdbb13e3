"""A diffusion decoder for our own model's tokens: a denoiser of envelopes, under what the frozen model says of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from codec.bundled import folder_of
from codec.config import DiffusionDecoderConfig
from codec.data.store import Corpus
from codec.hub import load_own
from codec.networks.diffusion.decoder import DiffusionDecoder
from codec.networks.diffusion.files import export_diffusion, with_diffusion
from codec.networks.diffusion.networks import DiffusionNetworks
from codec.networks.source_filter_codec import SourceFilterNetworks
from train.config import Count, CropStage, Decay, LoneConfig, Positive, Weights
from train.crops import Batch, Crops
from train.diffusion.schedule import add_noise, zero_terminal_cosine
from train.draws import step_generator
from train.loop import Training, no_figures
from train.loop import train as train_loop
from train.parallel import join

STATISTICS = 8
"""Batches that mean and deviation of the envelope are taken from."""


class TokenDiffusionConfig(LoneConfig, CropStage):
    """A whole run.

    Attributes:
        model: whose tokens are decoded: ``default`` or a folder; it stays as it is.
        decoder: sizes.
        drop: share of items whose tokens are hidden, for classifier-free guidance.
        drop_acoustic: share of items that keep their semantic tokens only.
    """

    model: str = "default"
    decoder: DiffusionDecoderConfig = DiffusionDecoderConfig()
    weights: Weights = {"speech": 0.6, "music": 0.28, "sound": 0.12}
    crop_frames: Annotated[int, Field(ge=16, le=512, multiple_of=16)] = 128
    steps: Count = 20_000
    learning_rate: Positive = 1e-3
    drop: Decay = 0.1
    drop_acoustic: Decay = 0.08


def velocity_loss(
    networks: DiffusionNetworks, config: TokenDiffusionConfig, first: int, model: nn.Module, step: int, batch: Batch
) -> Mapping[str, Tensor]:
    """Mean squared error of v under the tokens of a batch.

    Args:
        networks: of the codec, frozen.
        config: of the run.
        first: number of this process's first crop in the batch; noise is each crop's own.
        model: the decoder, in training.
        step: rate and vocabulary are drawn for it; every process draws the same.
        batch: crops.
    """
    assert isinstance(model, DiffusionDecoder)
    shared, own = step_generator(config.seed, step), step_generator(config.seed, step, first)
    points, vocabs, wave = list(networks.points.values()), networks.config.vocabs, batch.wave
    stack, streams = points[int(torch.randint(len(points), (), generator=shared))]
    vocab = vocabs[int(torch.randint(len(vocabs), (), generator=shared))]
    keep, seen = (
        (torch.rand(len(wave), generator=own) >= share).to(wave.device) for share in (config.drop_acoustic, config.drop)
    )
    with torch.no_grad():
        codes = networks.wave_to_codes(F.pad(wave, (networks.edge, networks.edge)), stack, vocab)[:, :streams]
        frames = networks.codes_to_frames(codes, stack, vocab, keep * (streams - 1))
        clean = model.normalise(networks.front_end(wave).mel)
    conditions = torch.where(seen[:, None, None], model.condition(frames), model.no_tokens)
    noisy, steps, v = add_noise(clean, model.schedule, own)
    return {"loss": F.mse_loss(model(noisy, steps, conditions), v)}


@torch.no_grad()
def fit_statistics(networks: DiffusionNetworks, data: Crops) -> None:
    """Sets the decoder's idea of the mean and deviation of every band."""
    decoder = networks.diffusion
    mel = torch.cat([networks.front_end(data.batch(index).wave.to(decoder.mean.device)).mel for index in range(STATISTICS)])
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
    assert isinstance(codec.networks, SourceFilterNetworks)
    networks = with_diffusion(codec.networks, config.decoder).requires_grad_(False).eval().to(place.device)
    decoder = networks.diffusion.requires_grad_(True).train()
    decoder.alphas_cumprod.copy_(zero_terminal_cosine(config.decoder.noise_steps).alphas_cumprod)
    crops = partial(Crops, Corpus(config.corpus), "train", config.weights, config.crop_frames, config.batch_size)
    fit_statistics(networks, crops(seed=config.seed + 1))
    share = place.share(config.batch_size)
    losses = partial(velocity_loss, networks, config, share.start or 0)
    training = Training("diffusion", decoder, losses, no_figures, matters=("model", "decoder", "seed"))
    folder, _, averaged = train_loop(config, config, crops(seed=config.seed, share=share), place, training)
    if place.main:
        assert isinstance(averaged, DiffusionDecoder)
        export_diffusion(averaged, folder_of(config.model), codec.fingerprint, folder / "model")
        print(f"{folder / 'model'}: codec decode --decoder diffusion --model {folder / 'model'}")
    return folder
