"""``codec train``: from audio files to an exported model, all at once or stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codec.errors import CodecError

if TYPE_CHECKING:
    from train.config import TrainConfig


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
    for stage in STAGES:
        if names and stage.name not in names:
            continue
        if settings.init and stage.given:
            typer.echo(f"{stage.name}: comes with {settings.init}")
            continue
        if stage.done(settings):
            typer.echo(f"{stage.name}: done already ({settings.root}/{stage.product}; delete it to redo)")
            continue
        typer.echo(f"{stage.name}: {stage.about}")
        stage.run(settings)


def export(
    config: Annotated[Path, typer.Option("--config", "-c", help="The config that the model was trained with.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: ROOT/model.")] = None,
) -> None:
    """Write a trained codec as config.json and model.safetensors, for codec.load and --model."""
    from train.stages import export_model

    export_model(read_config(config, overrides or []), output)


def read_config(path: Path, overrides: list[str]) -> TrainConfig:
    """Reads a config file and applies overrides.

    Raises:
        CodecError: unreadable file, unknown key or wrong type.
    """
    try:
        import yaml
    except ImportError as error:
        raise CodecError("training needs pyyaml: pip install semcodec[train]") from error
    from pydantic import ValidationError

    from train.config import TrainConfig

    try:
        raw = yaml.safe_load(path.read_text("utf-8")) or {}
        for item in overrides:
            key, _, value = item.partition("=")
            *sections, last = key.split(".")
            place = raw
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = yaml.safe_load(value)
        return TrainConfig.model_validate(raw)
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise CodecError(f"{path}: not a valid config ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise CodecError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
