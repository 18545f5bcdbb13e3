from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import phonemes
from codec.data import Corpus, build
from codec.data.recording import Recording
from codec.errors import CodecError
from tests.conftest import DATA


def recordings(folder: Path, labelled: bool) -> list[Recording]:
    """A sentence at four levels, two of them held out; what is loud is called a phoneme, and so is what is soft."""
    wave, rate = soundfile.read(DATA / "speech.flac", dtype="float32")
    wave = wave[: rate * 4]
    loud = np.sqrt(np.square(wave).reshape(160, -1).mean(1)) > 0.02  # of every 25 ms
    edges = [0, *(np.flatnonzero(np.diff(loud)) + 1), len(loud)]
    names, units = "".join("ab"[int(loud[start])] for start in edges[:-1]), " ".join(map(str, np.diff(edges)))
    found = []
    for number, level in enumerate((1.0, 0.9, 0.8, 0.7)):
        path = folder / f"{number}.wav"
        soundfile.write(path, level * wave, rate)
        labels = {"phonemes": names, "durations": f"0 {units} 0"} if labelled else {}
        found.append(Recording(str(path), str(path), "speech", "test", labels, split="train" if number < 2 else "test"))
    return found


def test_loud_and_soft_are_read_from_tokens(tmp_path: Path) -> None:
    build(recordings(tmp_path, True), tmp_path / "corpus")
    phonemes.main(["semcodec-2"], tmp_path / "corpus", 40, tmp_path / "told.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [row["source"] for row in rows] == ["features", "25 tokens/s", "12.5 tokens/s"]
    assert all(row["accuracy"] > 0.8 and 0 < row["envelope"] < 0.5 for row in rows)
    assert rows[0]["accuracy"] > rows[2]["accuracy"] - 0.05
    assert rows[0]["minutes"] == [0.1, 0.1]


def test_clips_without_phonemes_are_an_error(tmp_path: Path) -> None:
    build(recordings(tmp_path, False), tmp_path / "corpus")
    with pytest.raises(CodecError, match="needs clips with phonemes"):
        list(phonemes.told("semcodec-2", Corpus(tmp_path / "corpus"), 60))
