"""What the default model must do with sounds that are easy to describe: keep tones, levels and silence, and invent nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codec.model import Codec
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.tone_hints import CELLS
from codec.streaming import LOW_LATENCY, WHOLE, Grid, StreamEncoder

RATE = 16_000


def through(model: Codec, wave: np.ndarray, rate: int = 100) -> np.ndarray:
    decoded: np.ndarray = model.decode(model.encode(wave.astype(np.float32), RATE, rate, 32768))[0].numpy()
    return decoded


def level_db(wave: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(wave.astype(float) ** 2)) + 1e-9))


def loudest_hz(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 8 * len(wave)))
    return float(spectrum.argmax() * RATE / (8 * len(wave)))


TIME = np.arange(2 * RATE) / RATE
MIDDLE = slice(RATE // 2, 3 * RATE // 2)


@pytest.mark.parametrize("frequency", [100.0, 440.0, 1_000.0, 3_150.0, 7_000.0])
@pytest.mark.parametrize("level", [-40.0, -9.0])
@pytest.mark.parametrize(("rate", "error_db"), [(100, 3), (50, 5.5), (25, 5.5)])
def test_a_sine_keeps_its_level_and_frequency(
    shipped: Codec, frequency: float, level: float, rate: int, error_db: float
) -> None:
    wave = 10 ** (level / 20) * np.sin(2 * np.pi * frequency * TIME)
    output = through(shipped, wave, rate)[MIDDLE]
    assert level_db(output) == pytest.approx(level_db(wave), abs=error_db)
    assert loudest_hz(output) == pytest.approx(frequency, rel=0.01)


@pytest.mark.parametrize("pair", [(697.0, 1_209.0), (852.0, 1_477.0)])
def test_both_tones_of_a_telephone_key_come_back(shipped: Codec, pair: tuple[float, float]) -> None:
    output = through(shipped, sum(0.2 * np.sin(2 * np.pi * f * TIME) for f in pair))[MIDDLE]
    spectrum = 2 / len(output) * np.abs(np.fft.rfft(output))
    for frequency in pair:
        near = spectrum[int(frequency * 0.99) : int(frequency * 1.01) + 1]  # a second has bins of 1 Hz
        assert 20 * np.log10(np.sqrt((near**2).sum()) / 0.2) == pytest.approx(0, abs=3)


@pytest.mark.parametrize("rate", [25, 50, 100])
def test_silence_stays_silent(shipped: Codec, rate: int) -> None:
    assert level_db(through(shipped, np.zeros(RATE), rate)) < -70


@pytest.mark.parametrize("level", [-50.0, -30.0, -20.0, -12.0])
@pytest.mark.parametrize("rate", [25, 50, 100])
def test_steady_noise_keeps_its_level(shipped: Codec, level: float, rate: int) -> None:
    wave = 10 ** (level / 20) * np.random.default_rng(0).standard_normal(2 * RATE)
    assert level_db(through(shipped, wave, rate)[MIDDLE]) == pytest.approx(level, abs=3)


@pytest.mark.parametrize(
    "wave",
    [
        np.sign(np.sin(2 * np.pi * 200 * TIME)) * 0.999,
        np.sin(2 * np.pi * 20 * TIME),
        0.5 * np.random.default_rng(1).choice([-1.0, 1.0], 2 * RATE),
        np.where(TIME == 1, 1.0, 0.0),
    ],
    ids=["full-scale square", "20 Hz", "digital noise", "click"],
)
@pytest.mark.parametrize("rate", [25, 100])
def test_extremes_stay_in_bounds(shipped: Codec, wave: np.ndarray, rate: int) -> None:
    """As loud as hardly anything in training: they come back quieter (see the model card), and nothing runs away."""
    output = through(shipped, wave, rate)
    assert np.isfinite(output).all()
    assert np.abs(output).max() <= 1
    louder_db = 4 if np.count_nonzero(wave) == 1 and rate == 100 else 3
    assert level_db(output) < level_db(wave) + louder_db
    if level_db(wave) > -7 and loudest_hz(wave) > 50:  # what lies below 50 Hz is not kept
        assert level_db(output) > level_db(wave) - 11


@pytest.mark.parametrize(
    ("milliseconds", "rate"), [(60, 100), (60, 50), (100, 100), (100, 50), (100, 25), (200, 100), (200, 50), (200, 25)]
)
def test_a_short_beep_is_heard_wherever_it_falls(shipped: Codec, milliseconds: int, rate: int) -> None:
    count = RATE * milliseconds // 1000
    fade = np.clip(np.minimum(np.arange(count), count - np.arange(count)) / 80, 0, 1)
    beep = 0.3 * np.sin(2 * np.pi * 1000 * TIME[:count]) * fade
    for late in range(0, 80, 16):
        start = RATE // 2 + late * RATE // 1000
        wave = np.zeros(2 * RATE)
        wave[start : start + count] = beep
        around = slice(start - 800, start + count + 800)
        output = through(shipped, wave, rate)
        assert level_db(output[around]) == pytest.approx(level_db(wave[around]), abs=6)
        assert loudest_hz(output[start : start + count]) == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("rate", [100, 50, 25])
@pytest.mark.parametrize("level", [-25.0, -35.0, -45.0, -55.0])
def test_a_quiet_voice_stays_quiet(shipped: Codec, speech: np.ndarray, level: float, rate: int) -> None:
    """Whole, and in every tenth of a second: hum between words is no tone that a single token would draw loud."""
    wave = speech[0] * 10 ** ((level - level_db(speech)) / 20)
    output = through(shipped, wave, rate)[: len(wave)]
    assert level_db(output) == pytest.approx(level, abs=3)
    before, after = (part[: len(part) // 1600 * 1600].reshape(-1, 1600) for part in (wave, output))
    near = np.array([max(map(level_db, before[max(0, i - 1) : i + 2])) for i in range(len(before))])
    assert (np.array([level_db(part) for part in after]) < np.maximum(near, level - 25) + 10).all()


@pytest.mark.parametrize("rate", [100, 50, 25])
def test_an_offset_is_no_sound(shipped: Codec, speech: np.ndarray, rate: int) -> None:
    """Cheap sound cards add one."""
    noise = 1e-3 * np.random.default_rng(0).standard_normal(2 * RATE)
    assert level_db(through(shipped, noise + 0.02, rate)) == pytest.approx(-60, abs=3)
    assert level_db(through(shipped, np.full(2 * RATE, 0.5), rate)[MIDDLE]) < -55
    plain, shifted = (
        shipped.encode(wave[None].astype(np.float32), RATE, rate).codes[0] for wave in (speech[0], speech[0] + 0.1)
    )
    inside = slice(5, -5)  # it begins and ends with a step, which is sound
    assert (plain[0, inside] == shifted[0, inside]).float().mean() > 0.9


@pytest.mark.parametrize("rate", [100, 50, 25])
@pytest.mark.parametrize("frequency", [60, 220])
def test_pulses_of_one_sign_are_no_offset(shipped: Codec, frequency: int, rate: int) -> None:
    """As a chip or a gated synthesiser makes them: a mean of all that is not zero would be the height of the pulses."""
    wave = 0.3 * (np.sin(2 * np.pi * frequency * TIME) > 0)
    assert level_db(through(shipped, wave, rate)[MIDDLE]) == pytest.approx(level_db(wave - wave.mean()), abs=8)


@pytest.mark.parametrize("rate", [100, 50, 25])
def test_a_siren_is_more_than_its_first_harmonic(shipped: Codec, rate: int) -> None:
    """Four fifths of its energy are; the rest makes it a siren."""
    wave = 0.2 * np.sign(np.sin(2 * np.pi * 900 * TIME))
    spectrum = np.abs(np.fft.rfft(through(shipped, wave, rate)[MIDDLE])) ** 2
    above = spectrum[1_500:].sum() / spectrum.sum()
    assert above > 0.02
    assert not (shipped.encode(wave.astype(np.float32), RATE, rate).codes[0, 1] % 64 == 63).any()


@pytest.mark.parametrize("rate", [100, 50, 25])
def test_a_melody_has_no_notes_between_its_notes(shipped: Codec, rate: int) -> None:
    notes = np.array([523.25, 659.26, 783.99, 1046.5, 783.99, 659.26])
    pitch = notes[(np.arange(3 * RATE) // int(0.19 * RATE)) % len(notes)]
    wave = 0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    found = through(shipped, wave, rate)
    power = np.abs(np.fft.rfft(found * np.hanning(len(found)))) ** 2
    hertz = np.arange(len(power)) * RATE / len(found)
    between = np.all([np.abs(hertz - note) > 40 for note in set(notes)], axis=0)
    assert 10 * np.log10(power[between].sum() / power.sum()) < -17


@pytest.mark.parametrize(("rate", "error_db"), [(100, 4), (50, 7), (25, 7)])
def test_what_is_sparse_in_frequency_or_time_keeps_its_level(shipped: Codec, rate: int, error_db: float) -> None:
    """A high vowel and clicks: logarithmic spectra that are a deep floor with little above it."""
    vowel = sum(np.sin(2 * np.pi * 350 * n * TIME) / (1 + ((350 * n - 800) / 200) ** 2) for n in range(1, 12))
    clicks = np.zeros(2 * RATE)
    clicks[:: RATE // 8] = 0.9
    for wave in (0.1 * vowel, clicks):
        assert level_db(through(shipped, wave, rate)[MIDDLE]) == pytest.approx(level_db(wave[MIDDLE]), abs=error_db)


@pytest.mark.parametrize(("frequency", "below_db"), [(1_000, 9.0), (1_000, 11.0), (3_000, 12.0), (3_000, 11.0)])
def test_a_tone_in_noise_is_not_switched_off_and_on(shipped: Codec, frequency: int, below_db: float) -> None:
    """Near the share of loudness where a tone is no longer told as one."""
    noise = np.random.default_rng(0).standard_normal(len(TIME))
    spectrum = np.fft.rfft(noise) / np.sqrt(np.maximum(np.arange(RATE + 1), 30))  # pink
    noise = np.fft.irfft(spectrum)
    wave = 0.3 * (np.sin(2 * np.pi * frequency * TIME) + noise / noise.std() * np.sqrt(0.5) * 10 ** (-below_db / 20))
    is_tone = shipped.encode(wave.astype(np.float32), RATE, 100).codes[0, 1, 3:-3] % 64 == 63
    assert (is_tone[1:] != is_tone[:-1]).sum() <= 4


def hum(hertz: float) -> np.ndarray:
    numbers = np.arange(1, int(7_500 / hertz) + 1)
    wave: np.ndarray = np.sum([np.sin(2 * np.pi * hertz * n * TIME) / n**1.2 for n in numbers], axis=0)
    return wave


def organ() -> np.ndarray:
    stops = zip((1, 2, 3, 4, 6, 8), (1, 0.7, 0.5, 0.4, 0.3, 0.2), strict=True)
    partials = [(note * stop, gain) for stop, gain in stops for note in (261.6, 329.6, 392)]
    wave: np.ndarray = np.sum([gain * np.sin(2 * np.pi * hertz * TIME) for hertz, gain in partials], axis=0)
    return wave


@pytest.mark.parametrize("rate", [100, 50, 25])
@pytest.mark.parametrize("wave", [hum(50), hum(60), hum(110), organ()], ids=["50 Hz", "60 Hz", "110 Hz", "organ"])
def test_what_is_steady_keeps_its_level(shipped: Codec, wave: np.ndarray, rate: int) -> None:
    """No voice sounds the same for half a second; what does is told as loud as it is."""
    wave = 0.3 * wave / np.abs(wave).max()
    assert level_db(through(shipped, wave, rate)[MIDDLE]) == pytest.approx(level_db(wave[MIDDLE]), abs=6)


@pytest.mark.parametrize(("rate", "least"), [(100, 0.8), (50, 0.5), (25, 0.5)])
@pytest.mark.parametrize("frequency", [800.0, 900.0, 1_500.0])
def test_a_note_above_voices_is_no_noise(shipped: Codec, frequency: float, rate: int, least: float) -> None:
    """A violin's, a siren's or a chip's: what comes back lies at its harmonics."""
    harmonics = np.arange(1, int(7_500 / frequency) + 1)
    wave = 0.2 * np.sum([np.sin(2 * np.pi * frequency * n * TIME) / n for n in harmonics], axis=0)
    power = np.abs(np.fft.rfft(through(shipped, wave, rate)[MIDDLE] * np.hanning(RATE))) ** 2
    hertz = np.arange(len(power))  # a second has bins of 1 Hz
    number = np.round(hertz / frequency)
    near = (number > 0) & (np.abs(hertz / np.maximum(number, 1) - frequency) < 0.015 * frequency)
    assert power[near].sum() / power.sum() > least


def test_noise_gets_no_pitch(shipped: Codec) -> None:
    """White noise comes back without a period: its autocorrelation has no peak at voices' lags."""
    output = through(shipped, 0.05 * np.random.default_rng(0).standard_normal(2 * RATE))[MIDDLE]
    spectrum = np.abs(np.fft.rfft(output, 2 * len(output))) ** 2
    correlation = np.fft.irfft(spectrum)
    assert (correlation[RATE // 500 : RATE // 60] / correlation[0]).max() < 0.3


@pytest.mark.parametrize("rate", [25, 50, 100])
def test_a_voice_keeps_its_pitch(shipped: Codec, speech: np.ndarray, rate: int) -> None:
    networks = shipped.networks
    assert isinstance(networks, SourceFilterNetworks)
    wave = speech[:1, : speech.shape[1] // 160 * 160]
    heard = []
    for each in (wave, through(shipped, wave, rate)[None, : wave.shape[1]]):
        features = networks.front_end(torch.from_numpy(np.ascontiguousarray(each)))
        heard.append(networks.pitch(features.mel, features.correlogram))
    both = (heard[0].voiced * heard[1].voiced) > 0
    assert (heard[0].voiced != heard[1].voiced).float().mean() < 0.2
    octaves = (heard[1].f0 / heard[0].f0).log2().abs()[both]
    assert (octaves > 0.263).float().mean() < 0.05, "gross errors"
    assert octaves.median() < 0.05


@pytest.mark.parametrize("rate", [25, 50])
@pytest.mark.parametrize("grid", [WHOLE, LOW_LATENCY], ids=["whole", "low latency"])
def test_tokens_take_turns_in_telling_a_tone_from_window_to_window(shipped: Codec, rate: int, grid: Grid) -> None:
    point = shipped.engine.points[rate]
    encoder = StreamEncoder(shipped.engine, RATE, 1, point, 4096, grid)
    wave = 0.3 * np.sin(2 * np.pi * 880 * np.arange(22 * RATE) / RATE, dtype=np.float32)
    parts = [encoder.push(piece[None]) for piece in np.array_split(wave, 7)]
    first = torch.cat([*parts, encoder.flush()], 2)[0, 1] // shipped.networks.config.acoustic.pitch_levels
    inside = first[2:-2]
    assert (inside[::2] == inside[0]).all()
    assert (inside[1::2] == inside[1]).all()
    assert inside[0] < CELLS <= inside[1]


def test_fewer_streams_are_the_first_of_all(shipped: Codec, speech: np.ndarray) -> None:
    networks = shipped.networks
    wave = torch.from_numpy(speech.astype(np.float32)).reshape(1, -1)[:, : 64 * 320 + 2 * networks.edge]
    wave = wave[:, : (wave.shape[1] - 2 * networks.edge) // 1280 * 1280 + 2 * networks.edge]
    every = networks.wave_to_codes(wave, 2, 4096)
    for n_streams in range(2, every.shape[1] + 1):
        assert torch.equal(networks.wave_to_codes(wave, 2, 4096, n_streams), every[:, :n_streams])
