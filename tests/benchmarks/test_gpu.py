from pathlib import Path

import pytest

from benchmarks.gpu import PEERS, PRECISIONS, beside, main, own
from codec.device import find_device
from codec.errors import CodecError
from codec.model import Codec
from tests.codec.test_device import NO_GPU
from tests.conftest import DATA


def test_our_tokens_and_speed_are_told_in_every_precision(tiny: Codec, speech) -> None:
    rows = list(own(tiny, tiny, 2, 1, [speech[:, :16_000]]))
    assert [(row.precision, row.what) for row in rows] == [(each, what) for each in PRECISIONS for what in ("encode", "decode")]
    assert all(row.hours > 0 for row in rows)
    single, half = (row.flipped for row in rows[::2])
    assert single == (0.0,) * 4, "the same arithmetic"
    assert len(half) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_peers_take_clips_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr("benchmarks.gpu.REPEATS", 1)
    rows = list(beside(name, PEERS[name], find_device("cpu"), 2, 1))
    assert len(rows) == 4
    assert all(row.hours > 0 for row in rows)


@NO_GPU
def test_a_missing_gpu_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="device 'cuda' is not there"):
        main("default", "cuda", 1, 1, [DATA / "speech.flac"], tmp_path / "x.jsonl")
