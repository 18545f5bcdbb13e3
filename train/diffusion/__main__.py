"""``python -m train.diffusion --config train/configs/diffusion.yaml``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from codec.errors import CodecError


def main(config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, e.g. train/configs/diffusion.yaml.")]) -> None:
    """Train the architecture of the published SemantiCodec."""
    import yaml
    from pydantic import ValidationError

    from codec.official.config import PublishedConfig
    from train.diffusion.config import DiffusionConfig
    from train.diffusion.run import load_frozen, train

    try:
        settings = DiffusionConfig.model_validate(yaml.safe_load(config.read_text("utf-8")))
        sizes = PublishedConfig.published(settings.rate)
        train(settings, load_frozen(settings.checkpoint, sizes, settings.vocabs), sizes)
    except ValidationError as error:
        first = error.errors()[0]
        _fail(f"{config}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (OSError, yaml.YAMLError, CodecError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    print(f"train.diffusion: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    typer.run(main)
