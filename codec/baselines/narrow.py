"""EnCodec and the Descript codec with fewer channels: architectures to compare with at the size of our own model."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from codec.baselines import dac, encodec
from codec.baselines.pretrained import build, transformers


def narrowed(family: str, width: float, path: Path | None) -> Any:
    """The network of ``encodec_24khz`` or ``dac_16khz`` with a share of its channels; frame rate and codebooks stay.

    Args:
        family: which one.
        width: 1 is the published network.
        path: of ``model.safetensors``; None for random weights from a fixed seed.

    Raises:
        ModelError: the file holds weights of something else.
    """
    package = transformers()
    if family in dac.SHAPES:
        d = dac.SHAPES[family]
        narrow = replace(
            d, encoder_hidden_size=int(d.encoder_hidden_size * width), decoder_hidden_size=int(d.decoder_hidden_size * width)
        )
        return build(package.DacModel, package.DacConfig(**asdict(narrow)), path)
    e = encodec.SHAPES[family]
    narrower = replace(e, num_filters=int(e.num_filters * width))
    return build(package.EncodecModel, package.EncodecConfig(**asdict(narrower)), path)
