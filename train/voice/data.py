"""Crops with pitch labels beside them, and networks that stand on a trained semantic encoder."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from codec.data.domains import Domain
from codec.data.store import Corpus
from codec.errors import CodecError
from codec.networks.source_filter_codec import SourceFilterNetworks
from train import codebooks
from train.codebooks import frozen_features
from train.config import CropStage, TrainConfig
from train.crops import Batch, Crops, usable
from train.lineage import digest_of
from train.run import load_averaged
from train.voice.pitch import open_labels


def crops_of(
    config: TrainConfig,
    corpus: Corpus,
    stage: CropStage,
    seed: int,
    share: slice | None = None,
    encoder: SourceFilterNetworks | None = None,
    split: str = "train",
    weights: Mapping[Domain, float] | None = None,
) -> Crops:
    """Crops with labels, and with the frozen encoder's features if networks are given."""
    features = None if encoder is None else frozen_features(config, corpus, encoder=digest_of(encoder.semantic))
    sizes = (stage.crop_frames, stage.batch_size, features)
    labels = open_labels(config, corpus)
    return Crops(corpus, split, weights or stage.weights, *sizes, labels=labels, seed=seed, share=share)


def held_out(
    config: TrainConfig,
    corpus: Corpus,
    stage: CropStage,
    weights: Mapping[Domain, float],
    encoder: SourceFilterNetworks | None = None,
) -> dict[str, Batch]:
    """One batch of each domain that has held-out clips."""
    return {
        domain: crops_of(config, corpus, stage, 1, None, encoder, "valid", {domain: 1.0}).batch(0)
        for domain in weights
        if usable(corpus, "valid", domain)
    }


def assemble(config: TrainConfig, *finished: str) -> SourceFilterNetworks:
    """Networks with all that earlier stages have trained.

    Args:
        config: of the whole training.
        finished: stages whose averaged weights are taken, ``tracker`` and ``vocoder``, unless ``config.init`` brings them.

    Raises:
        CodecError: an earlier stage has not run, or a model that was given has other sizes than the config's.
    """
    networks = codebooks.assemble(config)
    for name in finished:
        if name not in config.given:
            load_stage(config, name, networks.pitch if name == "tracker" else networks.vocoder)
    return networks


def load_stage(config: TrainConfig, name: str, model: nn.Module) -> int:
    """Loads the averaged weights that a stage has got to; returns its step.

    Raises:
        CodecError: it has not run, or what is there is damaged or of other sizes.
    """
    path = config.folder(name) / "checkpoint.pt"
    if not path.exists():
        raise CodecError(f"{path.parent}: nothing trained here; run codec train {name} first")
    return load_averaged(path, model)
