"""The pitch tracker, taught by labels; noise is added that the labels do not know."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.networks.frontend import AcousticFrontEnd
from codec.networks.pitch import BINS_PER_OCTAVE, N_BINS, Pitch, PitchTracker, to_bins
from codec.networks.source_filter_codec import SourceFilterNetworks
from train.config import TrainConfig
from train.crops import Batch
from train.draws import TRACKER_CROPS, step_generator
from train.loop import Training, train
from train.parallel import join
from train.voice.data import crops_of, held_out
from train.voice.pitch import labelled
from train.voice.targets import GROSS_ERROR_OCTAVES

SIGNAL_TO_NOISE_DB = 10.0, 60.0
BLUR_BINS = 1.0
"""Standard deviation of the classes around the labelled one."""
MATTERS = ("tracker", "model.pitch", "model.mel", "model.n_lags", "model.n_fft", "seed")


def run(config: TrainConfig, networks: SourceFilterNetworks) -> Path:
    """Trains the tracker in place; returns the run's folder."""
    torch.manual_seed(config.seed)
    stage, place, corpus = config.tracker, join(), Corpus(config.folder("corpus"))
    networks.to(place.device)
    data = crops_of(config, corpus, stage, config.seed + TRACKER_CROPS, place.share(stage.batch_size))
    valid = held_out(config, corpus, stage, stage.weights)
    front_end = networks.front_end

    def losses(model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        assert batch.labels is not None
        assert isinstance(model, PitchTracker)
        noisy = batch.wave + noise_beside(batch.wave, step_generator(config.seed, step)).to(batch.wave)
        return tracker_losses(model, front_end, noisy, labelled(batch.labels))

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, PitchTracker)
        figures: dict[str, float] = {}
        with torch.no_grad():
            for domain, batch in valid.items():
                assert batch.labels is not None
                found = tracker_losses(model, front_end, batch.wave.to(place.device), labelled(batch.labels.to(place.device)))
                figures |= {f"{name}/{domain}": value.item() for name, value in found.items() if name != "loss"}
        return figures

    return train(config, stage, data, place, Training("tracker", networks.pitch, losses, validate, MATTERS)).folder


def tracker_losses(model: PitchTracker, front_end: AcousticFrontEnd, wave: Tensor, pitch: Pitch) -> dict[str, Tensor]:
    """Cross-entropies of pitch and voicing, and the tracker's errors."""
    with torch.no_grad():
        features = front_end(wave)
    classes, voicing = model.logits(features.mel, features.correlogram)
    bins = torch.arange(N_BINS, device=wave.device)
    near = torch.exp(-0.5 * ((bins - to_bins(pitch.f0)[..., None]) / BLUR_BINS) ** 2)
    wanted = near / near.sum(-1, keepdim=True)
    voiced, count = pitch.voiced, pitch.voiced.sum().clamp(min=1)
    pitch_loss = (-(wanted * torch.log_softmax(classes, -1)).sum(-1) * voiced).sum() / count
    voicing_loss = F.binary_cross_entropy_with_logits(voicing, voiced)
    wrong = (classes.detach().argmax(-1) - to_bins(pitch.f0)).abs() / BINS_PER_OCTAVE
    return {
        "loss": 0.5 * pitch_loss + voicing_loss,
        "loss/pitch": pitch_loss,
        "loss/voicing": voicing_loss,
        "error/gross_pitch": ((wrong > GROSS_ERROR_OCTAVES) * voiced).sum() / count,
        "error/voicing": ((voicing.detach() > 0) != (voiced > 0)).float().mean(),
    }


def noise_beside(wave: Tensor, generator: torch.Generator) -> Tensor:
    """White noise, at a random level for each item."""
    low, high = SIGNAL_TO_NOISE_DB
    ratio = low + (high - low) * torch.rand(len(wave), 1, generator=generator)
    white = torch.randn(wave.shape, generator=generator)
    return white * wave.square().mean(1, keepdim=True).sqrt().cpu() * 10 ** (-ratio / 20)
