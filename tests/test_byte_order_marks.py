"""Lists, manifests and configs as spreadsheets and editors save them: a byte order mark in front changes nothing."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from codec.data.layouts import layout_clips
from codec.data.recordings import read_source
from codec.data.tables import read_json, read_rows
from codec.data.testsets.clip import Clip, read_manifest, write_manifest
from codec.data.testsets.folder import folder as read_folder
from codec.stored import read_config
from eval.semantics.hear.tasks import _json, _vocabulary
from train.config_file import _read

MARK = b"\xef\xbb\xbf"


def rows(path: Path) -> list[tuple[str, str | None]]:
    return [(row.key, row.problem) for row in read_source(path)[1]]


def evaluation(path: Path) -> Any:
    write_manifest([Clip("a", "a.wav", "speech", "a")], manifest := path.with_name("plain.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"CLIP", manifest.read_bytes().strip()))
    return [clip.name for clip in read_manifest(path)]


def folder(path: Path) -> Any:
    return [(clip.source, clip.text) for clip in read_folder(path.parent, "speech")]


def tar(path: Path) -> Any:
    with tarfile.open(path.with_suffix(".tar"), "w") as archive:
        archive.add(path.with_name("a.wav"), "a.wav")
        archive.add(path, "a.json")
    return [(row.key, row.metadata.get("text")) for row in read_source(path.with_suffix(".tar"))[1]]


READERS: list[tuple[str, bytes, Callable[[Path], Any]]] = [
    ("manifest.jsonl", b'{"audio": "a.wav", "key": "x"}\n{"audio": "a.wav"}\n', rows),
    ("clips.jsonl", b"CLIP\n", evaluation),
    ("transcripts.jsonl", b'{"path": "a.wav", "text": "yes"}\n', folder),
    ("a.txt", b"yes", folder),
    ("sample.json", b'{"text": "yes"}', tar),
    ("list.json", b'{"a": [1]}', read_json),
    ("list.csv", b"# header\na,b\n1,2\n", read_rows),
    ("task.json", b'{"a": ["b"]}', _json),
    ("labelvocabulary.csv", b"idx,label\n0,dog\n1,cat\n", lambda path: _vocabulary(path.parent)),
    ("config.json", b'{"a": 1}', lambda path: read_config(path, dict)),
    ("nano.yaml", b"seed: 3\n", lambda path: _read(path, ())),
]


@pytest.mark.parametrize(("name", "content", "reads"), READERS, ids=[name for name, _, _ in READERS])
def test_a_mark_changes_nothing(name: str, content: bytes, reads: Callable[[Path], Any], tmp_path: Path) -> None:
    found = []
    for mark in (b"", MARK):
        place = tmp_path / f"{len(found)}"
        place.mkdir()
        soundfile.write(place / "a.wav", np.zeros(9_000), 16_000)
        (place / name).write_bytes(mark + content)
        found.append(reads(place / name))
    assert found[0] == found[1]
    assert found[0]
    assert "problem" not in json.dumps(found, default=str)


def test_labels_beside_recordings(tmp_path: Path) -> None:
    """LibriTTS keeps a text beside each file."""
    place = tmp_path / "train-clean-100" / "19" / "198"
    place.mkdir(parents=True)
    soundfile.write(place / "19_198_000000_000000.wav", np.zeros(9_000), 24_000)
    (place / "19_198_000000_000000.normalized.txt").write_bytes(MARK + b"yes")
    assert [clip.labels["text"] for clip in layout_clips("libritts", tmp_path)] == ["yes"]
