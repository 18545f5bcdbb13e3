"""The TypeScript package on the same model: its tests run under Node, beside what Python makes of the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import codec
from codec.arrays import as_array
from codec.container.bitstream import save
from codec.model import Codec

WEB = Path(__file__).parents[2] / "web"


def run(*words: str, **environment: str) -> str:
    done = subprocess.run(words, cwd=WEB, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def expected(shipped: Codec, speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    from codec.export.write import write_onnx

    folder = tmp_path_factory.mktemp("web")
    write_onnx(shipped, folder, int8=True)
    model = codec.load(folder, backend="onnx")
    speech.astype("<f4").tofile(folder / "speech.f32")
    for rate in model.rates:
        tokens = model.encode(speech, 16_000, rate)
        save(tokens, folder / f"speech_{rate}.sct")
        as_array(model.decode(tokens)).astype("<f4").tofile(folder / f"speech_{rate}.f32")
    return folder


@pytest.mark.slow
def test_the_package_gives_what_python_gives(expected: Path) -> None:
    if shutil.which("node") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("needs node, and npm ci in web/")
    run("npm", "run", "--silent", "build")
    told = run("node", "--test", "test/", SEMCODEC_EXPECTED=str(expected))
    assert "# fail 0" in told
    assert "# skipped 0" in told
