"""The reader's stage on a short training: the same phrases by other voices are read more and more alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import codec
from codec.audio.io import read_audio
from codec.cli import main
from codec.data.speech import texts
from codec.errors import CodecError
from tests.conftest import DATA
from tests.integration.training import link_stages, metrics, run
from train.reader.kept import read_part

GIVEN = (
    "reader={steps: 60, phrases: 24, voices: 2, phrases_per_step: 8, recordings_per_step: 4, save_every: 30, "
    "learning_rate: 0.02, average_decay: 0.9, sizes: {dim: 16, hidden_dim: 32, dilations: [1, 2], n_features: 8}}"
)
WORDS = [
    "time",
    "person",
    "year",
    "way",
    "day",
    "thing",
    "man",
    "world",
    "life",
    "hand",
    "part",
    "child",
    "eye",
    "woman",
    "place",
    "work",
    "week",
    "case",
    "point",
    "company",
]

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("flite", "espeak-ng"))), reason="needs flite and espeak-ng")


def few_texts(packages: Path, language: str) -> dict[str, list[str]]:
    return {"word": [f"{first} {second}" for first in WORDS for second in WORDS]}


@pytest.fixture(scope="module")
def read(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("read")
    link_stages(trained, root)
    shutil.copytree(trained / "run" / "model", root / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "load", few_texts)
        run("reader", trained, f"root={root}", GIVEN)
    return root


def test_it_learns_to_read(read: Path) -> None:
    rows = [row["train/loss/phrases"] for row in metrics(read / "reader") if "train/loss/phrases" in row]
    assert rows[-1] < 0.9 * rows[0]
    model = codec.load(read / "model")
    tokens = model.encode(torch.from_numpy(read_audio(DATA / "speech.flac")[0]), 16_000, 50)
    vectors = model.embed_in_context(tokens)
    assert vectors.shape[:2] == tokens.codes.shape[::2]
    assert vectors.std() > 0


def test_a_second_start_says_nothing_anew(read: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "load", few_texts)
    before = {path: path.stat().st_mtime_ns for path in read.glob("reader_*/*")}
    assert {path.parent.name for path in before} == {"reader_speech", "reader_recorded"}
    weights = (read / "model" / "reader.safetensors").read_bytes()
    run("reader", trained, f"root={read}", GIVEN)
    assert {path: path.stat().st_mtime_ns for path in read.glob("reader_*/*")} == before
    assert (read / "model" / "reader.safetensors").read_bytes() == weights


def test_speech_of_another_config_is_not_gone_on_with(
    read: Path, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(texts, "load", few_texts)
    with pytest.raises(SystemExit) as caught:
        main(["train", "reader", "--config", str(trained / "config.yaml"), f"root={read}", GIVEN, "reader.voices=3"])
    assert caught.value.code == 2
    assert "tokens of another model, corpus or config; delete it" in capsys.readouterr().err


def test_damaged_speech_is_named(read: Path, tmp_path: Path) -> None:
    part = next((read / "reader_speech").glob("*.npz"))
    damaged = tmp_path / part.name
    damaged.write_bytes(part.read_bytes()[:200])
    with pytest.raises(CodecError, match="damaged"):
        read_part(damaged)


def test_without_steps_there_is_no_reader(trained: Path) -> None:
    run("reader", trained)
    assert not (trained / "run" / "model" / "reader.safetensors").exists()
