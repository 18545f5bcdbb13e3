import io
import os
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec import files
from codec.audio.pcm import PcmFormat, PcmReader, read_wav_header, told_of
from codec.container.bitstream import ContainerReader
from codec.container.header import Header
from codec.container.length import declared_seconds, longest_seconds
from codec.errors import AudioError, CodecError, ContainerError
from codec.files import decode_file, encode_file
from codec.model import Codec
from codec.pipes import decode_stream, encode_stream


def wav(wave: np.ndarray, sample_rate: int, subtype: str = "PCM_16") -> bytes:
    """``(channels, n)`` as a wav file."""
    sink = io.BytesIO()
    soundfile.write(sink, wave.T, sample_rate, subtype, format="WAV")
    return sink.getvalue()


def noise(seconds: float, sample_rate: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((channels, int(seconds * sample_rate))).astype(np.float32) * 0.1


@pytest.mark.parametrize(
    ("sample_rate", "channels", "subtype"), [(16_000, 1, "PCM_16"), (44_100, 2, "FLOAT"), (8_000, 3, "PCM_32")]
)
def test_a_stream_gives_the_file(tiny: Codec, tmp_path, sample_rate: int, channels: int, subtype: str) -> None:
    data = wav(noise(23, sample_rate, channels), sample_rate, subtype)
    (tmp_path / "x.wav").write_bytes(data)
    encode_file(tiny, str(tmp_path / "x.wav"), str(tmp_path / "x.sct"))
    sink = io.BytesIO()
    report = encode_stream(tiny, io.BytesIO(data), sink)
    assert sink.getvalue() == (tmp_path / "x.sct").read_bytes()
    assert report.bytes == len(sink.getvalue())
    decode_file(tiny, str(tmp_path / "x.sct"), str(tmp_path / "back.wav"))
    back = io.BytesIO()
    decode_stream(tiny, io.BytesIO(sink.getvalue()), back)
    pcm = read_wav_header(source := io.BytesIO(back.getvalue()))
    assert (pcm.info.sample_rate, pcm.info.channels, pcm.bytes) == (sample_rate, channels, None)
    streamed = np.concatenate(list(PcmReader(source, pcm).blocks()), axis=1)
    np.testing.assert_allclose(streamed, soundfile.read(tmp_path / "back.wav", always_2d=True)[0].T, atol=1.01 / 32768)
    raw = io.BytesIO()
    decode_stream(tiny, io.BytesIO(sink.getvalue()), raw, raw=True)
    assert raw.getvalue() == back.getvalue()[44:]


def test_raw_samples_and_low_latency(tiny: Codec) -> None:
    wave = noise(3, 16_000)
    samples = np.round(wave * 32767).astype("<i2").tobytes()
    sink = io.BytesIO()
    encode_stream(tiny, io.BytesIO(samples), sink, PcmFormat.parse("16000"), low_latency=True)
    reader = ContainerReader(io.BytesIO(sink.getvalue()))
    sizes = {chunk.shape[2] for chunk in reader.chunks()}
    assert reader.header.chunk_frames == 2
    assert sizes <= {1, 2}
    back = io.BytesIO()
    report = decode_stream(tiny, io.BytesIO(sink.getvalue()), back, raw=True, low_latency=True)
    assert len(back.getvalue()) == len(samples)
    assert report.seconds == 3


def test_chunks_come_before_the_end(tiny_folder) -> None:
    """Through real pipes: while the input is still open, tokens and sound are already there."""
    options = ["--stream", "-", "--low-latency", "--model", str(tiny_folder)]
    run = [sys.executable, "-m", "codec"]
    with (
        subprocess.Popen([*run, "encode", *options, "--vocab", "32", "--raw", "16000"], stdin=-1, stdout=-1) as encoder,
        subprocess.Popen([*run, "decode", *options, "--raw"], stdin=encoder.stdout, stdout=-1) as decoder,
    ):
        assert encoder.stdin
        assert decoder.stdout
        guard = threading.Timer(120, lambda: (encoder.kill(), decoder.kill()))
        guard.start()
        second = np.zeros(16_000, "<i2").tobytes()
        encoder.stdin.write(second)
        encoder.stdin.flush()
        early = decoder.stdout.read(8_000)
        assert len(early) == 8_000  # a quarter of a second, heard before the second second was said
        encoder.stdin.write(second)
        encoder.stdin.close()
        rest = decoder.stdout.read()
        guard.cancel()
    assert len(early) + len(rest) == 2 * len(second)
    assert encoder.returncode == decoder.returncode == 0


@given(st.binary(max_size=120))
def test_arbitrary_wav_headers_never_do_more_than_raise(data: bytes) -> None:
    for stream in (data, b"RIFF\xff\xff\xff\xffWAVE" + data, b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + data):
        source = io.BytesIO(stream)
        try:
            pcm = read_wav_header(source)
            assert sum(block.size for block in PcmReader(source, pcm).blocks()) <= len(stream)
        except AudioError:
            pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not RATE"),
        ("16000:", None),
        ("16000:0", "channels"),
        ("1:1", "Hz"),
        ("-5", "not RATE"),
        ("9" * 30, "not RATE"),
        ("1e3", "not"),
    ],
)
def test_raw_formats(text: str, message: str | None) -> None:
    if message is None:
        assert PcmFormat.parse(text).info.channels == 1
        return
    with pytest.raises(AudioError, match=message):
        PcmFormat.parse(text)


def test_unusable_streams(tiny: Codec) -> None:
    for data, message in [
        (b"", "empty"),
        (b"RIFFxxxx", "inside its header"),
        (b"fLaC" + bytes(40), "not wav"),
        (wav(noise(0.1, 16_000), 16_000, "PCM_U8"), "8 bits"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "without a format"),
        (b"RIFF\0\0\0\0WAVEjunk" + struct.pack("<I", 2**31), "header of"),
        (wav(noise(0, 16_000), 16_000), "no samples"),
    ]:
        with pytest.raises(CodecError, match=message):
            encode_stream(tiny, io.BytesIO(data), io.BytesIO())


def test_a_wav_that_breaks_off_is_encoded_as_far_as_it_goes(tiny: Codec) -> None:
    data = wav(noise(2, 16_000), 16_000)
    sink = io.BytesIO()
    assert encode_stream(tiny, io.BytesIO(data[: len(data) // 2 + 1]), sink).seconds == pytest.approx(1, abs=0.01)
    reader = ContainerReader(io.BytesIO(sink.getvalue()))
    assert torch.cat(list(reader.chunks()), 2).shape[1] == 2


@pytest.mark.parametrize(
    ("data", "raw", "warnings"),
    [
        (bytes(3201), "16000", ("ends within a sample: its last 1 of 2 bytes are left out",)),
        (bytes(6402), "16000:2", ("ends within a sample: its last 2 of 4 bytes are left out",)),
        (bytes(6400), "16000:2", ()),
        (wav(np.full((1, 3200), np.nan, np.float32), 16_000, "FLOAT"), None, told_of(3200)),
        (wav(noise(0.2, 16_000), 16_000) * 2, None, ("another recording follows, and is not read",)),
        (wav(noise(0.2, 16_000), 16_000) + b"LIST\4\0\0\0more", None, ()),
    ],
)
def test_what_a_stream_leaves_out_is_told(tiny: Codec, data: bytes, raw: str | None, warnings: tuple[str, ...]) -> None:
    report = encode_stream(tiny, io.BytesIO(data), io.BytesIO(), PcmFormat.parse(raw) if raw else None)
    assert report.warnings == warnings
    assert report.seconds in (pytest.approx(0.1), pytest.approx(0.2))


def test_a_pipe_that_stays_open_behind_a_declared_end_is_not_waited_for(tiny: Codec) -> None:
    """A program may keep it open for what comes after the tokens."""
    read, write = os.pipe()
    with open(read, "rb") as source, open(write, "wb") as kept_open:
        kept_open.write(wav(noise(0.2, 16_000), 16_000))
        kept_open.flush()
        assert encode_stream(tiny, source, io.BytesIO()).warnings == ()


def test_an_odd_byte_at_a_declared_end_is_told_and_padding_passed_over(tiny: Codec) -> None:
    data = bytearray(wav(noise(0.2, 16_000), 16_000))
    data[40:44] = struct.pack("<I", 6399)  # bytes of audio: half a sample at their end, then a byte that fills up
    report = encode_stream(tiny, io.BytesIO(bytes(data) * 2), io.BytesIO())
    assert report.warnings == (
        "ends within a sample: its last 1 of 2 bytes are left out",
        "another recording follows, and is not read",
    )


def test_what_comes_before_damage_is_heard(tiny: Codec) -> None:
    """Without concealing, the damaged chunk ends the stream; what still waits for its window is not lost."""
    encode_stream(tiny, io.BytesIO(wav(noise(40, 16_000), 16_000)), sink := io.BytesIO())
    damaged = bytearray(sink.getvalue())
    damaged[38 + 2 * (6 + 256 * 18 // 8) + 100] ^= 1
    back = io.BytesIO()
    with pytest.raises(ContainerError, match="chunk 2 is damaged"):
        decode_stream(tiny, io.BytesIO(bytes(damaged)), back, raw=True)
    assert len(back.getvalue()) == 2 * 2 * 256 * 640  # two chunks of 10.24 s


@pytest.mark.parametrize("low_latency", [False, True])
def test_a_stream_that_breaks_off_gives_all_its_frames(tiny: Codec, low_latency: bool) -> None:
    encode_stream(tiny, io.BytesIO(wav(noise(4, 16_000), 16_000)), sink := io.BytesIO(), low_latency=low_latency)
    whole = sink.getvalue()
    lengths = []
    for cut in range(60, len(whole), 7):
        back = io.BytesIO()
        report = decode_stream(tiny, io.BytesIO(whole[:cut]), back, raw=True, low_latency=low_latency)
        assert "truncated" in report.warnings[0]
        lengths.append(len(back.getvalue()) // 2 / 640)
    assert lengths == sorted(lengths)
    assert lengths[-1] >= 100 - (14 + 7) * 8 / (18 if not low_latency else 18 + 24)
    assert lengths[0] <= 22 * 8 / 18


def test_a_file_that_would_not_fit_into_a_wav_is_told(tiny: Codec, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by the file's end, however small entropy coding made it; through a pipe, once it is too much."""
    (tmp_path / "x.wav").write_bytes(wav(noise(2, 16_000), 16_000))
    encode_file(tiny, str(tmp_path / "x.wav"), str(tmp_path / "x.sct"))
    with (tmp_path / "x.sct").open("rb") as handle:
        header = Header.read(handle)
    assert longest_seconds(str(tmp_path / "x.sct"), header) >= 2
    assert declared_seconds(str(tmp_path / "x.sct")) == 2
    monkeypatch.setattr(files, "WAV_BYTES", 50_000)
    decode_file(tiny, str(tmp_path / "x.sct"), str(tmp_path / "large.wav"))
    assert soundfile.info(tmp_path / "large.wav").format == "RF64"
    monkeypatch.setattr(files, "standard_input", lambda: (tmp_path / "x.sct").open("rb"))
    with pytest.raises(CodecError, match="4 GB"):
        decode_file(tiny, "-", str(tmp_path / "piped.wav"))
    assert not (tmp_path / "piped.wav").exists()
    with pytest.raises(CodecError, match="bogus"):
        encode_file(tiny, str(tmp_path / "x.wav"), str(tmp_path / "y.xyz"), format="bogus")  # type: ignore[arg-type]
