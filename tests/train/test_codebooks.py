"""The k-means stage on made-up features: stopped, gone on with, and with nothing to tell apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from codec.data import Corpus, build
from codec.data.folder import folder_clips
from codec.errors import CodecError
from quantizers.clustering import Iteration
from quantizers.nested import NestedKMeansQuantizer
from tests.codec.data.test_corpora import write
from tests.conftest import TINY
from train import codebooks
from train.codebooks import Passes, fit
from train.config import TrainConfig
from train.crops import cached_entries, create_features, finish_features, frames_of

WIDTH = 12
pytestmark = pytest.mark.filterwarnings("ignore:.*fewer than 39 each")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codebooks")
    for index in range(12):
        write(folder / "in" / ("speech", "music")[index % 2] / f"{index}.wav", 2.0, seed=index)
    build(folder_clips(folder / "in"), folder / "corpus")
    return folder / "corpus"


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are made up, so that no encoder is needed."""
    monkeypatch.setattr(codebooks, "load_encoder", lambda config: torch.nn.Identity())


def made_up(corpus: Path, root: Path, seed: int = 0, spread: float = 1.0) -> None:
    """The corpus, and random features for it."""
    root.mkdir(exist_ok=True)
    (root / "corpus").symlink_to(corpus)
    features = create_features(root / "features", frames_of(cached_entries(Corpus(corpus))), WIDTH)
    features[:] = 1 + spread * np.random.default_rng(seed).standard_normal(features.shape)
    finish_features(root / "features", features)


def config_of(root: Path, **kmeans: object) -> TrainConfig:
    model = TINY.model_copy(update={"semantic": TINY.semantic.model_copy(update={"n_features": WIDTH})})
    settings = {"iterations": 3, "shares": {"speech": 1, "music": 1}, **kmeans}
    return TrainConfig.model_validate(
        {
            "root": str(root),
            "model": model.model_dump(),
            "ssl": {"teacher_components": 8, "spectrum_components": 4},
            "kmeans": settings,
            "codec": {"stack_shares": (1, 1, 1)},
        }
    )


def stop_at(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Kills the stage when it has printed a pass."""
    real = Passes.__call__

    def stopping(self: Passes, group: int, number: int, iteration: Iteration) -> None:
        real(self, group, number, iteration)
        if f"{self._label} {group} {number}" == line:
            raise KeyboardInterrupt

    monkeypatch.setattr(Passes, "__call__", stopping)


def passes(printed: str) -> list[str]:
    return [line.partition(":")[0] for line in printed.splitlines() if " pass " in line]


@pytest.mark.parametrize("line", ["stack 1 0 1", "stack 2 1 0", "stack 4 1 2"])
def test_a_stage_that_was_killed_ends_like_an_unbroken_one(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    for name in ("whole", "killed"):
        made_up(corpus, tmp_path / name)
    fit(config_of(tmp_path / "whole"))
    every = passes(capsys.readouterr().out)
    with monkeypatch.context() as patched:
        stop_at(patched, line)
        with pytest.raises(KeyboardInterrupt):
            fit(config_of(tmp_path / "killed"))
    before = passes(capsys.readouterr().out)
    assert (tmp_path / "killed" / "codebooks" / "unfinished").is_dir()
    assert not (tmp_path / "killed" / "codebooks" / "report.json").exists()
    fit(config_of(tmp_path / "killed"))
    printed = capsys.readouterr().out
    assert before + passes(printed) == every
    assert printed.count("done already") == {"1": 0, "2": 1, "4": 2}[line.split()[1]]
    for file in ("codebooks.safetensors", "report.json"):
        assert (tmp_path / "killed" / "codebooks" / file).read_bytes() == (tmp_path / "whole" / "codebooks" / file).read_bytes()
    assert {path.name for path in (tmp_path / "killed" / "codebooks").iterdir()} == {"codebooks.safetensors", "report.json"}


def test_what_another_config_or_other_features_left_is_not_gone_on_with(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(corpus, tmp_path)
    stop_at(monkeypatch, "stack 2 0 1")
    with pytest.raises(KeyboardInterrupt):
        fit(config_of(tmp_path))
    with pytest.raises(CodecError, match=r"stack-1\.safetensors: of another config or other features; delete .*unfinished to"):
        fit(config_of(tmp_path, iterations=4))
    (tmp_path / "codebooks" / "unfinished" / "stack-1.safetensors").write_bytes(b"no")
    with pytest.raises(CodecError, match=r"stack-1\.safetensors: not a k-means checkpoint"):
        fit(config_of(tmp_path))
    (tmp_path / "codebooks" / "unfinished" / "stack-1.safetensors").unlink()
    for path in (tmp_path / "features").iterdir():
        path.unlink()
    (tmp_path / "corpus").unlink()
    made_up(corpus, tmp_path, seed=1)
    with pytest.raises(CodecError, match=r"stack-2.basis\.safetensors: of other points or settings; delete .* to start anew"):
        fit(config_of(tmp_path))


def test_features_that_are_all_alike_are_said_and_leave_nothing(corpus: Path, tmp_path: Path) -> None:
    made_up(corpus, tmp_path, spread=0.0)
    message = (
        r"cannot fit the codebooks of tokens of 1 frames: \d+ points, 1 of them distinct, cannot form 8 clusters; add audio"
    )
    with pytest.raises(CodecError, match=message):
        fit(config_of(tmp_path))
    assert not (tmp_path / "codebooks").exists()  # with other settings the stage is not in its own way


def test_usage_of_points_that_do_not_vary_is_a_number() -> None:
    usage = codebooks._usage(NestedKMeansQuantizer(4, 2, (2, 4)), np.zeros((10, 4), np.float32), 4)
    assert json.loads(json.dumps(usage, allow_nan=False)) == {"used": 0.25, "entropy_bits": 0.0, "unexplained": 0.0}
