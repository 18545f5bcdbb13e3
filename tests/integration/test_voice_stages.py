"""A model of other sizes upon the semantic half of one that is there, for seconds, on real audio; labels of the pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import codec
from codec.audio.io import read_audio
from codec.cli import main
from codec.networks.source_filter_codec import SourceFilterNetworks
from tests.codec.networks.test_source_filter_codec import SMALL
from tests.conftest import DATA, TINY
from tests.integration.training import SHORT, run
from train.codebooks import assemble
from train.config_file import read_config
from train.losses import MultiScaleMelLoss
from train.voice.praat import track

STAGES = ("features", "kmeans", "pitch", "tracker", "vocoder", "codec", "export")


@pytest.fixture(scope="module")
def anew(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The acoustic half trained anew, in other sizes."""
    root = tmp_path_factory.mktemp("anew")
    (root / "run").mkdir()
    for name in ("corpus", "pitch"):
        (root / "run" / name).symlink_to(trained / "run" / name)
    model = SMALL.model_copy(update={"vocabs": TINY.vocabs, "semantic": TINY.semantic})
    config = {
        "root": str(root / "run"),
        "init": str(trained / "run" / "model"),
        "init_parts": "semantic",
        "precision": "fp32",
        "model": model.model_dump(mode="json"),
        "tracker": {**SHORT, "steps": 30, "weights": {"speech": 1.0}},
        "vocoder": {**SHORT, "steps": 60, "weights": {"speech": 0.5, "music": 0.5}},
        "codec": {**SHORT, "steps": 60, "stack_shares": [0.7, 0.3], "learning_rate": 0.003},
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    for stage in STAGES:
        run(stage, root)
    return root


def test_the_semantic_half_stays_and_the_rest_is_learnt(trained: Path, anew: Path) -> None:
    model, semantic = codec.load(anew / "run" / "model"), codec.load(trained / "run" / "model")
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    loss = MultiScaleMelLoss()
    fresh = codec.Codec(assemble(read_config(anew / "config.yaml", [])), "fresh", "00" * 8)
    heard, before = (loss(each.decode(each.encode(wave, 16_000, 75)), wave) for each in (model, fresh))
    assert heard < 0.7 * before
    assert model.rates == (75, 50, 25)
    assert not (anew / "run" / "codebooks").exists()
    assert torch.equal(nearest(model, wave, semantic.vocab), nearest(semantic, wave, semantic.vocab))


@torch.inference_mode()
def nearest(model: codec.Codec, wave: torch.Tensor, vocab: int) -> torch.Tensor:
    """The codewords nearest to what is heard: which of the near ones tokens tell is a matter of the other half, too."""
    networks = model.networks
    assert isinstance(networks, SourceFilterNetworks)
    whole = wave[:, : wave.shape[1] // 1280 * 1280]
    return networks.feats_to_semantic(networks.semantic(networks.mel(whole)), 2, vocab).codes


def test_what_does_not_fit_is_refused(anew: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("corpus", "pitch"):
        (tmp_path / name).symlink_to(anew / "run" / name)
    for words, message in (
        (["codec"], "nothing trained here; run codec train tracker first"),
        (["tracker", "model.semantic.dim=24"], "has other sizes than the config's model section"),
        (["codec", "init_parts=all"], "has other sizes than the config's model section"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["train", *words, "--config", str(anew / "config.yaml"), f"root={tmp_path}"])
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
