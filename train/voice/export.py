"""The averaged weights of a training, as one model."""

from __future__ import annotations

from codec.networks.source_filter_codec import SourceFilterNetworks
from train.config import TrainConfig
from train.lineage import digest_of
from train.run import check_origin
from train.voice import adversarial, codec
from train.voice.data import assemble, load_stage
from train.voice.networks import VoiceCodec


def trained_codec(config: TrainConfig) -> tuple[SourceFilterNetworks, int]:
    """Networks as the codec stage left them, and its steps; those of ``init`` where it has no steps of its own.

    Raises:
        CodecError: nothing trained yet, or stages that do not belong together.
    """
    networks = assemble(config, "tracker")
    if config.goes_on and not (config.folder("codec") / "checkpoint.pt").exists():
        return networks, 0
    check_origin(config.folder("codec"), config, codec.MATTERS, digest_of(networks.semantic, networks.codebooks))
    return networks, load_stage(config, "codec", VoiceCodec(networks))


def averaged(config: TrainConfig) -> tuple[SourceFilterNetworks, str, int]:
    """Networks of the last stage that ran, its name and its steps.

    Raises:
        CodecError: nothing trained yet, or stages that do not belong together.
    """
    networks, steps = trained_codec(config)
    if not config.adversarial.steps or not (config.folder("adversarial") / "checkpoint.pt").exists():
        return networks, "codec", steps
    check_origin(config.folder("adversarial"), config, adversarial.MATTERS, digest_of(networks))
    return networks, "adversarial", load_stage(config, "adversarial", VoiceCodec(networks))
