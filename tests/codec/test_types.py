"""What a user's own program looks like to a type checker that is strict."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = '''\
"""A user's program."""

from pathlib import Path

import numpy as np
import torch

import codec

from codec.tokenize import Pattern, TokenDataset
from quantizers.estimator import KMeans

model = codec.load()
reveal_type(model)  # Codec
reveal_type(codec.load("default", rate=100))  # Codec
reveal_type(codec.load(Path("my-model")))  # Codec
reveal_type(codec.load("haoheliu/SemantiCodec", rate=25))  # OfficialCodec
reveal_type(model.spec(100))  # TokenSpec
reveal_type(codec.load("encodec_24khz@1.5"))  # AudioCodec

tokens = model.encode([np.zeros(100, np.float32), torch.zeros(1, 200)], 24_000, rate=50)
reveal_type(tokens)  # Tokens
reveal_type(tokens.spec)  # TokenSpec
reveal_type(tokens.slice(0.5, 1.5).item(0).to("cpu"))  # Tokens
reveal_type(codec.Tokens.cat([tokens, tokens]))  # Tokens
reveal_type(model.decode(tokens))  # Tensor
reveal_type(model.tokens(tokens.arrange("delayed"), layout="delayed"))  # Tokens
reveal_type(model.embed(tokens, "semantic"))  # Tensor
reveal_type(codec.read("x.sct"))  # Tokens
reveal_type(tokens.pattern("interleaved"))  # Pattern
reveal_type(Pattern("delay", (16, 8)).words)  # list[str]
reveal_type(TokenDataset("shards").pattern)  # Pattern
reveal_type(KMeans(8))  # KMeans


def bitrate(any_codec: codec.AudioCodec) -> float:
    """Of a codec of any kind."""
    return any_codec.bitrate


bitrate(model)
bitrate(codec.load(Path("my-model")))
model.embed(tokens, "sem")  # wrong
codec.load(rate="50")  # wrong
'''


def test_a_users_program_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(SCRIPT)
    words = ["--strict", "--config-file", str(ROOT / "pyproject.toml"), str(tmp_path / "program.py")]
    done = subprocess.run([sys.executable, "-m", "mypy", *words], cwd=ROOT, capture_output=True, text=True)
    lines = {number: line for number, line in enumerate(SCRIPT.splitlines(), 1) if "#" in line}
    said = dict(re.findall(r"program\.py:(\d+): (note: Revealed .*)", done.stdout))
    wrong = {number for number, line in lines.items() if line.endswith("# wrong")}
    assert set(map(int, re.findall(r"program\.py:(\d+): error: ", done.stdout))) == wrong, done.stdout
    for number, line in lines.items():
        if number not in wrong:
            expected = line.rpartition("# ")[2]
            told = said[str(number)].replace("builtins.", "")
            assert re.search(rf'"(?:[\w.]+\.)?{re.escape(expected)}"', told), told


@pytest.mark.parametrize("package", ["codec", "quantizers", "train", "eval", "benchmarks"])
def test_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
