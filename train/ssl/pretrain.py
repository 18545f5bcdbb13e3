"""Pretraining of the semantic encoder: one trunk, the objective chosen by config."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.errors import CodecError
from codec.features import LogMel
from codec.networks.semantic import SemanticEncoder
from train.codebooks import given_networks
from train.config import TrainConfig
from train.crops import Batch, Crops, open_features, usable
from train.lineage import digest_of_corpus, require_origin
from train.loop import BETAS, Training
from train.loop import train as train_loop
from train.parallel import Place, join
from train.progress import autocast, compile_for
from train.ssl.distil import Distillation
from train.ssl.jepa import JointEmbedding
from train.ssl.mae import MaskedAutoencoding
from train.ssl.objective import Objective, hide_spans

MATTERS = ("ssl", "model", "seed", "precision")
WEIGHT_DECAY = 0.05


def build_objective(config: TrainConfig, encoder: SemanticEncoder, mel: LogMel, data: Crops) -> Objective:
    """The objective that the config names."""
    if config.ssl.objective == "mae":
        return MaskedAutoencoding(config)
    if config.ssl.objective == "jepa":
        return JointEmbedding(config, encoder)
    return Distillation(config, encoder, mel, data)


def first_encoder(config: TrainConfig) -> SemanticEncoder:
    """A fresh trunk, or with ``ssl.refit`` that of ``config.init``."""
    if config.ssl.refit:
        return given_networks(config).semantic
    return SemanticEncoder(config.model.semantic, config.model.mel.n_mels)


def pretraining(config: TrainConfig, data: Crops, valid: Batch | None, place: Place) -> Training[Batch]:
    """A trunk and its objective, as the loop takes them.

    Args:
        config: of the whole training.
        data: training crops.
        valid: a batch to validate on, or None.
        place: of this process.
    """
    stage = config.ssl
    mel = LogMel(config.model.sample_rate, **config.model.mel.model_dump()).to(place.device)
    encoder = first_encoder(config).to(place.device)
    objective = build_objective(config, encoder, mel, data)
    objective.module.to(place.device)

    def losses(model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        assert isinstance(model, SemanticEncoder)
        with torch.no_grad():
            clean = mel(batch.wave)
        hidden = hide_spans(stage, config.seed, step, stage.batch_size, stage.crop_frames)
        with autocast(place.device, config.precision):
            return {"loss": objective.loss(model, clean, batch, hidden[place.share(stage.batch_size)].to(place.device))}

    @torch.no_grad()
    def validate(model: nn.Module) -> Mapping[str, float]:
        assert isinstance(model, SemanticEncoder)
        return {} if valid is None else objective.validate(model, mel(valid.wave), valid)

    compile_for(place.device, encoder)
    parameters = [*encoder.parameters(), *(p for p in objective.module.parameters() if p.requires_grad)]
    return Training(
        "ssl",
        encoder,
        losses,
        validate,
        matters=MATTERS,
        beside={"objective": objective.module},
        optimizer=torch.optim.AdamW(parameters, lr=stage.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY),
        after=partial(objective.after_step, encoder),
        validate_first=True,
    )


def crops_of(config: TrainConfig, place: Place) -> tuple[Crops, Batch | None]:
    """Training crops, and a batch to validate on if any clips are held out.

    Raises:
        CodecError: no corpus, or distillation without its teacher's features.
    """
    stage = config.ssl
    corpus = Corpus(config.folder("corpus"))
    features = _teacher_features(config, corpus) if stage.objective == "distil" else None
    sizes = (stage.weights, stage.crop_frames, stage.batch_size, features)
    data = Crops(corpus, "train", *sizes, seed=config.seed, share=place.share(stage.batch_size))
    held_out = any(usable(corpus, "valid", domain) for domain in stage.weights)
    return data, Crops(corpus, "valid", *sizes, seed=1).batch(0).to(place.device) if held_out else None


def _teacher_features(config: TrainConfig, corpus: Corpus) -> np.ndarray:
    folder, count = config.folder("teacher"), config.ssl.teacher_components
    features = open_features(folder)
    require_origin(folder / "features.json", corpus=digest_of_corpus(corpus))
    if features.shape[1] < count:
        raise CodecError(f"{folder}: holds {features.shape[1]} components, ssl.teacher_components asks for {count}; delete it")
    return features


def train(config: TrainConfig) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder."""
    torch.manual_seed(config.seed)
    place = join()
    data, valid = crops_of(config, place)
    return train_loop(config, config.ssl, data, place, pretraining(config, data, valid, place)).folder
