"""Every stage of the second architecture, for seconds, on real audio, upon the semantic half of a model of the first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import codec
from codec.audio.io import read_audio
from codec.cli import main
from tests.codec.networks.test_source_filter_codec import SMALL
from tests.conftest import DATA, TINY
from tests.integration.training import metrics, run
from train.codebooks import assemble
from train.config_file import read_config
from train.losses import MultiScaleMelLoss
from train.voice.pitch import track

STAGES = ("features", "pitch", "tracker", "vocoder", "codec", "export")


@pytest.fixture(scope="module")
def voiced(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voiced")
    (root / "run").mkdir()
    (root / "run" / "corpus").symlink_to(trained / "run" / "corpus")
    model = SMALL.model_copy(update={"vocabs": TINY.vocabs, "semantic": TINY.semantic})
    short = {"batch_size": 4, "crop_frames": 32, "learning_rate": 0.01}
    config = {
        "root": str(root / "run"),
        "init": str(trained / "run" / "model"),
        "precision": "fp32",
        "model": model.model_dump(mode="json"),
        "tracker": {**short, "steps": 60, "save_every": 30, "weights": {"speech": 1.0}},
        "vocoder": {**short, "steps": 60, "save_every": 30, "weights": {"speech": 0.5, "music": 0.5}},
        "codec": {**short, "steps": 60, "save_every": 30, "stack_shares": [0.7, 0.3], "learning_rate": 0.003},
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    for stage in STAGES:
        run(stage, root)
    return root


def test_every_stage_learns(voiced: Path) -> None:
    figures = (("tracker", "pitch_loss", 0.95), ("vocoder", "loss", 0.9), ("codec", "valid_speech_mel_75", 0.95))
    for stage, figure, share in figures:
        rows = [row for row in metrics(voiced / "run" / stage) if figure in row]
        assert rows[-1][figure] < share * rows[0][figure], stage
    valid = [row for row in metrics(voiced / "run" / "codec") if "valid_speech_mel_75" in row]
    assert {"valid_speech_mel_50", "valid_speech_mel_25", "valid_speech_gross_pitch_75", "valid_music_mel_75"} <= set(valid[-1])


def test_the_model_says_what_it_heard(voiced: Path) -> None:
    model = codec.load(voiced / "run" / "model")
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    loss = MultiScaleMelLoss()
    fresh = codec.Codec(assemble(read_config(voiced / "config.yaml", [])), "fresh", "00" * 8)
    heard, before = (loss(each.decode(each.encode(wave, 16_000, 75)), wave) for each in (model, fresh))
    assert heard < 0.7 * before
    assert model.rates == (75, 50, 25)
    semantic = codec.load(json.loads((voiced / "run" / "export.json").read_text())["resolved"]["init"])
    same = semantic.encode(wave, 16_000, 50).codes[:, 0]
    assert (model.encode(wave, 16_000, 50, vocab=semantic.vocab).codes[:, 0] == same).float().mean() > 0.99


def test_training_goes_on_from_a_whole_model(voiced: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus").symlink_to(voiced / "run" / "corpus")
    given = [f"root={tmp_path}", f"init={voiced / 'run' / 'model'}", "codec.steps=4", "codec.save_every=4"]
    for stage in STAGES:
        run(stage, voiced, *given)
    assert not (tmp_path / "tracker").exists()
    before, after = (codec.load(folder / "model").networks for folder in (voiced / "run", tmp_path))
    for part in ("pitch", "transforms", "semantic"):
        mine, theirs = before.get_submodule(part).state_dict(), after.get_submodule(part).state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in mine.items()), part
    assert not torch.equal(before.decoder.block.weight, after.decoder.block.weight)


def test_stages_of_the_other_architecture_are_passed_over(voiced: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole training, as a new user starts it: nothing is left to do, and nothing fails at its end."""
    with pytest.raises(SystemExit) as caught:
        main(["train", "--config", str(voiced / "config.yaml")])
    assert not caught.value.code
    printed = capsys.readouterr().out
    for stage in ("adversarial", "entropy"):
        assert f"{stage}: not for models of this architecture" in printed
    assert "kmeans: comes with" in printed


def test_what_does_not_fit_is_refused(voiced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "corpus").symlink_to(voiced / "run" / "corpus")
    for words, message in (
        (["codec"], "nothing trained here; run codec train tracker first"),
        (["tracker", "model.semantic.dim=24"], "has other sizes than the config's model section"),
        (
            ["codec", "codec.meaning=0.1", "adversarial.steps=5"],
            "codec.meaning, adversarial.steps: source-filter models are not",
        ),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["train", *words, "--config", str(voiced / "config.yaml"), f"root={tmp_path}"])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


def test_labels_are_those_of_the_pitch() -> None:
    time = np.arange(16_000) / 16_000
    f0 = 140 * 2 ** (0.2 * np.sin(2 * np.pi * time))
    phase = np.cumsum(f0) / 16_000
    wave = 0.2 * sum(np.sin(2 * np.pi * n * phase) / n for n in range(1, 15)) * (time > 0.3)
    labels = track(wave.astype(np.float32))
    assert labels.shape == (100,)
    assert (labels[:25] < 0).all(), "silence"
    middle = labels[35:95]
    assert np.abs(np.log2(middle / f0[80::160][35:95])).max() < 0.02
    for nothing in (np.zeros(16_000), np.zeros(10), np.full(16_000, np.nan)):
        assert (track(nothing) == -150).all()
