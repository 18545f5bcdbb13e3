"""Commands that measure, as the docs call them, on the default model: two streams at 25 and 50 tokens/s, four at 100."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.cli.main import main
from codec.data import build
from codec.data.recording import Recording, Split
from eval.reconstruction.results import read_results
from tests.eval.semantics.folders import tone_task

pytestmark = pytest.mark.slow
RATE = 16_000
SECONDS: dict[Split, float] = {"train": 2.0, "valid": 1.0, "test": 1.0}
POINTS = {25: (12.5, 1), 50: (25.0, 1), 100: (25.0, 3)}
"""Frame rate and acoustic streams."""
VOCAB_BITS = 12
BITS = 13
"""Of an acoustic token, and of a semantic one unless told otherwise."""


def call(command: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> Path:
    """A folder with ``clips`` and a ``corpus`` of them, a clip for each split, and a ``task``."""
    folder = tmp_path_factory.mktemp("measuring")
    (folder / "clips").mkdir()
    recordings, start = [], 0
    for split, seconds in SECONDS.items():
        path = folder / "clips" / f"{split}.wav"
        soundfile.write(path, speech[0, start : start + round(seconds * RATE)], RATE)
        recordings.append(Recording(str(path), split, "speech", "here", split=split))
        start += round(seconds * RATE)
    build(recordings, folder / "corpus", workers=1)
    tone_task(folder / "tasks", train=12, test=3)
    return folder


def test_probe_lm(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert call("probe lm --corpus corpus --labels tasks/tones -o lm.json --vocabs 4096 --minutes 0.05 --steps 2") == 0
    found = json.loads((place / "lm.json").read_text())
    rows = {(row["rate"], row["stream"]): row for row in found["modelled"]}
    for rate, (frame_rate, acoustic) in POINTS.items():
        parts = {"semantic": (1, VOCAB_BITS), "acoustic": (acoustic, BITS * acoustic)}
        parts["both"] = (1 + acoustic, VOCAB_BITS + BITS * acoustic)
        for stream, (streams, bits) in parts.items():
            row = rows[rate, stream]
            assert row["nominal"] == frame_rate * bits
            assert row["test_tokens"] == math.ceil(row["test_seconds"] * frame_rate) * streams
            # Two seconds teach nearly nothing: what is not known costs what is stored.
            told = [*row["ngrams"].values(), row["transformer"]]
            assert all(0.5 * row["nominal"] < value < 1.3 * row["nominal"] for value in told)
            assert 0 < row["usage"]["entropy"] <= math.log2(row["usage"]["vocab"])
    assert len(rows) == 9
    assert rows[100, "semantic"] == {**rows[50, "semantic"], "rate": 100}, "the same tokens, of which 100 has more beside them"
    assert [(row["rate"], row["task"], row["agreement"]["labels"]) for row in found["labelled"]] == [
        (rate, "tones", 3) for rate in POINTS
    ]
    assert all(0 <= row["agreement"]["pnmi"] <= 1 for row in found["labelled"])
    assert call("probe report lm.json -o page.md") == 0
    assert "| both | 100 | 4096 | 1275 |" in (place / "page.md").read_text("utf-8")


def test_probe_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    names = "semcodec@100:ids,semcodec@100:acoustic,semcodec@100:context"
    assert call(f"probe run -t tasks -c {names} -o probes --heads knn --modes corrected") == 0
    scores = json.loads((place / "probes" / "probe.json").read_text())["scores"]
    found = {row["embedder"]: (row["bitrate"], row["dim"]) for row in scores}
    assert found["semcodec@100:ids"] == (25 * 52, 4)
    assert found["semcodec@100:acoustic"][0] == 25 * 39
    assert found["semcodec@100:context"][0] == 25 * 26, "it reads two of them"


def test_eval_reconstruct_and_sweep(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    shared = "--data clips --metrics mel_distance --workers 1 --cache cache --clips 1"
    assert call(f"eval reconstruct --codecs semcodec@100,semcodec@25 {shared} -o out") == 0
    results = read_results(place / "out")
    assert {codec.name: codec.bitrate for codec in results.codecs} == {"semcodec@100": 25 * 52, "semcodec@25": 12.5 * 26}
    assert [(row.codebook_sizes, len(row.codes)) for row in results.rows] == [([8192] * 4, 4), ([8192] * 2, 2)]
    fine, coarse = (row.values["mel_distance"] for row in results.rows)
    assert 0 < fine < coarse
    assert call(f"sweep --codecs semcodec --rates 25,100 {shared} -o swept --examples 1") == 0
    assert (place / "swept" / "report.html").is_file()


def test_bench_codes_and_entropy(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert call("bench codes --corpus corpus --hours 0.001 -o codes.json") == 0
    books = [row for row in json.loads((place / "codes.json").read_text())["codebooks"] if row["rate"] == 100]
    assert [row["stream"] for row in books] == ["semantic"] * 4 + ["acoustic 1", "acoustic 2", "acoustic 3"]
    assert {row["usage"]["tokens"] for row in books} == {2 * 25}
    assert call("bench entropy --corpus corpus -o entropy.jsonl") == 0
    written = map(json.loads, (place / "entropy.jsonl").read_text("utf-8").splitlines())
    rows = {row["rate"]: row for row in written if row["domain"] == "speech"}
    for rate, (frame_rate, acoustic) in POINTS.items():
        told = frame_rate * BITS * (1 + acoustic) / 8
        assert told < rows[rate]["fixed_bytes"] < told + 100, "beside the tokens there is a header"
