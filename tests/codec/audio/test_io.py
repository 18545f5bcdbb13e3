import contextlib
import io
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.audio.io import AudioReader, CutAudioWarning, Resampler, read_audio, resample
from codec.errors import AudioError
from tests.conftest import DATA

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is optional")


@settings(max_examples=30)
@given(st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000, 192_000]), st.integers(1, 30_000), st.integers(1, 5_000))
def test_resampling_blocks_equals_resampling_at_once(rate: int, samples: int, block: int) -> None:
    wave = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    resampler = Resampler(rate, 16_000, 2)
    parts = [resampler.push(wave.T[at : at + block]) for at in range(0, samples, block)]
    np.testing.assert_array_equal(np.concatenate([*parts, resampler.flush()]).T, resample(wave, rate, 16_000))


def test_resampling_keeps_a_tone_and_removes_what_cannot_be_kept() -> None:
    time = np.arange(48_000) / 48_000
    tone, beyond = np.sin(2 * np.pi * 1_000 * time), np.sin(2 * np.pi * 12_000 * time)
    down = resample((tone + beyond)[None].astype(np.float32), 48_000, 16_000)[0]
    expected = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    assert np.abs(down - expected)[500:-500].max() < 1e-3


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_reads_what_libsndfile_reads(tmp_path: Path, suffix: str) -> None:
    wave = (0.3 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
    soundfile.write(tmp_path / f"x.{suffix}", np.stack([wave, -wave], 1), 16_000)
    read, rate = read_audio(tmp_path / f"x.{suffix}")
    assert (rate, read.shape[0], read.dtype) == (16_000, 2, np.float32)
    assert abs(read.shape[1] - 16_000) < 2_400


@needs_ffmpeg
@pytest.mark.parametrize(
    "arguments", [["x.m4a"], ["-f", "g722", "-ar", "16000", "-ac", "1", "x.g722"], ["-c:a", "libopus", "x.webm"]]
)
def test_reads_other_formats_through_ffmpeg(tmp_path: Path, arguments: list[str]) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-i", DATA / "speech.flac", *arguments], cwd=tmp_path, check=True)
    (path,) = tmp_path.iterdir()
    read, rate = read_audio(path)
    assert read.shape[1] / rate == pytest.approx(4.63, abs=0.1)
    assert np.abs(read).max() > 0.1


def test_blocks_are_bounded_and_complete(music: np.ndarray) -> None:
    with AudioReader(DATA / "music.flac") as reader:
        blocks = list(reader.blocks(10_000))
    assert max(map(len, blocks)) == 10_000
    np.testing.assert_array_equal(np.concatenate(blocks).T, music)


def test_nan_and_infinity_become_silence(tmp_path: Path) -> None:
    wave = np.full(100, 0.5, np.float32)
    wave[3], wave[5], wave[7] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "x.wav", wave, 16_000, subtype="FLOAT")
    with pytest.warns(CutAudioWarning, match="NaN or infinite: 3 samples"):
        read = read_audio(tmp_path / "x.wav")[0][0]
    with pytest.raises(AudioError, match="NaN or infinite"):
        read_audio(tmp_path / "x.wav", strict=True)
    assert read[[3, 5, 7]].tolist() == [0, 0, 0]
    assert read[4] == 0.5


def bad_files(folder: Path) -> dict[str, Path]:
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("not audio at all\n" * 50)
    (folder / "list.m3u8").write_text("#EXTM3U\nhttp://127.0.0.1:9/x.ts\n")
    (folder / "random.mp3").write_bytes(np.random.default_rng(0).bytes(3_000))
    return {path.name: path for path in folder.iterdir()} | {"folder": folder, "missing.wav": folder / "missing.wav"}


@pytest.mark.parametrize("name", ["empty.wav", "text.wav", "list.m3u8", "random.mp3", "folder", "missing.wav"])
def test_what_is_not_audio_is_one_clear_error(tmp_path: Path, name: str) -> None:
    path = bad_files(tmp_path)[name]
    with pytest.raises(AudioError) as caught:
        read_audio(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_ffmpeg
def test_noisy_damage_does_not_stall(tmp_path: Path) -> None:
    """ffmpeg has a lot to say about a file like this; nobody may have to listen."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-stream_loop", "30", "-i", DATA / "speech.flac", "x.m4a"], cwd=tmp_path, check=True
    )
    data = bytearray((tmp_path / "x.m4a").read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, len(data) // 2, dtype=np.uint8)
    data[2_000 : 2_000 + len(noise)] = noise.tobytes()
    (tmp_path / "x.m4a").write_bytes(bytes(data))
    script = "import sys; from codec.audio.io import read_audio\ntry: read_audio(sys.argv[1])\nexcept ValueError: pass"
    subprocess.run([sys.executable, "-c", script, tmp_path / "x.m4a"], check=True, timeout=60)


def test_truncated_flac_is_an_error_or_the_samples_before(tmp_path: Path) -> None:
    data = (DATA / "speech.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    with contextlib.suppress(AudioError):
        assert 0 < read_audio(tmp_path / "cut.flac")[0].shape[1] < 74_020


@given(st.binary(max_size=300))
@settings(max_examples=25)
def test_arbitrary_bytes_never_do_more_than_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.wav"
    path.write_bytes(data)
    with contextlib.suppress(AudioError):
        assert np.isfinite(read_audio(path)[0]).all()  # a few bytes can be a whole format's header, of no samples


def test_standard_input(monkeypatch: pytest.MonkeyPatch, speech: np.ndarray) -> None:
    class Pipe:
        buffer = io.BytesIO((DATA / "speech.flac").read_bytes())

    monkeypatch.setattr(sys, "stdin", Pipe)
    np.testing.assert_array_equal(read_audio("-")[0], speech)


def test_a_pipe_that_does_not_fit_is_no_shorter_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a full disk, the beginning of a recording must not be taken for all of it."""
    sink = io.BytesIO()
    soundfile.write(sink, np.zeros(1_000_000), 16_000, format="AU")

    class Pipe:
        buffer = io.BytesIO(sink.getvalue())

    monkeypatch.setattr(sys, "stdin", Pipe)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            read_audio("-")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("magic", [b".snd", b"dns.", b"RIFF", b"FORM", b"caff", b"fLaC", b"OggS", b"ID3", b"riff"])
def test_a_beginning_alone_is_no_audio(magic: bytes, tmp_path: Path) -> None:
    """Found by the service's own description: four bytes that begin an AU file, and no more."""
    for length in (4, 11):
        (tmp_path / "x.au").write_bytes((magic + bytes(12))[:length])
        with pytest.raises(AudioError):
            read_audio(tmp_path / "x.au")
