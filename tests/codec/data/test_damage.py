"""Damaged shards, lists and samples: left out by name, or refused in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.data import Corpus, LeftOut, Recording, build
from codec.data.folder import folder_clips
from codec.data.layouts import layout_clips
from codec.data.shards import shard_clips
from codec.errors import CodecError
from tests.codec.data.test_corpora import write
from tests.codec.data.test_layouts import shard
from tests.conftest import DATA


def samples(folder: Path, count: int) -> dict[str, bytes]:
    """Members of a shard: short sounds, one a key."""
    content = {}
    for index in range(count):
        write(folder / "x.wav", 0.3, seed=index)
        content[f"{index}.wav"] = (folder / "x.wav").read_bytes()
    return content


def test_builds_of_the_same_shards_are_the_same(tmp_path: Path) -> None:
    content = samples(tmp_path, 3) | {"bad.flac": b"fLaC but no"}
    shard(tmp_path / "shards/0.tar", content)
    for name in ("one", "two"):
        build(shard_clips(tmp_path / "shards", tmp_path / f"scratch-{name}"), tmp_path / name)
    for file in ("audio.i16", "clips.jsonl", "report.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    paths = [entry.clip.path for entry in Corpus(tmp_path / "one").entries]
    assert paths == [f"{tmp_path}/shards/0.tar/{index}.wav" for index in range(3)]
    assert "scratch" not in (tmp_path / "one" / "report.json").read_text()


@pytest.mark.parametrize("damage", ["cut", "header", "no tar", "gzip cut"])
def test_a_damaged_shard_does_not_stop_the_others(tmp_path: Path, damage: str) -> None:
    content = samples(tmp_path, 4)
    shard(tmp_path / "shards/0.tar", dict(list(content.items())[:3]))
    shard(tmp_path / "shards/1.tar", dict(list(content.items())[3:]))
    whole = (tmp_path / "shards/0.tar").read_bytes()
    second = whole.index(b"1.wav")
    broken = {
        "cut": whole[: second + 2000],
        "header": whole[:second] + b"?" * 512 + whole[second + 512 :],
        "no tar": b"no tar",
        "gzip cut": gzip.compress(whole)[:-5000],
    }[damage]
    (tmp_path / "shards/0.tar").write_bytes(broken)
    report = build(shard_clips(tmp_path / "shards", tmp_path / "scratch"), tmp_path / "corpus")
    assert report["left_out"] == {"damaged shard": 1}
    (named,) = report["examples"]  # type: ignore[misc]
    assert named.startswith(f"{tmp_path}/shards/0.tar: damaged shard: ")
    assert "\n" not in named
    kept = [entry.clip.path.rpartition("shards/")[2] for entry in Corpus(tmp_path / "corpus").entries]
    assert kept[-1] == "1.tar/3.wav"
    if damage in ("cut", "header"):
        assert kept[:-1] == ["0.tar/0.wav"]


def test_nothing_but_damaged_shards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"no tar")
    with pytest.raises(CodecError, match=r"no usable audio found .*'damaged shard': 1.*x\.tar: damaged shard"):
        build(shard_clips(tmp_path, tmp_path / "scratch"), tmp_path / "corpus")


@pytest.mark.parametrize("labels", [b"{", b"\xff", b"[1]", b"[" * 100_000])
def test_samples_with_broken_labels_are_left_out(tmp_path: Path, labels: bytes) -> None:
    audio = (DATA / "speech.flac").read_bytes()
    shard(tmp_path / "0.tar", {"a.flac": audio, "a.json": labels, "b.flac": audio})
    first, second = shard_clips(tmp_path, tmp_path / "scratch")
    assert first == LeftOut(f"{tmp_path}/0.tar/a.flac", "labels are not a JSON object")
    assert isinstance(second, Recording)


def test_members_that_are_too_large_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codec.data.shards.MAX_MEMBER_BYTES", 10)
    shard(tmp_path / "0.tar", {"a.flac": bytes(11)})
    assert list(shard_clips(tmp_path, tmp_path / "scratch")) == [LeftOut(f"{tmp_path}/0.tar/a.flac", "too large")]


@pytest.mark.parametrize(
    ("layout", "file", "content", "message"),
    [
        ("gigaspeech", "GigaSpeech.json", b"{", "not JSON"),
        ("gigaspeech", "GigaSpeech.json", b"{}", "no list of audios"),
        ("gigaspeech", "GigaSpeech.json", b"[]", "no list of audios"),
        ("gigaspeech", "GigaSpeech.json", b'{"audios": [{"aid": "x"}]}', r"audios\[0\] lacks aid or path"),
        ("wavcaps", "json_files/a.json", b'{"data": [', "not JSON"),
        ("wavcaps", "json_files/a.json", b'{"data": [7]}', r"data\[0\] lacks id"),
        ("wavcaps", "json_files/a.json", b"\xff", "not JSON"),
        ("audioset", "eval_segments.csv", b"\xff", "not CSV"),
        ("vggsound", "vggsound.csv", b"\xff", "not CSV"),
    ],
)
def test_broken_lists_are_named(tmp_path: Path, layout: str, file: str, content: bytes, message: str) -> None:
    write(tmp_path / "audio" / "x.wav", 0.3)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(CodecError, match=message) as caught:
        list(layout_clips(layout, tmp_path))
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_and_rows_that_say_less_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "audio" / "abcdefghijk_000001.wav", 0.3)
    (tmp_path / "blacklist.json").write_text(json.dumps(["abc"]))
    (tmp_path / "vggsound.csv").write_text("video,start\nabcdefghijk,1,bells,train\n")
    assert [clip.labels for clip in layout_clips("wavcaps", tmp_path)] == [{}]
    assert [clip.labels for clip in layout_clips("vggsound", tmp_path)] == [{"class": "bells"}]


def test_transcripts_in_another_encoding_do_not_stop_a_corpus(tmp_path: Path) -> None:
    write(tmp_path / "dev-clean/1/2/1_2_3_4.wav", 0.3)
    (tmp_path / "dev-clean/1/2/1_2_3_4.normalized.txt").write_bytes("né".encode("latin-1"))
    (clip,) = layout_clips("libritts", tmp_path)
    assert clip.labels["text"] == "n\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_float_files_with_samples_that_are_no_numbers_are_left_out(tmp_path: Path, value: float, subtype: str) -> None:
    wave = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(tmp_path / "good.wav", wave, 16_000, subtype)
    wave[5_000:5_010] = value
    soundfile.write(tmp_path / "bad.wav", wave, 16_000, subtype)
    report = build(folder_clips(tmp_path), tmp_path / "corpus")
    assert report["left_out"] == {"not all numbers": 1}
    assert report["examples"] == [f"{tmp_path}/bad.wav: not all numbers"]
    (entry,) = Corpus(tmp_path / "corpus").entries
    assert entry.clip.path.endswith("good.wav")


def test_all_that_is_left_out_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 0.3)
    clips = [*folder_clips(tmp_path), *(LeftOut(f"{index}", "too large") for index in range(300))]
    report = build(clips, tmp_path / "corpus")
    assert report["left_out"] == {"too large": 300}
    assert len(report["examples"]) == 200  # type: ignore[arg-type]
