"""The pretraining loop: one trunk, one loop, the objective chosen by config."""

from __future__ import annotations

from pathlib import Path

import torch

from codec.features import LogMel
from codec.semantic import SemanticEncoder
from corpora.store import Corpus
from train.config import TrainConfig
from train.crops import Crops, open_features, usable
from train.parallel import average_gradients, join, mean_over_processes
from train.progress import Steps, autocast
from train.run import LOG_EVERY, Average, Run, check_finite, cosine
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
    return Distillation(config, mel, data)


def train(config: TrainConfig) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder."""
    torch.manual_seed(config.seed)
    stage, place = config.ssl, join()
    corpus = Corpus(config.folder("corpus"))
    features = open_features(config.folder("teacher")) if stage.objective == "distil" else None
    mel = LogMel(config.model.sample_rate, **config.model.mel.model_dump()).to(place.device)
    sizes = (stage.weights, stage.crop_frames, stage.batch_size, features)
    share = place.share(stage.batch_size)
    data = Crops(corpus, "train", *sizes, seed=config.seed, share=share)
    held_out = any(usable(corpus, "valid", domain) for domain in stage.weights)
    valid = Crops(corpus, "valid", *sizes, seed=1).batch(0).to(place.device) if held_out else None
    encoder = SemanticEncoder(config.model.semantic, config.model.mel.n_mels).to(place.device)
    objective = build_objective(config, encoder, mel, data)
    objective.module.to(place.device)
    average = Average(encoder)
    parameters = [*encoder.parameters(), *(p for p in objective.module.parameters() if p.requires_grad)]
    optimizer = torch.optim.AdamW(parameters, lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    parts = {"model": encoder, "objective": objective.module, "average": average, "optimizer": optimizer}
    run = Run(config.folder("ssl"), config, parts, matters=("ssl", "model", "seed", "precision"), main=place.main)
    if place.device.type == "cuda":
        encoder.compile()
    steps = Steps("ssl", data, run.resume(), stage.steps, place)
    for step, batch in steps:
        for group in optimizer.param_groups:
            group["lr"] = cosine(step, stage.steps, stage.learning_rate)
        with torch.no_grad():
            clean = mel(batch.wave)
        hidden = hide_spans(stage, config.seed, step, stage.batch_size, stage.crop_frames)[share].to(place.device)
        with autocast(place.device, config.precision):
            loss = objective.loss(encoder, clean, batch, hidden)
        check_finite(loss, step, run)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update(encoder, step)
        objective.after_step(encoder, step)
        if (step + 1) % LOG_EVERY == 0:
            run.log(step + 1, {"loss": mean_over_processes(loss), "speed": steps.speed})
        if (step + 1) % stage.save_every == 0 or step + 1 == stage.steps:
            if valid is not None:
                with torch.no_grad():
                    run.log(step + 1, objective.validate(average.module, mel(valid.wave), valid))
            run.save(step + 1)
    return run.folder
