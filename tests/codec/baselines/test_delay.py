"""Delays that programs declare, against estimates that know nothing of them: ±1 ms, after they were taken out."""

from __future__ import annotations

import numpy as np
import pytest
from pystoi import stoi

from codec.audio.io import resample
from codec.baselines import known_codecs, open_codec
from codec.baselines.codec2 import MODES
from codec.baselines.mp3 import RATES
from codec.baselines.speex import QUALITY, TWO_PAGES, Speex, frames_of
from tests.codec.baselines.test_programs import loudest_lag

WAVEFORM = [f"mp3@{kbps}" for kbps in RATES] + ["opus@6", "opus@24", "amrwb@6.6", "amrwb@12.65", "amrwb@23.85"]
WAVEFORM += [f"speex@{kbps}" for kbps in QUALITY if kbps != "2.15"]


@pytest.fixture(scope="module")
def voices(speech: np.ndarray) -> list[np.ndarray]:
    """The recording, lower and higher, each also backwards, so that what onsets do to an estimate is undone by offsets."""
    speeds = [speech[0], resample(speech, 16_000, 14_000)[0], resample(speech, 16_000, 18_000)[0]]
    return [np.ascontiguousarray(wave[::step]) for wave in speeds for step in (1, -1)]


def needs(name: str) -> None:
    """AMR-WB's encoder is in few builds of ffmpeg."""
    known = next(codec for codec in known_codecs() if codec.name == name.partition("@")[0])
    if known.name == "amrwb" and not known.ready:
        pytest.skip(known.missing)


@pytest.mark.parametrize("name", WAVEFORM)
@pytest.mark.parametrize("seconds", [2, 9])
def test_waveforms_come_back_in_time(name: str, seconds: int, speech: np.ndarray) -> None:
    """By the lag at which they correlate best; also of a short clip, since Speex's program treats such otherwise."""
    needs(name)
    codec, wave = open_codec(name), np.tile(speech[0, 16_000:], 3)[: seconds * 16_000]
    assert abs(loudest_lag(codec.decode(codec.encode(wave, 16_000)), wave, 1600)) <= 16


@pytest.mark.parametrize("name", ["speex@2.15", *(f"codec2@{mode}" for mode in MODES)])
def test_vocoders_are_understood_best_in_time(name: str, voices: list[np.ndarray]) -> None:
    """By the shift at which short-time objective intelligibility is highest, a millisecond to either side included."""
    codec = open_codec(name)
    outputs = [codec.decode(codec.encode(wave, 16_000)) for wave in voices]

    def understood(milliseconds: float) -> float:
        cut, shift = slice(400, -400), round(16 * milliseconds)
        return sum(stoi(a[cut], np.roll(b, -shift)[cut], 16_000) for a, b in zip(voices, outputs, strict=True))

    shifts = np.arange(-4, 4.5, 0.5)
    assert abs(shifts[int(np.argmax([understood(shift) for shift in shifts]))]) <= 1


@pytest.mark.parametrize("samples", [1, 79, 80, 81, 160, 8_000, 40_000, TWO_PAGES - 1, TWO_PAGES, TWO_PAGES + 81, 100_000])
def test_speex_bits_do_not_count_what_short_clips_are_filled_with(samples: int) -> None:
    noise = np.random.default_rng(0).integers(-3000, 3000, samples).astype(np.int16)
    assert Speex("8").compress(noise).bits == frames_of(samples) * 160


def test_the_end_of_a_clip_comes_back_too(speech: np.ndarray) -> None:
    wave = np.concatenate([np.zeros(8_000, np.float32), speech[0, 20_000:28_000]])
    for name in ("codec2@1300", "codec2@700C", "speex@2.15", "mp3@8"):
        codec = open_codec(name)
        last = codec.decode(codec.encode(wave, 16_000))[-160:]
        assert np.abs(last).max() > 0.1 * np.abs(wave[-160:]).max(), name
