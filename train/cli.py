"""``codec train``: from audio files to an exported model, all at once or stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codec.bundled import files_of
from codec.errors import CodecError, ModelError, did_you_mean
from train.config_file import read_config, read_run
from train.exports import export

__all__ = ["export", "read_config", "train"]
STATUS = "status"


def train(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE]... [ROOT] [KEY=VALUE]...",
            help="Stages: corpus, teacher, ssl, features, kmeans, pitch, tracker, vocoder, codec, adversarial, export, "
            "entropy, reader; default: all, in this order. 'status' tells how far they are. ROOT, in place of --config, is a "
            "run's folder: its own config. KEY=VALUE overrides the config, e.g. codec.steps=100. 'decoder FOLDER' teaches a "
            "model's decoder the sounds of a folder.",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file, or one that comes along: nano.")] = None,
    init: Annotated[str | None, typer.Option(help="With decoder: the model; default: the default model.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="With decoder: its folder; default: runs/decoder.")
    ] = None,
) -> None:
    """Train a codec from audio files. What is done already is skipped, what was interrupted goes on."""
    from train.stages import STAGES

    words = words or []
    names, overrides = [word for word in words if "=" not in word], [word for word in words if "=" in word]
    if names[:1] == ["decoder"]:
        words.remove("decoder")
        _decoder(words, config, init or "default", output or Path("runs/decoder"))
        return
    if init is not None or output is not None:
        raise CodecError("--init and --output go with codec train decoder; elsewhere: init=MODEL root=FOLDER")
    known = [*(stage.name for stage in STAGES), STATUS]
    root = Path(names.pop()) if config is None and names and names[-1] not in known and Path(names[-1]).is_dir() else None
    for name in names:
        if config is None and name not in known and len(Path(name).parts) > 1:
            raise CodecError(f"no folder {name}")
        if name not in known:
            raise CodecError(f"no stage {name}{did_you_mean(name, known)}")
    if config is None and root is None:
        raise CodecError("name a config or a run's folder: codec train --config nano, codec train status runs/nano")
    settings = read_config(config, overrides) if config is not None else read_run(root or Path(), overrides)
    if STATUS in names:
        from train.status import table

        print(table(settings))
        return
    chosen = [stage for stage in STAGES if not names or stage.name in names]
    check_init(settings.init)
    for stage in chosen:
        stage.check(settings)
    for stage in chosen:
        stage.start(settings)


def _decoder(words: list[str], config: Path | None, init: str, root: Path) -> None:
    from train.voice.finetune import finetune

    if config is not None:
        raise CodecError("codec train decoder has a config of its own: override its keys, adversarial.steps=100")
    check_init(init)
    overrides = [word for word in words if "=" in word and not Path(word).is_dir()]
    finetune([word for word in words if word not in overrides], init, root, overrides)


def check_init(name: str | None) -> None:
    """Looks for the model that a run goes on from, if it goes on from one.

    Raises:
        ModelError: it is not there, or without weights.
    """
    if name and not files_of(name)[1].is_file():
        raise ModelError(f"init: no model {name!r}: default, or a folder made by codec train export")
