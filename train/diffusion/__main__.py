"""``python -m train.diffusion --config train/configs/diffusion.yaml``, or ``diffusion-nano.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codec.cli.main import run_script
from codec.errors import CodecError, first_error


def main(config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, e.g. train/configs/diffusion.yaml.")]) -> None:
    """Train the architecture of the published SemantiCodec, or a diffusion decoder for our own model's tokens."""
    import yaml
    from pydantic import ValidationError

    from codec.semanticodec.config import PublishedConfig
    from train.config_file import load_yaml
    from train.diffusion import run, tokens
    from train.diffusion.config import DiffusionConfig

    try:
        raw = load_yaml(config.read_text("utf-8-sig")) or {}
        if "model" in raw:
            tokens.train(tokens.TokenDiffusionConfig.read(raw))
        else:
            settings = DiffusionConfig.read(raw)
            sizes = PublishedConfig.published(settings.rate)
            run.train(settings, run.load_frozen(settings.checkpoint, sizes, settings.vocabs), sizes)
    except ValidationError as error:
        raise CodecError(f"{config}: {first_error(error)}") from error
    except (UnicodeDecodeError, TypeError, yaml.YAMLError) as error:
        raise CodecError(f"{config}: {error}") from error


if __name__ == "__main__":
    run_script(main)
