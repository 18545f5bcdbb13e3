"""A decoder that learns a voice, or any kind of sound, from minutes of it; what makes tokens stays as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from codec.bundled import files_of
from codec.errors import CodecError
from codec.stored import read_model_config
from train.config import TrainConfig
from train.config_file import read_config
from train.stages import STAGES

CONFIG = Path(__file__).parents[1] / "configs" / "decoder.yaml"
NEEDED = ("corpus", "features", "pitch", "adversarial", "export")
"""Stages that there are for a decoder alone."""


def finetune(folders: Sequence[str], init: str, root: Path, overrides: Sequence[str] = ()) -> None:
    """Trains the decoder of a model further, or goes on where it was interrupted; the new model is ``root/model``.

    Args:
        folders: of recordings.
        init: the model, ``default`` or a folder.
        root: folder of the training.
        overrides: ``KEY=VALUE`` of the config, ``train/configs/decoder.yaml``.

    Raises:
        CodecError: no folder, no such model, or nothing in the folders that could be learned from.
    """
    config = config_of(folders, init, root, overrides)
    stages = [stage for stage in STAGES if stage.name in NEEDED]
    for stage in stages:
        stage.check(config)
    for stage in stages:
        stage.start(config)


def config_of(folders: Sequence[str], init: str, root: Path, overrides: Sequence[str]) -> TrainConfig:
    """The packaged config for these folders, with the sizes of the model that is trained."""
    if not folders:
        raise CodecError("name a folder of recordings: codec train decoder FOLDER --init default -o runs/voice")
    for folder in folders:
        if not Path(folder).is_dir():
            raise CodecError(f"{folder}: not a folder of recordings")
    model = read_model_config(files_of(init)[0])[0]
    given = {
        "init": init,
        "root": str(root),
        "model": model.model_dump(mode="json"),
        "codec.stack_shares": [1] * len(model.token_lengths),
        "corpus.sources": list(folders),
    }
    return read_config(CONFIG, [*(f"{key}={json.dumps(value)}" for key, value in given.items()), *overrides])
