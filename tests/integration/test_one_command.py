"""A folder of audio to a model that ``codec.load`` takes, by one command, from raw files through every stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

import codec
from codec.audio.io import read_audio
from codec.cli import main
from codec.container.entropy import load_entropy_of
from tests.conftest import DATA
from tests.integration.training import cut_clips, small_config

STAGES = ("corpus", "teacher", "ssl", "features", "kmeans", "pitch", "tracker", "vocoder", "codec", "export", "entropy")


def test_one_command_trains_a_folder_of_audio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_clips(tmp_path / "audio")
    config = small_config(tmp_path / "run", tmp_path / "audio")
    config["ssl"] |= {"objective": "mae", "steps": 20}
    for stage in ("tracker", "vocoder", "codec"):
        config[stage] |= {"steps": 10, "save_every": 10}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for _ in range(2):  # the second time there is nothing to do but export
        with pytest.raises(SystemExit) as caught:
            main(["train", "--config", str(tmp_path / "config.yaml")])
        assert not caught.value.code
    printed = capsys.readouterr().out
    assert all(f"{stage}: " in printed for stage in STAGES)
    assert all(f"{stage}: done already" in printed for stage in ("corpus", "features", "kmeans", "pitch"))
    for stage in {*STAGES} - {"teacher"}:
        record = tmp_path / "run" / f"{stage}.json"
        record = record if record.exists() else tmp_path / "run" / stage / "config.json"
        assert json.loads(record.read_text())["revision"]
    model = codec.load(tmp_path / "run" / "model")
    wave, rate = read_audio(DATA / "speech.flac")
    assert model.decode(model.encode(torch.from_numpy(wave), rate, 50)).shape[-1] == wave.shape[-1]
    assert load_entropy_of(tmp_path / "run" / "model") is not None
