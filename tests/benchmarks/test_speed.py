"""Rows and ratios; no time is asserted."""

import sys
from pathlib import Path

import pytest

from benchmarks import speed
from codec.baselines import load_tokenizer
from codec.hub import load_codec


def test_ratios_are_ours_over_theirs(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path))
    monkeypatch.setattr(speed, "REPEATS", 1)
    own, name = load_codec(tiny_folder, vocab=32), "encodec_24khz@1.5"
    rows = speed.throughput(own, 1)
    encode, faster_encode, decode, faster_decode = speed.beside(name, load_tokenizer(name, trained_only=False), own, rows, 1)
    assert encode.what == "encodec_24khz@1.5 (random weights): encode 1 s"
    assert decode.what == "encodec_24khz@1.5 (random weights): decode 1 s"
    assert (encode.unit, faster_encode.unit, faster_decode.bar) == ("× real time", "×", "≥ 10")
    slowest = min(row.value for row in rows if row.what.startswith("encode"))
    assert faster_encode.value == pytest.approx(slowest / encode.value)


def test_peers_need_their_package(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setattr(speed, "REPEATS", 1)
    with pytest.raises(ValueError, match=r"semcodec\[baselines\]"):
        speed.main(str(tiny_folder), 0, hour=False, json=True, seconds=1, peers=True)
