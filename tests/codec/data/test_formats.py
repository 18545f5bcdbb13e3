"""Datasets in the formats that publishers ship, decoded into a corpus: opus, mp3, and mp4 with several streams."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from codec.data import Corpus, build
from codec.data.layouts import layout_clips
from codec.data.store import Entry

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is optional")


def encode(path: Path, *arguments: str, hertz: tuple[int, ...] = (440,)) -> None:
    """Two seconds of stereo tones as ffmpeg writes them, a stream for each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tones = [part for f in hertz for part in ("-f", "lavfi", "-i", f"sine=frequency={f}:sample_rate=44100:duration=2")]
    maps = [part for number in range(len(hertz)) for part in ("-map", f"{number}:a")]
    subprocess.run(["ffmpeg", "-v", "error", *tones, *maps, "-ac", "2", *arguments, path], check=True)


def built(layout: str, root: Path, folder: Path) -> tuple[Corpus, Entry]:
    """A corpus of one clip."""
    report = build(layout_clips(layout, root), folder)
    assert report["left_out"] == {}
    corpus = Corpus(folder)
    (entry,) = corpus.entries
    return corpus, entry


def assert_tone(corpus: Corpus, entry: Entry, hertz: int) -> None:
    wave = corpus.wave(entry)
    assert len(wave) / 16_000 == pytest.approx(2, abs=0.1)
    assert np.abs(np.fft.rfft(wave)).argmax() * 16_000 / len(wave) == pytest.approx(hertz, abs=2)


def test_gigaspeech_opus(tmp_path: Path) -> None:
    audios = [{"aid": "POD1", "path": "audio/podcast/P0000/POD1.opus", "source": "podcast"}]
    encode(tmp_path / "in/audio/podcast/P0000/POD1.opus", "-c:a", "libopus", "-b:a", "32k", "-ar", "48000")
    (tmp_path / "in/GigaSpeech.json").write_text(json.dumps({"audios": audios}))
    corpus, entry = built("gigaspeech", tmp_path / "in", tmp_path / "corpus")
    assert_tone(corpus, entry, 440)
    assert (entry.clip.domain, entry.clip.source) == ("speech", "gigaspeech/POD1")
    assert entry.clip.labels == {"language": "en", "kind": "podcast"}


def test_fma_mp3(tmp_path: Path) -> None:
    encode(tmp_path / "in/000/000002.mp3", "-c:a", "libmp3lame", "-b:a", "64k")
    corpus, entry = built("fma", tmp_path / "in", tmp_path / "corpus")
    assert_tone(corpus, entry, 440)
    assert (entry.clip.domain, entry.clip.source) == ("music", "fma/000002")


def test_musdb18_containers_give_their_mixture(tmp_path: Path) -> None:
    encode(tmp_path / "in/train/A - B.stem.mp4", "-c:a", "aac", hertz=(300, 500, 700, 900, 1100))
    corpus, entry = built("musdb18", tmp_path / "in", tmp_path / "corpus")
    assert_tone(corpus, entry, 300)
    assert (entry.clip.domain, entry.clip.source) == ("music", "musdb18/A - B")
    assert entry.clip.labels == {"song": "A - B", "stem": "mixture"}


def test_a_recording_that_a_list_names_but_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    encode(tmp_path / "audio/here.opus", "-c:a", "libopus")
    audios = [{"aid": name, "path": f"audio/{name}.opus"} for name in ("here", "gone")]
    (tmp_path / "GigaSpeech.json").write_text(json.dumps({"audios": audios}))
    report = build(layout_clips("gigaspeech", tmp_path), tmp_path / "corpus")
    assert report["left_out"] == {"unreadable": 1}
    assert report["examples"] == [f"{tmp_path}/audio/gone.opus: unreadable: no such file"]
