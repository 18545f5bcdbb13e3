"""Any two programs are a codec: their bits count, their delay is measured, and what goes wrong is one line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from codec.audio.io import resample
from codec.baselines import open_codec
from codec.baselines.interface import Encoded
from codec.baselines.pair import PairCodec
from codec.errors import CodecError

RATE = 16_000
ENCODER = """
import sys, soundfile
wave, rate = soundfile.read(sys.argv[1], dtype="int16")
open(sys.argv[2], "wb").write(rate.to_bytes(4, "little") + wave.tobytes())
"""
DECODER = """
import sys, numpy, soundfile
data = open(sys.argv[1], "rb").read()
wave = numpy.frombuffer(data[4:], "int16")
soundfile.write(sys.argv[2], numpy.concatenate([numpy.zeros(320, "int16"), wave]), int.from_bytes(data[:4], "little"))
"""


@pytest.fixture
def late_copy(tmp_path: Path) -> PairCodec:
    for name, text in (("encode.py", ENCODER), ("decode.py", DECODER)):
        (tmp_path / name).write_text(text)
    python = f"'{sys.executable}'"
    return PairCodec(
        "copy", f"{python} '{tmp_path}/encode.py' {{in}} {{bits}}", f"{python} '{tmp_path}/decode.py' {{bits}} {{out}}"
    )


def test_bits_are_those_of_the_file_and_the_delay_is_found(late_copy: PairCodec, speech: np.ndarray) -> None:
    from eval.reconstruction.delay import in_time

    @dataclass(frozen=True)
    class Recording:
        def load(self) -> tuple[np.ndarray, int]:
            return speech[0], RATE

    encoded = late_copy.encode(speech[0], RATE)
    assert encoded.bits == 8 * (4 + 2 * speech.shape[1])
    codec = in_time(late_copy, [Recording()])
    assert codec.delay == 320 / RATE
    assert np.abs(codec.decode(encoded)[:-400] - speech[0][:-400]).max() < 1e-4


@pytest.mark.parametrize("changed", ["encode.py", "decode.py", "weights.bin"])
def test_another_program_or_other_weights_are_another_version(changed: str, tmp_path: Path) -> None:
    for name in ("encode.py", "decode.py", "weights.bin"):
        (tmp_path / name).write_text("first")
    commands = (
        f"cp '{tmp_path}/encode.py' {{in}} {{bits}}",
        f"cp '{tmp_path}/decode.py' '--weights={tmp_path}/weights.bin' {{bits}} {{out}} {'long' * 100}",
    )
    before = PairCodec("pair", *commands).version
    assert PairCodec("pair", *commands).version == before
    (tmp_path / changed).write_text("a later one")
    assert PairCodec("pair", *commands).version != before


def test_opus_by_its_own_commands_is_opus(speech: np.ndarray) -> None:
    named = open_codec("opus@6")
    pair = PairCodec("opus", "opusenc --quiet --bitrate 6 --hard-cbr {in} {bits}", "opusdec --quiet --rate 48000 {bits} {out}")
    wave = resample(speech, RATE, 48_000)[0]
    ours, theirs = (codec.decode(codec.encode(wave, 48_000)) for codec in (named, pair))
    assert theirs.shape == ours.shape
    assert pair.encode(wave, 48_000).bits > named.encode(wave, 48_000).bits  # the file, with its headers


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        ("opusenc {in}", "opusdec {bits} {out}", "has no place for {bits}"),
        ("no-such-program {in} {bits}", "cp {bits} {out}", "no-such-program is not installed"),
        ("cp '{in} {bits}", "cp {bits} {out}", "is no command line"),
        ("false {in} {bits}", "cp {bits} {out}", "false failed with exit code 1"),
        ("true {in} {bits}", "cp {bits} {out}", "ended well and wrote nothing to bits"),
        ("cp /dev/null {bits} {in}", "cp {bits} {out}", "cp failed with exit code 1"),
    ],
)
def test_what_is_wrong_is_one_line(encoder: str, decoder: str, message: str) -> None:
    with pytest.raises(CodecError, match=message.replace("{", r"\{")):
        PairCodec("pair", encoder, decoder).encode(np.zeros(100, np.float32), RATE)


def test_a_decoder_that_writes_no_audio_is_told() -> None:
    copy = PairCodec("copy", "cp {in} {bits}", "cp {bits} {out}")
    with pytest.raises(CodecError, match="wrote what is no audio file"):
        copy.decode(Encoded(8, 100, RATE, b"not audio"))
