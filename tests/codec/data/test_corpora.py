import json
import os
import select
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from codec.data import Corpus, build, split_of
from codec.data.debian import clips, fetch_package
from codec.data.folder import folder_clips
from codec.data.perturb import perturb
from codec.data.recording import Recording
from codec.errors import CodecError


@given(st.text(max_size=30))
def test_a_split_never_changes(source: str) -> None:
    assert split_of(source) == split_of(source) in ("train", "valid", "test")


def test_splits_have_their_shares() -> None:
    splits = [split_of(f"source {i}") for i in range(5000)]
    assert splits.count("valid") == pytest.approx(350, abs=80)
    assert splits.count("test") == pytest.approx(350, abs=80)


def write(path: Path, seconds: float, rate: int = 16_000, level: float = 0.1, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, level * np.random.default_rng(seed).standard_normal(int(seconds * rate)), rate)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    for index in range(60):
        write(tmp_path / "in" / ("speech", "music", "sound")[index % 3] / f"{index}.wav", 1.5, 22_050, seed=index)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    return Corpus(tmp_path / "corpus")


def test_build_keeps_audio_and_labels(corpus: Corpus) -> None:
    assert len(corpus.entries) == 60
    assert {e.clip.domain for e in corpus.entries} == {"speech", "music", "sound"}
    entry = corpus.entries[5]
    assert entry.samples == pytest.approx(24_000, abs=1)
    assert corpus.wave(entry).std() == pytest.approx(0.085, abs=0.02)  # white noise loses what lies above 8 kHz
    np.testing.assert_array_equal(corpus.wave(entry, 100, 50), corpus.wave(entry)[100:150])


def test_samples_of_16_bits_are_kept_as_they_are(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).permutation(np.arange(-(1 << 15), 1 << 15)).astype(np.int16)
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "all.wav", samples, 16_000)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    corpus = Corpus(tmp_path / "corpus")
    np.testing.assert_array_equal(corpus.audio, samples)
    np.testing.assert_array_equal(corpus.wave(corpus.entries[0]), samples / 32768)


def test_no_source_is_in_two_splits(corpus: Corpus) -> None:
    for entry in corpus.entries:
        assert entry.split == split_of(entry.clip.source)


def test_one_recording_in_two_formats_is_on_one_side(tmp_path: Path) -> None:
    for number in range(40):
        for suffix in (".flac", ".wav"):
            write(tmp_path / f"in/{number}{suffix}", 0.3, seed=number if suffix == ".wav" else 100 + number)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    entries = {entry.clip.source: entry.split for entry in Corpus(tmp_path / "corpus").entries}
    assert len(entries) == 80
    for number in range(40):
        assert entries[f"{number}.flac"] == entries[f"{number}.wav"] == split_of(f"{number}.flac")
    (tmp_path / "in/0.flac").unlink()
    assert next(clip.split for clip in folder_clips(tmp_path / "in") if clip.source == "0.wav") is None, "as it ever was"


def test_unusable_clips_are_left_out_and_reported(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 1)
    write(tmp_path / "short.wav", 0.05)
    write(tmp_path / "silent.wav", 1, level=1e-6)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "good.wav").read_bytes())
    (tmp_path / "broken.flac").write_bytes(b"fLaC but no")
    report = build(folder_clips(tmp_path), tmp_path / "corpus")
    assert report["left_out"] == {"unreadable": 1, "duplicate": 1, "too short": 1, "silent": 1}
    assert len(Corpus(tmp_path / "corpus").entries) == 1
    assert json.loads((tmp_path / "corpus" / "report.json").read_text()) == report


def test_what_was_read_in_part_is_counted_by_kind_and_not_warned_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two lines of warning for each of over a thousand files hid everything else."""
    write(tmp_path / "in/whole.wav", 1)
    for index in range(25):
        write(tmp_path / f"in/cut{index:02}.wav", 2, seed=1 + index)
        content = (tmp_path / f"in/cut{index:02}.wav").read_bytes()
        (tmp_path / f"in/cut{index:02}.wav").write_bytes(content[: len(content) // 2])
    report = build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    assert len(Corpus(tmp_path / "corpus").entries) == 26
    assert report["warned"] == 25
    ((kind, told),) = report["warnings"].items()  # type: ignore[attr-defined]
    assert kind == "cut short"
    assert told == {"clips": 25, "first": [str(tmp_path / f"in/cut{index:02}.wav") for index in range(20)]}
    assert json.loads((tmp_path / "corpus/report.json").read_text()) == report
    assert "Warning" not in capfd.readouterr().err


def test_empty_corpora_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="no audio files"):
        list(folder_clips(tmp_path))
    (tmp_path / "x.wav").write_text("nothing")
    with pytest.raises(CodecError, match="no usable audio"):
        build(folder_clips(tmp_path), tmp_path / "corpus")
    with pytest.raises(CodecError, match="no corpus here"):
        Corpus(tmp_path / "elsewhere")


def test_perturbed_copies_stay_in_training_and_are_made_once(corpus: Corpus) -> None:
    hours = perturb(corpus, {"speech": 2})
    grown = Corpus(corpus.folder)
    copies = [e for e in grown.entries if e.speed != 1.0]
    originals = {e.clip.source: e for e in corpus.entries}
    assert hours == pytest.approx(sum(e.samples for e in copies) / 16_000 / 3600)
    assert len(copies) == 2 * len(corpus.select("train", "speech"))
    assert all(e.split == "train" and e.clip.domain == "speech" for e in copies)
    for entry in copies:
        assert entry.samples == pytest.approx(originals[entry.clip.source].samples / entry.speed, abs=2)
        assert np.abs(grown.wave(entry)).max() > 0.01
    before = (corpus.folder / "clips.jsonl").read_bytes()
    assert perturb(grown, {"speech": 2}) == hours
    assert (corpus.folder / "clips.jsonl").read_bytes() == before


def test_perturbing_after_a_kill_ends_like_an_unbroken_run(corpus: Corpus, tmp_path: Path) -> None:
    shutil.copytree(corpus.folder, tmp_path / "killed")
    with (tmp_path / "killed" / "audio.i16").open("ab") as handle:
        handle.write(b"half a copy")  # an odd number of bytes, and no line in the manifest
    perturb(Corpus(tmp_path / "killed"), {"speech": 2})
    perturb(corpus, {"speech": 2})
    for name in ("audio.i16", "clips.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (corpus.folder / name).read_bytes()


def test_no_copies_wanted_leaves_the_corpus_alone(corpus: Corpus) -> None:
    assert perturb(corpus, {}) == perturb(corpus, {"speech": 0}) == 0.0
    assert len(Corpus(corpus.folder).entries) == 60


APT_GET = "#!/bin/sh\necho new > thing_2.0_all.deb\n"
DPKG_DEB = '#!/bin/sh\nmkdir -p "$3" && cp "$2" "$3/content"\n'


def test_what_an_interrupted_fetch_left_is_not_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, folder = tmp_path / "bin", tmp_path / "packages"
    for name, text in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
        write_program(programs / name, text)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    (folder / ".thing").mkdir(parents=True)
    (folder / ".thing" / "half").touch()
    (folder / "thing_1.0_all.deb").write_text("old")
    fetch_package(folder, "thing")
    assert [path.name for path in folder.iterdir()] == ["thing"]
    assert (folder / "thing" / "content").read_text() == "new\n"
    assert not (folder / "thing" / "half").exists()


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_debian_layout(tmp_path: Path) -> None:
    """The readers on the packages' own layout."""
    sounds = tmp_path / "asterisk-core-sounds-en-g722" / "usr/share/asterisk/sounds/en_US_f_Allison"
    kit = tmp_path / "hydrogen-drumkits" / "usr/share/hydrogen/data/drumkits/Old Kit"
    data = tmp_path / "hedgewars-data" / "usr/share/games/hedgewars/Data"
    for path in (
        sounds / "digits/1.wav",
        kit / "snare.wav",
        data / "Sounds/voices/Pirate/Hello.ogg",
        data / "Sounds/bang.ogg",
        data / "Music/tune.ogg",
    ):
        write(path, 0.5)
    found: dict[str, Recording] = {Path(c.path).name: c for c in clips(tmp_path)}
    assert found["1.wav"].labels == {"speaker": "en_US_f_Allison", "language": "en", "prompt": "digits/1"}
    assert found["1.wav"].source == "en_US_f_Allison/digits/1"
    assert found["snare.wav"].source == "hydrogen-drumkits/Old Kit"
    assert [found[n].domain for n in ("Hello.ogg", "bang.ogg", "tune.ogg")] == ["speech", "sound", "music"]
    assert found["Hello.ogg"].labels["speaker"] == "Pirate"


def test_workers_hold_no_pipe_of_a_source(tmp_path: Path) -> None:
    def source() -> Iterator[Recording]:
        # A program's output: whoever still holds the end that is written to keeps the reader waiting.
        for number in range(70):
            ends, begins = os.pipe()
            path = tmp_path / f"{number}.wav"
            soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 8000), 16_000)
            yield Recording(str(path), str(number), "speech", "test")
            os.close(begins)
            assert select.select([ends], [], [], 20)[0], "a worker keeps the pipe open"
            assert os.read(ends, 1) == b""
            os.close(ends)

    build(source(), tmp_path / "corpus", workers=2)
    assert len(Corpus(tmp_path / "corpus").entries) == 70
