"""Crops with pitch labels beside them, and networks that stand on a trained semantic encoder."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from codec.data.domains import Domain
from codec.data.store import Corpus
from codec.errors import CodecError
from codec.hub import load_own
from codec.networks.source_filter_codec import SourceFilterNetworks
from train import codebooks
from train.codebooks import frozen_features
from train.config import CodecStage, TrackerStage, TrainConfig, VocoderStage
from train.crops import Batch, Crops, usable
from train.lineage import digest_of
from train.run import Average, read_checkpoint
from train.voice.networks import VoiceCodec
from train.voice.pitch import open_labels

CropStage = TrackerStage | VocoderStage | CodecStage


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


def comes_whole(config: TrainConfig) -> bool:
    """Whether ``config.init`` is a model of this architecture: tracker and vocoder come with it, and the transforms."""
    return bool(config.init) and isinstance(load_own(str(config.init)).networks, SourceFilterNetworks)


def assemble(config: TrainConfig, *finished: str) -> SourceFilterNetworks:
    """Networks with all that earlier stages have trained.

    Args:
        config: of the whole training.
        finished: stages whose averaged weights are taken: ``tracker``, ``vocoder``, ``codec``. Those that ``config.init``
            brings are not asked for.

    Raises:
        CodecError: an earlier stage has not run, or a model that was given has other sizes than the config's.
    """
    networks = codebooks.assemble(config)
    assert isinstance(networks, SourceFilterNetworks)
    parts = {"tracker": networks.pitch, "vocoder": networks.vocoder, "codec": VoiceCodec(networks)}
    brought = ("tracker", "vocoder") if comes_whole(config) else ()
    for name in finished:
        if name in brought:
            continue
        load_averaged(config, name, parts[name])
    return networks


def load_averaged(config: TrainConfig, name: str, model: nn.Module) -> int:
    """Loads the averaged weights of a stage's latest checkpoint; returns its step.

    Raises:
        CodecError: there is none, it is damaged, or of other sizes.
    """
    path = config.folder(name) / "checkpoint.pt"
    if not path.exists():
        raise CodecError(f"{path.parent}: nothing trained here; run codec train {name} first")
    state = read_checkpoint(path)
    average = Average(model)
    try:
        average.load_state_dict(state["parts"]["average"])
    except (KeyError, RuntimeError) as error:
        raise CodecError(f"{path}: not of the networks that the config's model section describes") from error
    model.load_state_dict(average.module.state_dict())
    return int(state["step"])
