import json
from pathlib import Path

import pytest
import torch
from torch import nn

from codec.data import Corpus, build
from codec.data.folder import folder_clips
from codec.data.perturb import perturb
from codec.data.store import line
from codec.errors import CodecError
from tests.codec.data.test_corpora import write
from train.config import TrainConfig
from train.lineage import digest_of, digest_of_corpus, require_origin
from train.records import changed, settings


def test_digests_tell_weights_and_their_places_apart() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    assert digest_of(first, second) == digest_of(first, second) != digest_of(second, first)
    renamed = nn.Sequential(first)
    assert digest_of(renamed) != digest_of(first)
    before = digest_of(first)
    with torch.no_grad():
        first.bias[0] = first.bias[0].half().float()
        assert digest_of(first) == before
        first.bias[0] += 0.01
    assert digest_of(first) != before


def test_another_origin_is_refused_and_an_unknown_one_is_not(tmp_path: Path) -> None:
    record = tmp_path / "features.json"
    record.write_text(json.dumps({"frames": 3, "encoder": "aa"}))
    require_origin(record, encoder="aa", corpus="cc")
    with pytest.raises(CodecError, match=r"made from another encoder .* delete .* to make it anew"):
        require_origin(record, corpus="cc", encoder="bb")
    record.write_text("{")
    with pytest.raises(CodecError, match=r"features\.json: damaged"):
        require_origin(record, corpus="cc")
    require_origin(tmp_path / "none.json", corpus="cc")


def _manifest(folder: Path, seed: int) -> Path:
    write(folder / "in/clip.wav", 0.5, seed=seed)
    build(folder_clips(folder / "in"), folder / "corpus", workers=1)
    perturb(Corpus(folder / "corpus"), {"speech": 1})
    return folder / "corpus/clips.jsonl"


def test_other_audio_under_the_same_names_is_another_corpus(tmp_path: Path) -> None:
    found = []
    for seed in (0, 0, 1):
        _manifest(tmp_path, seed)  # files of the same name and length
        found.append(digest_of_corpus(Corpus(tmp_path / "corpus")))
    assert found[0] == found[1] != found[2]
    original, copy = Corpus(tmp_path / "corpus").entries
    assert original.sha256 != copy.sha256 != ""


def test_corpora_of_older_versions_are_what_they_were(tmp_path: Path) -> None:
    """Their manifests know nothing of samples; what was made of them is not made anew."""
    manifest = _manifest(tmp_path, 0)
    rows = [json.loads(row) for row in manifest.read_text().splitlines()]
    old = "".join(json.dumps({key: value for key, value in row.items() if key != "sha256"}) + "\n" for row in rows)
    manifest.write_text(old)
    entries = Corpus(manifest.parent).entries
    assert [entry.sha256 for entry in entries] == ["", ""]
    assert "".join(map(line, entries)) == old


def test_records_of_earlier_versions_are_read_under_their_names() -> None:
    config = TrainConfig()
    now = settings(config, ["model.token_lengths"])
    assert changed(config, now, {"model.stacks": now["model.token_lengths"]}) == []
    assert changed(config, now, {"model.stacks": [9]}) == ["model.token_lengths"]
