import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.data import Recording, build
from codec.data.recording import split_of
from codec.data.testsets import Clip, clips_of, read_manifest, write_manifest
from codec.data.testsets.folder import folder
from codec.data.testsets.free import held_out
from codec.data.testsets.published import audioset, libritts, musdb18
from codec.data.testsets.sources import PUBLISHED
from codec.errors import AudioError, CodecError

RATE = 8_000


def tone(seconds: float, hertz: float = 440.0, rate: int = RATE) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write(path: Path, wave: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)
    return path


@pytest.fixture(scope="module")
def libritts_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("LibriTTS")
    lengths = [7.5, 8.0, 8.5, 9.0, 9.5, 10.0, 10.5]
    for i, seconds in enumerate(lengths):
        path = write(root / "test-clean" / "1089" / "134686" / f"1089_134686_{i:06d}_000000.wav", tone(seconds))
        path.with_suffix(".normalized.txt").write_text(f"Utterance {i}.\n")
    write(root / "dev-clean" / "84" / "121123" / "84_121123_000000_000000.wav", tone(9))
    return root


def test_libritts_draws_utterances_of_8_to_10_s_the_same_each_time(libritts_root) -> None:
    clips = libritts(libritts_root, count=3)
    assert clips == libritts(libritts_root, count=3)
    assert any(libritts(libritts_root, count=3, seed=s) != clips for s in range(1, 5))
    assert {clip.name for clip in libritts(libritts_root, count=5)} == {
        f"libritts/1089_134686_{i:06d}_000000" for i in range(1, 6)
    }
    for clip in clips:
        wave, rate = clip.load()
        assert 8 <= len(wave) / rate <= 10
        assert (clip.domain, clip.language, clip.source) == ("speech", "en", "libritts/1089")
        assert clip.text == f"Utterance {int(clip.name.split('_')[2])}."


def test_libritts_of_another_size_or_without_transcripts(libritts_root, tmp_path) -> None:
    with pytest.raises(CodecError, match="5 found, 300 wanted"):
        clips_of(f"libritts:{libritts_root}")
    with pytest.raises(CodecError, match="no such folder"):
        clips_of(f"libritts:{tmp_path / 'nowhere'}")
    path = write(tmp_path / "test-clean" / "1" / "2" / "1_2_3_4.wav", tone(9))
    with pytest.raises(CodecError, match=r"1_2_3_4\.wav: no transcript 1_2_3_4\.normalized\.txt"):
        libritts(tmp_path, count=1)
    path.write_bytes(b"not audio")
    with pytest.raises(AudioError, match=r"1_2_3_4\.wav: not readable"):
        libritts(tmp_path, count=1)


def test_audioset_takes_what_the_evaluation_table_lists(tmp_path) -> None:
    rows = [f'abcdefghi{i:02d}, 30.000, 40.000, "/m/09x0r"' for i in range(4)]
    (tmp_path / "eval_segments.csv").write_text(
        "# Segments\n# YTID, start_seconds, end_seconds, positive_labels\n" + "\n".join(rows)
    )
    (tmp_path / "balanced_train_segments.csv").write_text('trainvideo1, 0.000, 10.000, "/m/09x0r"\n')
    for name in ("Yabcdefghi00.wav", "abcdefghi01.wav", "abcdefghi02_30.000_40.000.wav", "trainvideo1.wav"):
        write(tmp_path / "audio" / name, tone(11))
    clips = audioset(tmp_path, count=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PUBLISHED, "audioset", lambda root: audioset(root, count=3))
        assert clips_of(f"audioset:{tmp_path}", per_domain=2) == clips[:2]
    assert [clip.name for clip in clips] == [f"audioset/abcdefghi{i:02d}" for i in range(3)]
    assert len(clips[0].load()[0]) == 10 * RATE
    with pytest.raises(CodecError, match="3 found, 500 wanted"):
        clips_of(f"audioset:{tmp_path}")
    (tmp_path / "eval_segments.csv").unlink()
    with pytest.raises(CodecError, match=r"eval_segments\.csv is missing"):
        audioset(tmp_path)


def song(seed: int, seconds: int = 25) -> dict[str, np.ndarray]:
    """The vocals are silent but for the last 8 s."""
    stems = {name: tone(seconds, 200 + 100 * i + seed) for i, name in enumerate(("drums", "bass", "other", "vocals"))}
    stems["vocals"][: -8 * RATE] = 0
    return {"mixture": sum(stems.values()) / 4, **stems}


def test_musdb18_hq_five_pieces_a_song_none_of_them_silent(tmp_path) -> None:
    for i, name in enumerate(("A - One", "B - Two")):
        for stem, wave in song(i).items():
            write(tmp_path / "test" / name / f"{stem}.wav", np.stack([wave, wave], 1))
    write(tmp_path / "train" / "C - Three" / "mixture.wav", tone(25))
    clips = musdb18(tmp_path, songs=2)
    assert clips == musdb18(tmp_path, songs=2)
    assert len(clips) == 10
    assert {clip.name for clip in clips if "One" in clip.name} == {f"musdb18/A - One/{stem}" for stem in song(0)}
    for clip in clips:
        wave, rate = clip.load()
        assert wave.shape == (10 * rate,)
        loud = np.abs(wave.reshape(10, -1)).max(1) > 0.01
        assert loud.sum() >= 5
    (tmp_path / "test" / "B - Two" / "bass.wav").unlink()
    with pytest.raises(CodecError, match="without B - Two/bass"):
        musdb18(tmp_path, songs=2)
    with pytest.raises(CodecError, match="50 songs are wanted"):
        clips_of(f"musdb18:{tmp_path}")


def test_musdb18_stems_come_from_the_streams_of_a_container(tmp_path) -> None:
    paths = [write(tmp_path / f"{stem}.wav", wave) for stem, wave in song(0, seconds=11).items()]
    (tmp_path / "musdb" / "test").mkdir(parents=True)
    container = tmp_path / "musdb" / "test" / "A - One.stem.mp4"
    inputs = [part for path in paths for part in ("-i", path)]
    maps = [part for i in range(len(paths)) for part in ("-map", str(i))]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *maps, "-c:a", "aac", container], check=True)
    clips = musdb18(tmp_path / "musdb", songs=1)
    assert [clip.stream for clip in clips] == [0, 1, 2, 3, 4]
    for clip, hertz in zip(clips[1:], (200, 300, 400, 500), strict=True):
        wave, rate = clip.load()
        assert abs(len(wave) - 10 * rate) < 0.1 * rate
        assert np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave) == pytest.approx(hertz, abs=2)
    with pytest.raises(AudioError, match="cannot read audio stream 7"):
        replace(clips[1], stream=7).load()


def test_any_folder_with_transcripts_beside_or_listed(tmp_path) -> None:
    write(tmp_path / "a.wav", tone(1))
    write(tmp_path / "b.flac", tone(1))
    write(tmp_path / "music" / "c.wav", tone(1))
    (tmp_path / "a.txt").write_text("Ciao.\n")
    (tmp_path / "transcripts.jsonl").write_text('{"path": "b.flac", "text": "Salut.", "language": "fr"}\n')
    a, b, c = folder(tmp_path, language="it")
    assert (a.text, a.language, a.domain) == ("Ciao.", "it", "speech")
    assert (b.text, b.language) == ("Salut.", "fr")
    assert (c.text, c.language, c.domain, c.name) == (None, None, "music", "music/c.wav")
    assert clips_of(str(tmp_path), per_domain=1) == [replace(a, language="en"), c]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 1"),
        ('{"path": "a.wav"}', "line 1"),
        ("[]", "line 1"),
        ('{"path": "z.wav", "text": "x"}', "no audio file z.wav"),
    ],
)
def test_damaged_transcripts(tmp_path, line, reason) -> None:
    write(tmp_path / "a.wav", tone(1))
    (tmp_path / "transcripts.jsonl").write_text(line)
    with pytest.raises(CodecError, match=reason):
        folder(tmp_path)


def test_nothing_there(tmp_path) -> None:
    for source in (tmp_path / "nowhere", tmp_path, tmp_path / "x.jsonl"):
        with pytest.raises(CodecError):
            clips_of(str(source))
    with pytest.raises(AudioError, match="no such file"):
        Clip("a", str(tmp_path / "a.wav"), "speech", "a").load()
    (tmp_path / "a.wav").write_bytes(b"RIFF but not audio")
    with pytest.raises(AudioError, match=r"a\.wav"):
        Clip("a", str(tmp_path / "a.wav"), "speech", "a").load()
    path = write(tmp_path / "b.wav", tone(1))
    with pytest.raises(AudioError, match=r"no audio from 5\.0 s on"):
        Clip("b", str(path), "speech", "b", start=5.0).load()


def test_parts_are_exact_whatever_reads_them(tmp_path) -> None:
    wave = np.round(np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE) * 32768) / 32768
    path = write(tmp_path / "x.wav", np.stack([wave, -wave / 2], 1))
    subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-c:a", "alac", tmp_path / "x.m4a"], check=True)
    for name in ("x.wav", "x.m4a"):
        part, rate = Clip("x", str(tmp_path / name), "sound", "x", start=1.25, duration=0.5).load()
        assert (part.dtype, rate) == (np.float32, RATE)
        np.testing.assert_allclose(part, wave[10_000:14_000] / 4, atol=1e-4)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    held = [f"source-{i}" for i in range(400) if split_of(f"source-{i}") == "test"][:8]
    other = next(f"source-{i}" for i in range(400) if split_of(f"source-{i}") == "train")
    parts = [
        ("speech", held[0], 2.0, {"language": "it"}),
        ("speech", held[1], 3.0, {"text": "Three seconds.", "language": "en"}),
        ("speech", held[2], 12.0, {"text": "Cut off.", "language": "en"}),
        ("speech", held[3], 1.0, {"text": "Too short.", "language": "en"}),
        ("music", held[4], 41.0, {}),
        ("sound", held[5], 0.5, {}),
        ("sound", held[6], 2.0, {}),
        ("sound", held[7], 0.6, {}),
        ("speech", other, 2.0, {"text": "Train.", "language": "en"}),
    ]
    clips = [
        Recording(str(write(root / f"{i}.wav", tone(seconds, 200 + 50 * i, 16_000), 16_000)), source, domain, "made", labels)
        for i, (domain, source, seconds, labels) in enumerate(parts)
    ]
    build(clips, root / "built", workers=1)
    return root / "built"


def test_free_corpus(corpus) -> None:
    clips = held_out(corpus, "test")
    assert clips == clips_of(str(corpus))
    speech = [clip for clip in clips if clip.domain == "speech"]
    assert {clip.text for clip in speech[:2]} == {"Three seconds.", None}, "transcripts first; none of a clip that is cut"
    assert [round(clip.duration, 3) for clip in speech if clip.text is None and clip.language == "en"] == [10]
    assert speech[2].language == "it"
    music = [clip for clip in clips if clip.domain == "music"]
    assert [clip.duration for clip in music] == [6, 6]
    assert next(clip.duration for clip in clips if clip.domain == "sound") == 2, "first those that every metric can judge"
    for clip in clips:
        wave, rate = clip.load()
        assert (len(wave), rate) == (round(clip.duration * 16_000), 16_000)
        assert 0.1 < np.sqrt(np.mean(wave**2)) < 0.3
    assert len(held_out(corpus, "test", per_domain=1)) == 3
    wave, _ = next(clip for clip in speech if clip.text).load()
    assert np.abs(np.fft.rfft(wave)).argmax() / 3 == pytest.approx(250, abs=1)
    with pytest.raises(CodecError, match="no clips in the split 'valid'"):
        held_out(corpus, "valid")


def test_manifest_there_and_back(tmp_path, libritts_root) -> None:
    clips = libritts(libritts_root, count=3)
    write_manifest(clips, tmp_path / "m.jsonl")
    assert read_manifest(tmp_path / "m.jsonl") == clips == clips_of(str(tmp_path / "m.jsonl"))
    write(tmp_path / "a.wav", tone(1))
    (tmp_path / "n.jsonl").write_text('{"name": "a", "path": "a.wav", "domain": "sound", "source": "a"}\n')
    [clip] = read_manifest(tmp_path / "n.jsonl")
    assert len(clip.load()[0]) == RATE


GOOD = {"name": "a", "path": "a.wav", "domain": "sound", "source": "a"}


@pytest.mark.parametrize(
    "change",
    [{"domain": "noise"}, {"name": None}, {"start": -1}, {"start": "nan"}, {"duration": 0}, {"stream": -1}, {"start": 1e300}],
)
def test_manifest_rows_out_of_range(tmp_path, change) -> None:
    (tmp_path / "m.jsonl").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(CodecError, match="line 1"):
        read_manifest(tmp_path / "m.jsonl")


def test_manifest_with_one_name_twice(tmp_path) -> None:
    (tmp_path / "m.jsonl").write_text(f"{json.dumps(GOOD)}\n" * 2)
    with pytest.raises(CodecError, match="same name"):
        read_manifest(tmp_path / "m.jsonl")


@settings(max_examples=30)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda s: json.dumps([s]).encode())))
def test_any_bytes_as_manifest_are_clips_or_a_clear_error(tmp_path_factory, content) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    with pytest.raises(CodecError):
        read_manifest(path)
