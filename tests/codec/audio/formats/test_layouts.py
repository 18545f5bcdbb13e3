"""What is told of a file before it is decoded, and the files that decoders are shown instead."""

from __future__ import annotations

import io
import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.audio.formats import Spliced, Window, layout_of
from codec.audio.formats.flac import crc8, crc16
from codec.audio.formats.ogg import crc32
from codec.audio.formats.sniff import layout_of as sniffed
from codec.audio.io import AudioReader, CutAudioWarning, read_audio
from codec.errors import AudioError

KINDS = [
    *[("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("WAV", "PCM_16"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16")],
    *[("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("VOC", "PCM_16")],
    *[("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
]


def written(format: str, subtype: str, wave: np.ndarray, rate: int = 16_000) -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, wave, rate, subtype, format=format)
    return sink.getvalue()


def read(data: bytes) -> tuple[int, tuple[str, ...]]:
    with AudioReader(io.BytesIO(data), ffmpeg=False) as reader:
        return sum(map(len, reader.blocks())), reader.missing


@settings(max_examples=150)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 20_000),
    st.integers(1, 2),
    st.sampled_from([0.0, 0.1]),
    st.randoms(use_true_random=False),
)
def test_what_is_whole_is_whole_and_what_is_cut_is_told(
    kind: tuple[str, str], samples: int, channels: int, level: float, rng: random.Random
) -> None:
    """Silence has frames of a few bytes, noise long ones; both as short as a sample."""
    wave = level * np.random.default_rng(rng.randrange(1 << 30)).standard_normal((samples, channels))
    data = written(*kind, wave)
    whole = len(soundfile.read(io.BytesIO(data), always_2d=True)[0])
    assert read(data) == (whole, ())
    short = data[: rng.randrange(len(data) * 2 // 3, len(data))]
    try:
        some, missing = read(short)
    except AudioError:
        return
    assert some == 0 or missing or kind == ("VOC", "PCM_16")  # which may end without its last, empty block
    assert some <= whole + 2_304  # of an MP3 that is cut, the padding at the end is not known


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_a_wav_that_ends_within_a_sample_says_so(subtype: str, declared: bool) -> None:
    data = bytearray(written("WAV", subtype, np.zeros((100, 2))))
    place = data.index(b"data") + 4
    size = struct.unpack("<I", data[place : place + 4])[0]
    data[place : place + 4] = struct.pack("<I", size - 1 if declared else 0)
    if not declared:
        del data[place + 4 + size - 1 :]
    samples, missing = read(bytes(data))
    width = size // 100
    assert samples == 99
    assert missing == (f"ends within a sample: its last {width - 1} of {width} bytes are left out",)


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 300), min_size=4, max_size=4))
def test_a_spliced_file_reads_as_the_pieces_joined(pieces: list[bytes], places: list[int]) -> None:
    store = io.BytesIO(b"".join(pieces))
    ends = np.cumsum([0, *map(len, pieces)]).tolist()
    mixed = [piece if number % 2 else (ends[number], ends[number + 1]) for number, piece in enumerate(pieces)]
    spliced, plain = Spliced(store, mixed), io.BytesIO(b"".join(pieces))
    for place in places:
        assert spliced.seek(place) == plain.seek(place) == spliced.tell()
        assert spliced.read(7) == plain.read(7)
    assert spliced.seek(0, io.SEEK_END) == plain.seek(0, io.SEEK_END)


def test_checksums_are_those_of_the_formats() -> None:
    """Check values of the catalogue of parametrised CRC algorithms, for the text 123456789."""
    assert crc8(b"123456789") == 0xF4
    assert crc16(b"123456789") == 0xFEE8
    assert crc16(b"6789", crc16(b"12345")) == 0xFEE8
    assert crc32(b"123456789") == 0x89A1897F


def test_mp3_without_a_frame_that_tells_its_length_keeps_every_sample_in_place() -> None:
    """With LAME's frame cut out, nobody knows the delay: 1105 samples more at the beginning, and the padding at the end."""
    time = np.arange(30_000) / 16_000
    data = written("MP3", "MPEG_LAYER_III", 0.3 * np.sin(900 * time * (1 + time)))
    told = read_audio(io.BytesIO(data))[0][0]
    size = sniffed(Window(io.BytesIO(data))).parts[0].pieces[1]
    bare = read_audio(io.BytesIO(data[len(size) :]))[0][0]
    assert len(bare) % 576 == 0
    delay = 529 + 576
    np.testing.assert_allclose(bare[delay : delay + 29_000], told[:29_000], atol=1e-6)


def test_variable_bit_rate_is_counted_not_guessed() -> None:
    """Loud noise after silence: by the first frame's bit rate, the file would be many times as long or as short."""
    quiet_then_loud = np.concatenate([np.zeros(40_000), np.random.default_rng(0).standard_normal(40_000) * 0.3])
    frames = []
    for wave in (quiet_then_loud, quiet_then_loud[::-1]):
        sink = io.BytesIO()
        with soundfile.SoundFile(sink, "w", 16_000, 1, "MPEG_LAYER_III", format="MP3", bitrate_mode="VARIABLE") as file:
            file.write(wave)
        pieces = layout_of(Window(io.BytesIO(sink.getvalue()))).parts[0].pieces
        frames.append(sink.getvalue()[len(pieces[1]) :])
    samples, missing = read(frames[0] + frames[1])
    assert samples >= 160_000
    assert not missing


def test_parts_of_another_rate_are_told() -> None:
    wave = np.sin(np.arange(8_000) / 5)
    samples, missing = read(written("OGG", "VORBIS", wave) + written("OGG", "VORBIS", wave, 8_000))
    assert samples == 8_000
    assert missing == ("stream 2 of 2 has 1 channels at 8000 Hz, and is not read",)


def test_damage_in_the_middle_keeps_what_comes_before() -> None:
    data = bytearray(written("FLAC", "PCM_16", 0.1 * np.random.default_rng(0).standard_normal(100_000)))
    data[len(data) // 2 : len(data) // 2 + 2_000] = bytes(2_000)
    samples, missing = read(bytes(data))
    assert 40_000 < samples < 50_000
    assert missing
    assert "where reading ends" in missing[0]
    with pytest.raises(AudioError, match="where reading ends"):
        read_audio(io.BytesIO(bytes(data)), strict=True)
    with pytest.warns(CutAudioWarning, match="where reading ends"):
        read_audio(io.BytesIO(bytes(data)))


def test_a_recording_of_more_than_4_gb_whose_recorder_was_killed(tmp_path: Path) -> None:
    """A sparse file: its size is put into a header of 64 bits, and its last second is found."""
    rate, seconds = 768_000, 3_000
    path = tmp_path / "long.wav"
    with path.open("wb") as handle:
        header = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
        handle.write(b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + header + b"data\0\0\0\0" + b"\1\0")
        os.truncate(handle.fileno(), 44 + 2 * rate * seconds)
    with AudioReader(path) as reader:
        reader.skip(rate * (seconds - 1))
        assert sum(map(len, reader.blocks())) == rate
        assert reader.missing == ()


def test_pipes_are_read_as_files_are(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    data = written("WAV", "PCM_16", np.zeros(1_000))
    child = os.fork()
    if child == 0:
        (tmp_path / "pipe.wav").write_bytes(data)
        os._exit(0)
    assert read_audio(tmp_path / "pipe.wav")[0].shape == (1, 1_000)
    os.waitpid(child, 0)
    with pytest.raises(AudioError, match="not a file"):
        read_audio("/dev/zero")
