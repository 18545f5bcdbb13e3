"""What is found out before the first stage starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from codec.errors import CodecError
from train.config_file import read_config
from train.run import Run
from train.stages import STAGES


def check(stage: str, root: Path, *overrides: str) -> None:
    config = read_config(Path("nano"), [f"root={root}", *overrides])
    next(each for each in STAGES if each.name == stage).check(config)


def test_a_codec_stage_goes_no_further_under_a_decoder_that_was_polished(tmp_path: Path) -> None:
    config = read_config(Path("nano"), [f"root={tmp_path}"])
    for stage in ("codec", "adversarial"):
        Run(config.folder(stage), config, {"model": torch.nn.Linear(1, 1)}, ()).save(20)
    check("codec", tmp_path, "codec.steps=20", "adversarial.steps=5")
    with pytest.raises(CodecError, match=r"adversarial: .* after 20 steps .* codec\.steps=30 .*Delete .*adversarial.*init="):
        check("codec", tmp_path, "codec.steps=30", "adversarial.steps=5")
    check("codec", tmp_path, "codec.steps=30", "adversarial.steps=0")  # which leaves it out, and out of the export
    shutil.rmtree(tmp_path / "adversarial")
    check("codec", tmp_path, "codec.steps=30", "adversarial.steps=5")
