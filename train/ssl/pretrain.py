"""The pretraining loop: one trunk, one loop, the objective chosen by config."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.data.store import Corpus
from codec.errors import CodecError
from codec.features import LogMel
from codec.networks.semantic import SemanticEncoder
from train.codebooks import given_networks
from train.config import TrainConfig
from train.crops import Batch, Crops, open_features, usable
from train.lineage import digest_of_corpus, require_origin
from train.metrics import grouped
from train.parallel import Place, average_gradients, join, mean_over_processes
from train.progress import Steps, autocast
from train.run import Average, Run, Stateful, check_finite, clip_gradients, cosine, set_rate
from train.ssl.distil import Distillation
from train.ssl.jepa import JointEmbedding
from train.ssl.mae import MaskedAutoencoding
from train.ssl.objective import Objective, hide_spans


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


class Pretraining:
    """A trunk, its objective, and what an update touches.

    Args:
        config: of the whole training.
        data: training crops.
        place: of this process.
    """

    def __init__(self, config: TrainConfig, data: Crops, place: Place) -> None:
        stage = config.ssl
        self._config, self._place = config, place
        self.mel = LogMel(config.model.sample_rate, **config.model.mel.model_dump()).to(place.device)
        self.encoder = first_encoder(config).to(place.device)
        self.objective = build_objective(config, self.encoder, self.mel, data)
        self.objective.module.to(place.device)
        self.average = Average(self.encoder)
        self._parameters = [*self.encoder.parameters(), *(p for p in self.objective.module.parameters() if p.requires_grad)]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.05)

    @property
    def parts(self) -> dict[str, Stateful]:
        """What a checkpoint holds."""
        parts: dict[str, Stateful] = {"model": self.encoder, "objective": self.objective.module, "average": self.average}
        return {**parts, "optimizer": self._optimizer}

    def loss(self, step: int, batch: Batch) -> Tensor:
        """Of this process's share of a batch, with the frames hidden that are this step's."""
        stage, place = self._config.ssl, self._place
        with torch.no_grad():
            clean = self.mel(batch.wave)
        hidden = hide_spans(stage, self._config.seed, step, stage.batch_size, stage.crop_frames)
        with autocast(place.device, self._config.precision):
            return self.objective.loss(self.encoder, clean, batch, hidden[place.share(stage.batch_size)].to(place.device))

    def update(self, step: int, loss: Tensor, learning_rate: float, run: Run) -> None:
        """One step against the gradient, over all processes.

        Raises:
            CodecError: the gradient is not finite.
        """
        set_rate(self._optimizer, learning_rate)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self._parameters)
        clip_gradients(self._parameters, step, run)
        self._optimizer.step()
        self.average.update(self.encoder, step)
        self.objective.after_step(self.encoder, step)

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, float]:
        """The averaged encoder's figures on fixed crops."""
        return self.objective.validate(self.average.module, self.mel(batch.wave), batch)


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


def _losses(loss: Tensor, steps: Steps) -> dict[str, float]:
    return {"loss": mean_over_processes(loss), "speed": steps.speed}


def train(config: TrainConfig) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder."""
    torch.manual_seed(config.seed)
    stage, place = config.ssl, join()
    data, valid = crops_of(config, place)
    work = Pretraining(config, data, place)
    run = Run(config.folder("ssl"), config, work.parts, matters=("ssl", "model", "seed", "precision"), main=place.main)
    if place.device.type == "cuda":
        work.encoder.compile()
    start = run.resume()
    if valid is not None and not start:
        run.log(0, grouped("valid", work.validate(valid)))
    steps = Steps("ssl", data, start, stage.steps, place)
    for step, batch in steps:
        loss = work.loss(step, batch)
        check_finite(loss, step, run)
        work.update(step, loss, cosine(step, stage.steps, stage.learning_rate), run)
        figures = partial(work.validate, valid) if valid is not None else dict
        run.after(step, stage, partial(_losses, loss, steps), figures)
    return run.close()
