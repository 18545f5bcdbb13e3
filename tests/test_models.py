"""Every command that takes a model refuses one that cannot do its job: one line, exit code 2, before any work."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from codec.cli import main
from codec.hub import check_model, load_own
from codec.semanticodec.published import NAME
from tests.commands import whole_command
from tests.conftest import DATA

OTHERS = "encodec_24khz@1.5"
ARGUMENTS = {
    "encode": "speech.flac -o out.sct",
    "decode": "x.sct -o out.wav",
    "play": "x.sct",
    "serve": "--port 0",
    "tokenize": "speech.flac -o out",
    "export": "--hf out",
    "bench speed": "--no-hour --no-peers",
    "bench latency": "",
    "bench threads": "",
    "bench onnx": "speech.flac",
    "bench gpu": "--device cpu",
    "bench entropy": "--corpus corpus",
    "bench codes": "--corpus corpus",
    "probe run": "-c semcodec@50:features -t tasks -o out",
    "probe hear": "-c semcodec@50:features -t tasks -o out",
    "probe lm": "--corpus corpus -o out.json",
    "probe tune": "--on digits -t tasks -o out",
}
"""Of every command with ``--model``."""
OWN = (
    "serve",
    "tokenize",
    "export",
    "bench speed",
    "bench latency",
    "bench threads",
    "bench onnx",
    "bench gpu",
    "bench entropy",
    "bench codes",
    "probe tune",
)
"""Those that need our own networks, which the published SemantiCodec has not."""


def with_model(command: Any, name: str = "") -> list[str]:
    if hasattr(command, "commands"):
        return [each for word, sub in command.commands.items() for each in with_model(sub, f"{name} {word}".strip())]
    return [name] if any("--model" in parameter.opts for parameter in command.params) else []


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("codec.cli.show._PLAYERS", (("true",),))
    shutil.copy(DATA / "speech.flac", tmp_path)
    (tmp_path / "x.sct").touch()
    for folder in ("corpus", "tasks/digits"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def test_every_command_with_a_model_is_tried() -> None:
    assert set(with_model(whole_command())) == set(ARGUMENTS)


@pytest.mark.parametrize(
    ("command", "model"), [*((command, OTHERS) for command in ARGUMENTS), *((command, NAME) for command in OWN)]
)
def test_a_model_that_cannot_do_it_is_refused(
    command: str, model: str, workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_work(*_: object, **__: object) -> None:
        raise AssertionError("work has begun")

    monkeypatch.setattr("codec.stored.load_network", no_work)
    monkeypatch.setattr("codec.baselines.registry.load_tokenizer", no_work)
    before = sorted(workplace.rglob("*"))
    with pytest.raises(SystemExit) as end:
        main([*command.split(), *ARGUMENTS[command].split(), "--model", model])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"codec: {model}")
    assert ("is a codec of others" if model == OTHERS else "models of our own kind") in line
    assert sorted(workplace.rglob("*")) == before


def test_a_folder_of_the_published_model_is_known_by_what_it_holds(tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "codebook_idx").mkdir()
    check_model(tmp_path)
    with pytest.raises(ValueError, match="models of our own kind"):
        load_own(tmp_path)
    assert load_own(tiny_folder, vocab=32).fingerprint
