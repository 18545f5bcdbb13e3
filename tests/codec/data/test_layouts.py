"""Readers on tiny fixtures in the layouts that publishers ship."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import soundfile

from codec.data import Corpus, build
from codec.data.layouts import LAYOUTS, layout_clips
from codec.data.sources import clips_of
from codec.errors import CodecError
from tests.codec.data.test_corpora import write
from tests.conftest import DATA


def found(source: str, tmp_path: Path) -> dict[str, object]:
    return {Path(clip.path).name: clip for clip in clips_of(source, tmp_path / "packages", tmp_path / "scratch")}


def test_libritts(tmp_path: Path) -> None:
    write(tmp_path / "test-clean/1089/134686/1089_134686_000001_000001.wav", 0.5)
    text = tmp_path / "test-clean/1089/134686/1089_134686_000001_000001.normalized.txt"
    text.write_text("He hoped there would be stew.\n")
    (clip,) = found(f"libritts:{tmp_path}", tmp_path).values()
    assert (clip.domain, clip.source) == ("speech", "libritts/1089")
    assert clip.labels == {"speaker": "1089", "language": "en", "subset": "test-clean", "text": "He hoped there would be stew."}


def test_audioset(tmp_path: Path) -> None:
    table = '# Segments csv\n# num_ytids=2\n--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_"\nabcdefghijk, 0, 10, "/m/09x0r"\n'
    (tmp_path / "eval_segments.csv").write_text(table)
    write(tmp_path / "audio/Y--4gqARaEJE.wav", 0.5)
    write(tmp_path / "audio/abcdefghijk_0_10.wav", 0.5)
    clips = found(f"audioset:{tmp_path}", tmp_path)
    assert clips["Y--4gqARaEJE.wav"].source == "youtube/--4gqARaEJE"
    assert clips["Y--4gqARaEJE.wav"].labels == {"classes": "/m/068hy,/m/07q6cd_"}
    assert clips["abcdefghijk_0_10.wav"].labels == {"classes": "/m/09x0r"}


def test_musdb18_hq(tmp_path: Path) -> None:
    for stem in ("mixture", "vocals"):
        write(tmp_path / f"test/AM Contra - Heart Peripheral/{stem}.wav", 0.5)
    clips = found(f"musdb18:{tmp_path}", tmp_path)
    assert {clip.source for clip in clips.values()} == {"musdb18/AM Contra - Heart Peripheral"}
    assert clips["vocals.wav"].labels["stem"] == "vocals"


def test_vggsound_wavcaps(tmp_path: Path) -> None:
    write(tmp_path / "vgg/audio/---g-f_I2yQ_000001.wav", 0.5)
    (tmp_path / "vgg/vggsound.csv").write_text("---g-f_I2yQ,1,people marching,test\n")
    write(tmp_path / "wavcaps/Zip_files/1234.flac", 0.5)
    (tmp_path / "wavcaps/json_files").mkdir()
    (tmp_path / "wavcaps/json_files/fsd.json").write_text(json.dumps({"data": [{"id": "1234", "caption": "A dog barks."}]}))
    (video,) = found(f"vggsound:{tmp_path / 'vgg'}", tmp_path).values()
    (sound,) = found(f"wavcaps:{tmp_path / 'wavcaps'}", tmp_path).values()
    assert (video.source, video.labels) == ("youtube/---g-f_I2yQ", {"class": "people marching"})
    assert sound.labels == {"caption": "A dog barks."}


def shard(path: Path, samples: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in samples.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_webdataset_shards(tmp_path: Path) -> None:
    audio = (DATA / "speech.flac").read_bytes()
    labels = json.dumps({"domain": "speech", "source": "book/7", "speaker": "x"}).encode()
    shard(tmp_path / "shards/0.tar", {"a/1.flac": audio, "a/1.json": labels, "a/1.txt": b"hello", "b/1.flac": audio + b"\0"})
    shard(tmp_path / "shards/1.tar", {"../../evil.flac": audio, "only.json": b"{}"})
    clips = list(clips_of(f"webdataset:{tmp_path / 'shards'}", tmp_path, tmp_path / "scratch"))
    assert [(c.domain, c.source) for c in clips[:2]] == [("speech", "book/7"), ("sound", "0.tar/b/1")]
    assert clips[0].labels == {"speaker": "x", "text": "hello"}
    assert clips[0].path == f"{tmp_path}/shards/0.tar/a/1.flac"
    assert all(Path(c.unpacked).parent == tmp_path / "scratch" for c in clips)
    assert not (tmp_path.parent / "evil.flac").exists()
    build(clips, tmp_path / "corpus")
    assert Corpus(tmp_path / "corpus").entries[0].samples == soundfile.info(DATA / "speech.flac").frames


def test_missing_sources_are_named(tmp_path: Path) -> None:
    for source, message in (
        (f"webdataset:{tmp_path / 'none'}", "no .tar shards"),
        (f"libritts:{tmp_path / 'none'}", "no such folder"),
        (f"gigaspeech:{tmp_path}", "GigaSpeech.json is missing"),
        (f"fma:{tmp_path}", "no audio in the layout of fma"),
        (str(tmp_path), "no audio files"),
    ):
        with pytest.raises(CodecError, match=message):
            list(clips_of(source, tmp_path, tmp_path / "scratch"))
    with pytest.raises(CodecError, match="known are libritts"):
        list(layout_clips("librispeech", tmp_path))
    assert len(LAYOUTS) == 7
