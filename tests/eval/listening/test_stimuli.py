import numpy as np
import pyloudnorm
import pytest
from scipy.signal import freqz

from codec.errors import CodecError
from eval.listening.stimuli import LOUDNESS, PEAK, fade, loudness, low_pass, match_loudness, take_excerpt

RNG = np.random.default_rng(0)


def noise(seconds: float, rate: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal(int(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("cutoff", [3500.0, 7000.0])
def test_anchor_keeps_to_the_mask_of_the_standard(rate: int, cutoff: float) -> None:
    """BS.1534-3: ripple ±0.1 dB up to 3.5 kHz, ≥25 dB at 4 kHz, ≥50 dB at 4.5 kHz; the same distances for 7 kHz."""
    impulse = np.zeros(8001)
    impulse[4000] = 1
    response = low_pass(impulse, rate, cutoff)
    frequency, gain = freqz(response, worN=1 << 15, fs=rate)
    level = 20 * np.log10(np.abs(gain) + 1e-9)
    assert np.abs(level[frequency <= cutoff]).max() < 0.1
    assert level[(frequency >= cutoff + 500)].max() < -25
    assert level[frequency >= min(cutoff + 1000, rate / 2 - 1)].max() < -50
    assert np.argmax(np.abs(response)) == 4000  # without delay


def test_loudness_agrees_with_the_standards_tone() -> None:
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at −23 dBFS is −23 LUFS; in one channel 3.01 dB less."""
    tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(5 * 48_000) / 48_000)
    assert loudness(np.stack([tone, tone], 1), 48_000) == pytest.approx(-23, abs=0.1)
    assert loudness(tone, 48_000) == pytest.approx(-26.01, abs=0.1)
    assert loudness(0 * tone, 48_000) == float("-inf")


def test_sounds_of_a_trial_are_equally_loud_and_do_not_clip() -> None:
    loud, quiet = noise(2, 16_000), noise(2, 16_000)[::-1] * 0.01
    spiky = quiet.copy()
    spiky[::4000] = 1
    matched = match_loudness({"a": loud, "b": quiet, "c": spiky, "silent": 0 * loud}, 16_000)
    meter = pyloudnorm.Meter(16_000)
    levels = [meter.integrated_loudness(matched[name].astype(float)) for name in "abc"]
    assert np.ptp(levels) < 0.1
    assert max(np.abs(w).max() for w in matched.values()) <= PEAK + 1e-6
    assert not matched["silent"].any()
    alone = match_loudness({"a": loud}, 16_000)["a"]
    assert meter.integrated_loudness(alone.astype(float)) == pytest.approx(LOUDNESS, abs=0.1)


def test_long_recordings_are_cut_and_say_so() -> None:
    excerpt = take_excerpt(noise(30, 16_000), 16_000, RNG)
    assert len(excerpt.wave) == 160_000
    assert excerpt.note.startswith("30.0 s, cut to 10 s from")
    whole = take_excerpt(noise(11.9, 16_000), 16_000, RNG)
    assert len(whole.wave) == int(11.9 * 16_000)
    assert not whole.note


def test_excerpt_avoids_silence() -> None:
    wave = np.concatenate([np.zeros(16_000 * 60, np.float32), noise(20, 16_000)])
    assert take_excerpt(wave, 16_000, np.random.default_rng(3)).wave.any()


def test_excerpt_resamples() -> None:
    assert take_excerpt(noise(2, 96_000), 96_000, RNG).sample_rate == 48_000
    narrow = take_excerpt(noise(2, 8_000), 8_000, RNG)
    assert (narrow.sample_rate, len(narrow.wave)) == (16_000, 32_000)


@pytest.mark.parametrize(("wave", "message"), [(noise(0.5, 16_000), "too short"), (np.zeros(32_000), "silent")])
def test_unusable_recordings(wave: np.ndarray, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        take_excerpt(wave, 16_000, RNG)


def test_fade() -> None:
    faded = fade(np.ones(1000, np.float32), 16_000)
    assert faded[0] < 0.01
    assert faded[-1] < 0.01
    assert (faded[80:-80] == 1).all()
