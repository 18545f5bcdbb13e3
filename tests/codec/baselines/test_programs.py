"""Classical codecs through their own programs: opus-tools, codec2, speex and lame must be installed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec.audio.io import resample
from codec.baselines import known_codecs, open_codec
from codec.baselines.amrwb import FRAME_BITS, MAGIC, speech_bits
from codec.baselines.mp3 import frames
from codec.baselines.ogg import packets
from codec.baselines.programs import LOOK_EVERY, finish, run
from codec.errors import AudioError, CodecError
from train.losses import MultiScaleMelLoss

PROGRAMS = ["opus@6", "codec2@700C", "codec2@3200", "speex@2.15", "mp3@8", "mp3@64"]


def loudest_lag(output: np.ndarray, reference: np.ndarray, limit: int) -> int:
    """Samples by which the output comes later."""
    size = 1 << (2 * len(reference)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(output, size) * np.conj(np.fft.rfft(reference, size)))
    lags = np.concatenate([correlation[-limit:], correlation[: limit + 1]])
    return int(np.argmax(np.abs(lags))) - limit


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(("rate", "samples"), [(16_000, 0), (16_000, 1), (8_000, 401), (44_100, 2_206), (48_000, 2_401)])
def test_as_many_samples_come_back(name: str, rate: int, samples: int) -> None:
    codec = open_codec(name)
    wave = 0.1 * np.sin(np.arange(samples, dtype=np.float32))
    encoded = codec.encode(wave, rate)
    output = codec.decode(encoded)
    assert output.shape == (samples,)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    assert (encoded.bits > 0) == (samples > 0)


@pytest.mark.parametrize(
    ("name", "bitrate", "tolerance"),
    [("opus@6", 6000, 0.1), ("opus@12", 12_000, 0.1), ("codec2@450", 450, 0.02), ("codec2@700C", 700, 0.02),
     ("codec2@1300", 1300, 0.02), ("codec2@3200", 3200, 0.02), ("speex@2.15", 2150, 0.02), ("mp3@8", 8000, 0.1)],
)  # fmt: skip
def test_bits_are_near_what_the_name_says(name: str, bitrate: float, tolerance: float, speech: np.ndarray) -> None:
    codec = open_codec(name)
    assert codec.bitrate == pytest.approx(bitrate)
    assert codec.encode(speech[0], 16_000).bitrate == pytest.approx(bitrate, rel=tolerance)


def test_codec2_bits_are_frames_times_bits() -> None:
    encoded = open_codec("codec2@1300").encode(np.zeros(16_000, np.float32), 16_000)
    assert encoded.bits == 26 * 52, "a frame more than the second has, which gives its last 20 ms back"
    assert isinstance(encoded.payload, bytes)
    assert len(encoded.payload) == 26 * 7  # the program fills 52 bits up to 7 bytes


def test_better_codecs_come_closer(speech: np.ndarray) -> None:
    mel = MultiScaleMelLoss()

    def distance(name: str) -> float:
        codec = open_codec(name)
        output = torch.from_numpy(codec.decode(codec.encode(speech[0], 16_000)))
        return float(mel(output[None], torch.from_numpy(speech[0])[None]))

    assert distance("opus@24") < distance("opus@12") < distance("codec2@700C")


def test_music_at_its_own_rate(music: np.ndarray) -> None:
    wave = music[0, : 3 * 44_100]
    codec = open_codec("opus@96")
    output = codec.decode(codec.encode(wave, 44_100))
    assert np.corrcoef(wave, output)[0, 1] > 0.99


def test_clipping_and_nan_do_no_harm() -> None:
    wave = np.full(1600, 7.0, np.float32)
    wave[::7] = np.nan
    codec = open_codec("codec2@3200")
    assert np.isfinite(codec.decode(codec.encode(wave, 16_000))).all()


def test_wrong_shapes_and_rates() -> None:
    with pytest.raises(AudioError, match="shape"):
        open_codec("opus@6").encode(np.zeros((2, 100), np.float32), 16_000)
    with pytest.raises(AudioError, match="sample rate"):
        open_codec("opus@6").encode(np.zeros(100, np.float32), 0)


@pytest.mark.parametrize(
    ("name", "package"),
    [("opus@6", "opus-tools"), ("codec2@450", "codec2"), ("speex@2.15", "speex"), ("mp3@8", "lame"), ("amrwb@6.6", "ffmpeg")],
)
def test_a_missing_program_names_its_package(name: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CodecError, match=rf"not installed: apt-get install {package}"):
        open_codec(name)


def test_a_failing_program_is_one_line() -> None:
    with pytest.raises(CodecError, match="c2dec failed with exit code 1"):
        run(["c2dec", "9999", "-", "-"])


def test_ogg_packets_of_a_real_file_and_of_a_cut_one() -> None:
    encoded = open_codec("opus@6").encode(np.zeros(16_000, np.float32), 16_000)
    assert isinstance(encoded.payload, bytes)
    found = packets(encoded.payload)
    assert found[0].startswith(b"OpusHead")
    assert found[1].startswith(b"OpusTags")
    assert encoded.bits == 8 * sum(map(len, found[2:]))
    with pytest.raises(CodecError, match="cut off"):
        packets(encoded.payload[:-1])


@given(st.binary(max_size=200), st.sampled_from([b"", b"OggS\0\2" + bytes(20), b"\xff\xf3\x44\xc4", MAGIC]))
def test_parsers_refuse_what_they_cannot_read(data: bytes, start: bytes) -> None:
    for parser in (packets, lambda d: list(frames(d)), speech_bits):
        with contextlib.suppress(CodecError):
            parser(start + data)


def test_mp3_frames_add_up_to_the_file() -> None:
    encoded = open_codec("mp3@64").encode(np.zeros(48_000, np.float32), 48_000)
    assert isinstance(encoded.payload, bytes)
    sizes = [len(frame) for _, frame in frames(encoded.payload)]
    assert sum(sizes) == len(encoded.payload)
    assert encoded.bits == 8 * (sum(sizes) - sizes[0])  # the first one holds the encoder's tag


def test_amr_wb_speech_bits() -> None:
    kinds = [0, 8, 9, 14, 15]  # 6.6, 23.85, comfort noise, lost, nothing
    sizes = [17, 60, 5, 0, 0]
    data = MAGIC + b"".join(bytes([kind << 3 | 4]) + bytes(size) for kind, size in zip(kinds, sizes, strict=True))
    assert speech_bits(data) == FRAME_BITS["6.6"] + FRAME_BITS["23.85"] + 40
    with pytest.raises(CodecError, match="cut off"):
        speech_bits(data + bytes([8 << 3]))
    with pytest.raises(CodecError, match="not an AMR-WB"):
        speech_bits(b"#!AMR\n")


def test_amr_wb_runs_or_names_the_encoder(speech: np.ndarray) -> None:
    """Debian's ffmpeg has the encoder only with libavcodec-extra."""
    if not next(codec for codec in known_codecs() if codec.name == "amrwb").ready:
        with pytest.raises(CodecError, match=r"apt-get install libavcodec-extra$"):
            open_codec("amrwb@12.65")
        return
    codec = open_codec("amrwb@12.65")
    encoded = codec.encode(speech[0], 16_000)
    assert encoded.bitrate == pytest.approx(12_650, rel=0.02)
    assert np.corrcoef(codec.decode(encoded), speech[0])[0, 1] > 0.5


def test_resampling_keeps_the_input_rate(speech: np.ndarray) -> None:
    wave = resample(speech, 16_000, 22_050)[0]
    codec = open_codec("opus@32")
    output = codec.decode(codec.encode(wave, 22_050))
    assert len(output) == len(wave)
    assert np.corrcoef(output, wave)[0, 1] > 0.9


def test_a_program_gets_all_of_its_input_however_late_it_reads() -> None:
    """More than a pipe holds, by a program that begins when others have long looked whether somebody still waits."""
    data = bytes(range(256)) * 4096
    assert finish("sh", ["sh", "-c", f"sleep {4 * LOOK_EVERY}; cat"], data).stdout == data
