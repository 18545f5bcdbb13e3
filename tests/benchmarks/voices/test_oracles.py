"""Oracles: what is left unquantised is, and the coded one is what the codec does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.voices.oracles import MODES, Mode, open_system, reconstruct
from codec.errors import CodecError
from codec.model import Codec

WAVE = (0.1 * np.random.default_rng(0).standard_normal(5_000)).astype(np.float32)


def test_the_coded_mode_is_what_the_codec_does(tiny: Codec) -> None:
    expected = tiny.decode(tiny.encode(WAVE[:3_840], 16_000, rate=100))[0]
    output = reconstruct(tiny.networks, WAVE[:3_840], Mode("coded", "coded"), tiny.point_of(100), tiny.vocab)
    np.testing.assert_allclose(output.clip(-1, 1), expected, atol=1e-5)


@pytest.mark.parametrize("rate", [25, 50, 100, 200])
def test_every_mode_gives_the_decoder_something_else(tiny: Codec, rate: int) -> None:
    outputs = [reconstruct(tiny.networks, WAVE, mode, tiny.point_of(rate), tiny.vocab) for mode in MODES.values()]
    assert {output.shape for output in outputs} == {WAVE.shape}
    assert len({output.tobytes() for output in outputs}) == len(MODES) == 5


def test_an_oracle_is_a_codec_to_the_runner(tiny_folder: Path) -> None:
    oracle, coded = open_system(f"semcodec:{tiny_folder}@50!exact"), open_system(f"semcodec:{tiny_folder}@50")
    assert (oracle.bitrate, oracle.version, oracle.trained) == (coded.bitrate, coded.version, True)
    wide = np.repeat(WAVE, 3)
    encoded = oracle.encode(wide, 48_000)
    assert encoded.bits == round(oracle.bitrate * len(wide) / 48_000)
    output = oracle.decode(encoded)
    assert output.shape == wide.shape
    assert np.abs(output - coded.decode(coded.encode(wide, 48_000))).max() > 1e-4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("semcodec@100!perfect", "no mode 'perfect'; known are coded, exact-acoustic"),
        ("opus@6!exact", "only streams of our own models"),
        ("semcodec@100,semantic!exact", "only streams of our own models"),
        ("semcodec:nowhere@50!exact", "no model 'nowhere'"),
    ],
)
def test_what_is_no_oracle(name: str, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        open_system(name)
