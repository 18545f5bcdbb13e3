"""The command line, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from codec.cli import main


@pytest.fixture
def run(tiny_folder: Path, capsys: pytest.CaptureFixture[str]):
    """Runs ``codec …`` with the tiny model; returns exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        words = [str(a) for a in arguments]
        if words[0] in ("encode", "decode") and "--model" not in words:
            words += ["--model", str(tiny_folder)]
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(words)
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    return call


@pytest.fixture
def check_failure(run):
    """One line on standard error, exit code 2, and nothing left in the folder that was not there."""

    def call(folder: Path, *arguments: object) -> str:
        before = set(folder.rglob("*"))
        code, _, error = run(*arguments)
        assert code == 2, error
        assert error.startswith("codec: ")
        assert error.count("\n") == 1
        assert "Traceback" not in error
        assert set(folder.rglob("*")) == before
        return error

    return call
