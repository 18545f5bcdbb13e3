import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.codes import main
from codec import Codec
from codec.data import build
from codec.data.folder import folder_clips


def test_every_vocabulary_is_counted(
    tiny: Codec, tmp_path: Path, speech: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(20):
        piece = speech[0, 1_000 * index :][:8_000]
        (tmp_path / "in" / "speech").mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "in" / "speech" / f"{index}.wav", piece, 16_000)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    main(tiny, str(tmp_path / "corpus"), 1.0, tmp_path / "codes.json")
    assert "encoding 0.00 h of audio at 25, 50, 100, 200 tokens/s …\n" in capsys.readouterr().err
    report = json.loads((tmp_path / "codes.json").read_text())
    assert report["model"] == tiny.fingerprint
    for rate in tiny.rates:
        rows = [row for row in report["codebooks"] if row["rate"] == rate]
        assert len({row["usage"]["tokens"] for row in rows}) == 1
        sizes = [row["usage"]["codebook_size"] for row in rows if row["stream"] == "semantic"]
        assert sizes == list(tiny.vocabs)
        acoustic = {row["stream"]: row["usage"]["codebook_size"] for row in rows[len(sizes) :]}
        assert tuple(acoustic.values()) == tiny.spec(rate).codebook_sizes[1:]
        assert list(acoustic) == (["acoustic"] if rate < 100 else ["acoustic 1", "acoustic 2", "acoustic 3"])
        assert all(0 < row["usage"]["used"] <= 1 for row in rows)
