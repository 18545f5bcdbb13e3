import json
import shutil
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.entropy import main
from codec import load
from codec.data import Corpus, build
from codec.data.folder import folder_clips
from train.config import EntropyStage, TrainConfig
from train.entropy import make_tables


def test_tables_of_a_corpus_make_its_files_smaller(tiny_folder: Path, tmp_path: Path, speech: np.ndarray) -> None:
    """The stage counts tokens of training clips; the benchmark counts bytes, of short files and of one long one."""
    for index in range(80):
        folder = tmp_path / "in" / ("speech", "sound")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{index}.wav", speech[0, 500 * index :][:8_000], 16_000)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    shutil.copytree(tiny_folder, tmp_path / "model")
    first, again = (make_tables(TrainConfig(root=str(tmp_path), entropy=EntropyStage(hours=1.0))) for _ in range(2))
    assert first.id == again.id
    model = load(tmp_path / "model", vocab=32)
    assert model.entropy.id == first.id
    rows = main(model, Corpus(tmp_path / "corpus"), "train", 0, [25, 100], 32, tmp_path / "entropy.jsonl")
    written = [json.loads(line) for line in (tmp_path / "entropy.jsonl").read_text().splitlines()]
    assert [(row["domain"], row["rate"]) for row in written] == [(d, r) for d in ("speech", "sound", "all") for r in (25, 100)]
    assert rows[-1].coded_bytes == rows[1].coded_bytes + rows[3].coded_bytes
    for row in rows:
        assert row.fixed_bytes > row.long_fixed_bytes  # one header instead of many
        assert row.long_saved > row.saved
        assert row.seconds > 10
