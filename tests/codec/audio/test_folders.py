"""Whoever walks through a folder finds the same files in it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codec.audio.folders import passed_over
from codec.audio.io import AUDIO_SUFFIXES
from codec.cli.plan import plan
from codec.data.folder import folder_clips
from codec.data.layouts import layout_clips
from codec.data.recordings import read_source
from codec.data.testsets.folder import folder as folder_of_clips

WALKS: dict[str, Callable[[Path], list[str]]] = {
    "codec encode": lambda root: [
        os.path.relpath(job.source, root) for job in plan([str(root)], "out", AUDIO_SUFFIXES, ".sct")
    ],
    "codec tokenize": lambda root: [row.source for row in read_source(root)[1]],
    "codec train": lambda root: [clip.source for clip in folder_clips(root)],
    "codec eval": lambda root: [clip.name for clip in folder_of_clips(root)],
    "layouts": lambda root: [os.path.relpath(clip.path, root) for clip in layout_clips("fma", root)],
}


@pytest.fixture
def from_a_mac(tmp_path: Path) -> Path:
    """A folder as a Mac copies it: files named ``._`` are resource forks, which are no audio."""
    root = tmp_path / "copied"
    for name in (
        "a.wav",
        "._a.wav",
        "b/c.FLAC",
        "b/._c.FLAC",
        ".x.wav",
        "._shard.tar",
        ".DS_Store",
        "b/notes.txt",
        "d.wav/e.mp3",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "linked").symlink_to(root / "b")
    return root


@pytest.mark.parametrize("walk", WALKS)
def test_hidden_files_and_linked_folders_are_left_alone(walk: str, from_a_mac: Path) -> None:
    assert sorted(WALKS[walk](from_a_mac)) == ["a.wav", "b/c.FLAC", "d.wav/e.mp3"]


def test_hidden_files_are_not_told_of_either(from_a_mac: Path) -> None:
    left = passed_over(from_a_mac, AUDIO_SUFFIXES)
    assert (left.others, left.linked) == ({".txt": 1}, 1)


def test_resource_forks_of_tables_and_shards_are_none(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/12.flac").touch()
    (tmp_path / "captions.json").write_text('{"data": [{"id": "12", "caption": "A dog barks."}]}')
    (tmp_path / "._captions.json").write_bytes(b"\0\5\x16\7")
    (clip,) = layout_clips("wavcaps", tmp_path)
    assert clip.labels == {"caption": "A dog barks."}
    (tmp_path / "eval_segments.csv").write_text('abcdefghijk, 0, 10, "/m/09x0r"\n')
    (tmp_path / "._eval_segments.csv").write_bytes(b"\0\5\x16\7\xff")
    assert len(list(layout_clips("audioset", tmp_path))) == 1
