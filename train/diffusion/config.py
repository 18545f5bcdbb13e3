"""What a diffusion training run can be told; the defaults are the paper's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codec.config import Vocabs
from codec.semanticodec.config import VOCABS
from train.config import LoneConfig, Weights


class DiffusionConfig(LoneConfig):
    """A whole run.

    Attributes:
        checkpoint: folder with the published files, whose AudioMAE, autoencoder and centroids stay frozen.
        rate: tokens per second.
        vocabs: semantic vocabularies, one of which is drawn for each batch.
        weights: share of each domain.
        seconds: of a crop.
        steps: optimiser steps.
        batch_size: crops per step.
        learning_rate: of AdamW, after the warm-up.
        warmup: steps of a linear rise; constant after them.
        drop: share of batches whose tokens are hidden, for classifier-free guidance. The paper gives no number.
        average_decay: of the averaged weights.
        save_every: steps.
    """

    checkpoint: str
    rate: Literal[25, 50, 100] = 100
    vocabs: Vocabs = VOCABS
    weights: Weights = {"speech": 1.0, "music": 1.0, "sound": 1.0}
    seconds: Annotated[float, Field(gt=0, le=10.24)] = 10.24
    steps: Annotated[int, Field(ge=1)] = 500_000
    batch_size: Annotated[int, Field(ge=1)] = 48
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    warmup: Annotated[int, Field(ge=1)] = 5_000
    drop: Annotated[float, Field(ge=0, lt=1)] = 0.1
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    save_every: Annotated[int, Field(ge=1)] = 5_000
