"""``codec train``: the stages, one command each. Configs are YAML; ``key=value`` after them overrides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codec.errors import CodecError

if TYPE_CHECKING:
    from train.config import TrainConfig

app = typer.Typer(help="Train a codec, stage by stage: corpus, ssl, features, kmeans, codec, export.", no_args_is_help=True)

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="YAML file, e.g. train/configs/nano.yaml.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, e.g. codec.steps=100.")]


def read_config(path: Path, overrides: list[str] | None) -> TrainConfig:
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
        for item in overrides or []:
            key, equals, value = item.partition("=")
            if not equals:
                raise CodecError(f"override {item!r} is not KEY=VALUE")
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


@app.command()
def corpus(config: ConfigFile, overrides: Overrides = None) -> None:
    """Collect audio and write it as one 16 kHz memory map with a manifest and a report."""
    from train.corpora import Corpus, build
    from train.corpora.debian import clips, fetch
    from train.corpora.folder import folder_clips
    from train.corpora.perturb import perturb

    settings = read_config(config, overrides)
    if settings.corpus.source == "debian":
        fetch(settings.folder("packages"))
        found = clips(settings.folder("packages"))
    else:
        found = folder_clips(Path(settings.corpus.source))
    report = build(found, settings.folder("corpus"))
    typer.echo(f"hours: {report['hours']}  left out: {report['left_out']}")
    hours = perturb(Corpus(settings.folder("corpus")), settings.corpus.copies, settings.seed)
    typer.echo(f"speed-perturbed copies: {hours:.2f} h")


@app.command()
def ssl(config: ConfigFile, overrides: Overrides = None) -> None:
    """Pretrain the semantic encoder by masked distillation."""
    from train.corpora import Corpus
    from train.ssl.distil import train
    from train.ssl.teacher import WhisperTeacher, cache_features

    settings = read_config(config, overrides)
    if not (settings.folder("teacher") / "features.json").exists():
        cache_features(Corpus(settings.folder("corpus")), WhisperTeacher(settings.ssl.teacher), settings.folder("teacher"))
    train(settings)


@app.command()
def features(config: ConfigFile, overrides: Overrides = None) -> None:
    """Cache the frozen encoder's features of the whole corpus."""
    from train.codebooks import cache_features

    cache_features(read_config(config, overrides))


@app.command()
def kmeans(config: ConfigFile, overrides: Overrides = None) -> None:
    """Fit the semantic codebooks of every rate."""
    from train.codebooks import fit

    fit(read_config(config, overrides))


@app.command()
def codec(config: ConfigFile, overrides: Overrides = None) -> None:
    """Train acoustic encoder, quantiser and decoder."""
    from train.autoencoder import train
    from train.codebooks import assemble

    settings = read_config(config, overrides)
    train(settings, assemble(settings))


@app.command()
def export(config: ConfigFile, overrides: Overrides = None) -> None:
    """Write config.json and model.safetensors, which codec.load and --model take."""
    from train.autoencoder import export as write

    settings = read_config(config, overrides)
    typer.echo(write(settings))
