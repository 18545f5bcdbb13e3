"""The vocoder alone: the envelope, pitch and tones of recordings → the recordings."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.networks.frontend import AcousticFrontEnd
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.tones import tone_codes, tone_tracks
from codec.networks.vocoder import Vocoder
from train.config import TrainConfig
from train.crops import Batch
from train.draws import VOCODER_CROPS
from train.loop import Training, train
from train.losses import MultiScaleMelLoss, ReconstructionLoss
from train.parallel import join
from train.progress import autocast, compile_for
from train.specimens import Specimens
from train.voice.data import crops_of, held_out
from train.voice.pitch import labelled
from train.voice.targets import targets_of

TONE_FRAMES, TONE_CODES = 4, 8192
"""Frames and codes of the blocks in which tones are told."""
MATTERS = ("vocoder", "model.vocoder", "model.mel", "model.n_fft", "seed", "precision")


def run(config: TrainConfig, networks: SourceFilterNetworks) -> Path:
    """Trains the vocoder in place; returns the run's folder."""
    torch.manual_seed(config.seed)
    stage, place, corpus = config.vocoder, join(), Corpus(config.folder("corpus"))
    networks.to(place.device)
    vocoder, front_end = networks.vocoder, networks.front_end
    compile_for(place.device, vocoder.backbone)
    vocoder.hidden.requires_grad_(False)  # there is no decoder yet that could tell more
    data = crops_of(config, corpus, stage, config.seed + VOCODER_CROPS, place.share(stage.batch_size))
    valid = held_out(config, corpus, stage, stage.weights)
    criterion = ReconstructionLoss(networks.config.sample_rate).to(place.device)
    measure = MultiScaleMelLoss(networks.config.sample_rate).to(place.device)

    def sounded(model: nn.Module, batch: Batch) -> Tensor:
        assert batch.labels is not None
        assert isinstance(model, Vocoder)
        with autocast(place.device, config.precision):
            return copy_synthesis(model, front_end, batch.wave, batch.labels)

    def losses(model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        return {"loss": criterion(sounded(model, batch), batch.wave)}

    @torch.no_grad()
    def validate(model: nn.Module) -> dict[str, float]:
        batches = {domain: batch.to(place.device) for domain, batch in valid.items()}
        return {f"mel/{domain}": measure(sounded(model, b), b.wave).item() for domain, b in batches.items()}

    @torch.no_grad()
    def specimens(model: nn.Module) -> Specimens:
        firsts = {domain: batch.first(1).to(place.device) for domain, batch in valid.items()}
        return Specimens({domain: {"original": b.wave[0], "copy": sounded(model, b)[0]} for domain, b in firsts.items()})

    training = Training("vocoder", vocoder, losses, validate, MATTERS, specimens=specimens)
    return train(config, stage, data, place, training).folder


def copy_synthesis(vocoder: Vocoder, front_end: AcousticFrontEnd, wave: Tensor, labels: Tensor) -> Tensor:
    """``(B, samples)`` and their pitch labels → what is left of them when only envelope, pitch and tones are kept."""
    features, pitch = targets_of(front_end, wave, labelled(labels))
    is_tone, codes = tone_codes(features.lines, pitch.voiced, TONE_FRAMES, TONE_CODES)
    x = vocoder(features.mel, pitch)
    sound: Tensor = vocoder.head(x, pitch.f0, pitch.voiced, tone_tracks(is_tone, codes, TONE_FRAMES, TONE_CODES)).wave
    return sound
