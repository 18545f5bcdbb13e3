"""``codec train``: from audio files to an exported model, all at once or stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codec.errors import CodecError
from train.config_file import read_config
from train.exports import export

__all__ = ["export", "read_config", "train"]


def train(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE|KEY=VALUE]...",
            help="Stages: corpus, teacher, ssl, features, kmeans, codec, adversarial, export, entropy; default: all, in this "
            "order. KEY=VALUE overrides the config, e.g. codec.steps=100.",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file, e.g. train/configs/nano.yaml.")] = None,
) -> None:
    """Train a codec from audio files. What is done already is skipped, what was interrupted goes on."""
    from train.stages import STAGES

    words = words or []
    names = [word for word in words if "=" not in word]
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        raise CodecError(f"no stage {', '.join(sorted(unknown))}; stages are {', '.join(s.name for s in STAGES)}")
    if config is None:
        raise CodecError("name a config: codec train --config train/configs/nano.yaml")
    settings = read_config(config, [word for word in words if "=" in word])
    chosen = [stage for stage in STAGES if not names or stage.name in names]
    for stage in chosen:
        stage.check(settings)
    for stage in chosen:
        stage.start(settings)
