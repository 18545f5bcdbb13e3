"""The averaged weights of a training, as one model."""

from __future__ import annotations

from codec.networks.source_filter_codec import SourceFilterNetworks
from train.config import TrainConfig
from train.lineage import digest_of
from train.run import check_origin
from train.voice import codec
from train.voice.data import assemble, load_stage
from train.voice.networks import VoiceCodec


def averaged(config: TrainConfig) -> tuple[SourceFilterNetworks, int]:
    """Networks of the last stage that ran, and its steps.

    Raises:
        CodecError: nothing trained yet, or stages that do not belong together.
    """
    networks = assemble(config, "tracker")
    check_origin(config.folder("codec"), config, codec.MATTERS, digest_of(networks.semantic, networks.codebooks))
    return networks, load_stage(config, "codec", VoiceCodec(networks))
