"""The head for voices: windows are the whole, tones have their level and frequency, harmonics their pitch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.networks.source_filter import DEEPEST, Phases, SourceFilterHead, behind_harmonics, product
from codec.networks.tones import Tones, find_lines, hann_lobe, tone_codes, tone_phases, tone_spectrum, tone_tracks

RATE, HOP, N_FFT = 16_000, 160, 640


@pytest.fixture(scope="module")
def head() -> SourceFilterHead:
    torch.manual_seed(0)
    return SourceFilterHead(16).eval().requires_grad_(False)


def inputs(frames: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Tones]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, frames, 16, generator=generator)
    f0 = 120 * torch.exp(0.05 * torch.randn(1, frames, generator=generator).cumsum(1))
    voiced = (torch.rand(1, frames, generator=generator) > 0.3).float()
    share = torch.rand(1, frames, generator=generator).round()  # tones that come and go, and move
    height, amplitude = torch.rand(2, 1, frames, 2, generator=generator)
    return x, f0.clamp(60, 500), voiced, Tones(100 + 5_000 * height, 0.1 * amplitude, share)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(1, 24), st.integers(0, 9))
def test_a_window_gives_what_the_whole_gives(head: SourceFilterHead, start: int, length: int, seed: int) -> None:
    x, f0, voiced, tones = inputs(80, seed)
    whole = head(x, f0, voiced, tones)
    reach = head.receptive_field
    left, stop = max(0, start - reach), min(80, start + length)
    right = min(80, stop + reach)
    part = slice(left, right)
    inside = Tones(*(each[:, part] for each in tones))
    window = head(x[:, part], f0[:, part], voiced[:, part], inside, whole.phases(start), start - left, position=left)
    core = slice((start - left) * HOP, (stop - left) * HOP)
    torch.testing.assert_close(window.wave[:, core], whole.wave[:, start * HOP : stop * HOP], atol=2e-6, rtol=1e-5)
    for mine, theirs in zip(window.phases(stop - left), whole.phases(stop), strict=True):
        assert torch.equal(mine, theirs), "phases are integers: they are the same, not nearly so"


def test_items_of_a_batch_are_those_alone(head: SourceFilterHead) -> None:
    rows = [inputs(30, seed) for seed in (1, 2)]
    x, f0, voiced = (torch.cat([row[index] for row in rows]) for index in range(3))
    both = head(x, f0, voiced, Tones(*(torch.cat(parts) for parts in zip(*(row[3] for row in rows), strict=True)))).wave
    for row, alone in zip(both, rows, strict=True):
        torch.testing.assert_close(row, head(*alone).wave[0], atol=2e-6, rtol=1e-5)


def test_gradients_reach_the_envelopes() -> None:
    made = SourceFilterHead(8)
    x = torch.randn(1, 12, 8, requires_grad=True)
    silent = Tones(torch.full((1, 12, 2), 100.0), torch.zeros(1, 12, 2), torch.zeros(1, 12))
    made(x, torch.full((1, 12), 150.0), torch.ones(1, 12), silent).wave.square().sum().backward()
    for reached in (x, made.envelopes.weight):
        assert reached.grad is not None
        assert reached.grad.abs().sum() > 0


def drawn(frequency: torch.Tensor, amplitude: float) -> np.ndarray:
    """A tone of ``(T,)`` frequencies, overlapped as the head does it."""
    track = frequency[None, :, None].expand(-1, -1, 2)
    tones = Tones(track, torch.tensor([amplitude, 0.0]).expand_as(track), torch.ones(1, len(frequency)))
    turned = tone_phases(track, HOP, RATE, 0, torch.zeros(1, 2, dtype=torch.int64))
    spectrum = tone_spectrum(tones, turned[:, :-1], N_FFT, HOP, RATE)
    return SourceFilterHead(4)._overlap(torch.fft.irfft(spectrum, N_FFT))[0].numpy()


def told(wave: np.ndarray, voiced: float = 0.0) -> tuple[torch.Tensor, Tones]:
    """Which blocks of 40 ms are tones, and what arrives of them."""
    padded = torch.nn.functional.pad(torch.from_numpy(wave.astype(np.float32))[None], (432, 432))
    magnitude = torch.fft.rfft(padded.unfold(-1, 1024, HOP) * torch.hann_window(1024)).abs()
    found = find_lines(magnitude, RATE)
    is_tone, codes = tone_codes(found, torch.full_like(found.share, voiced), 4, 8192)
    return is_tone, tone_tracks(is_tone, codes, 4, 8192)


@settings(max_examples=40, deadline=None)
@given(st.floats(60, 7_500), st.floats(-50, -1))
def test_every_sine_arrives_within_a_percent_and_three_decibels(frequency: float, level: float) -> None:
    wave = 10 ** (level / 20) * np.sin(2 * np.pi * frequency * np.arange(16_000) / RATE)
    is_tone, tones = told(wave)
    assert is_tone[0, 1:-1].all()
    inside = slice(8, -8)
    loudest = tones.amplitude[0, inside].amax(-1)
    height = tones.frequency[0, inside].gather(-1, tones.amplitude[0, inside].argmax(-1, keepdim=True))
    assert (height / frequency - 1).abs().max() < 0.01
    assert (20 * loudest.log10() - level).abs().max() < 3


@pytest.mark.parametrize("pair", [(697.0, 1_209.0), (770.0, 1_336.0), (941.0, 1_633.0)])
def test_pairs_of_telephone_tones_arrive(pair: tuple[float, float]) -> None:
    time = np.arange(8_320) / RATE
    is_tone, tones = told(sum(0.2 * np.sin(2 * np.pi * f * time) for f in pair))
    assert is_tone[0, 1:-1].all()
    torch.testing.assert_close(tones.frequency[0, 20], torch.tensor(pair), rtol=0.01, atol=0)
    assert ((20 * (tones.amplitude[0, 20] / 0.2).log10()).abs() < 3).all()


@pytest.mark.parametrize("frequency", [500, 1000, 2500])
def test_a_beep_over_a_voice_is_a_tone(frequency: int) -> None:
    """One line that strong is no harmonic of a voice, though the pitch tracker hears one; the voice is left out."""
    time = np.arange(RATE) / RATE
    voice = sum(0.05 / n * np.sin(2 * np.pi * 120 * n * time + n) for n in range(1, 20))
    is_tone, tones = told(voice + 0.25 * np.sin(2 * np.pi * frequency * time), voiced=1.0)
    assert is_tone[0, 1:-1].all()
    assert tones.frequency[0, 20].tolist() == pytest.approx([frequency] * 2, rel=0.01)
    assert abs(20 * np.log10(tones.amplitude[0, 20, 0].item() / 0.25)) < 3
    assert tones.amplitude[0, 20, 1] == 0
    assert not told(voice, voiced=1.0)[0].any()


def test_what_is_no_tone_is_told_otherwise() -> None:
    rng, time = np.random.default_rng(0), np.arange(16_000) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 20))
    chord = sum(np.sin(2 * np.pi * f * time) for f in (262, 330, 392, 523))
    for wave in (0.1 * rng.standard_normal(16_000), 0.1 * voice, 0.1 * chord, np.zeros(16_000), 1e-4 * np.sin(3_000 * time)):
        assert not told(wave)[0].any()
    hum, hiss = np.sin(2 * np.pi * 250 * time), rng.standard_normal(16_000)
    assert told(0.1 * (hum + 0.05 * hiss))[0][0, 1:-1].all()
    assert not told(0.1 * (hum + 0.08 * hiss), voiced=1.0)[0].any(), "a low voice has one strong harmonic"


def test_tones_are_told_where_they_are_most_of_what_is_heard() -> None:
    rng, time = np.random.default_rng(0), np.arange(16_000) / RATE
    sine = np.sin(2 * np.pi * 1_000 * time)
    for below_db, expected in ((10, False), (20, True), (25, True), (40, True)):
        noisy = sine + 10 ** (-below_db / 20) * np.sqrt(0.5) * rng.standard_normal(16_000)
        assert told(0.1 * noisy)[0][0, 1:-1].float().mean() == float(expected), below_db
    assert not told(0.1 * np.sign(np.sin(2 * np.pi * 900 * time)))[0].any(), "a siren has harmonics"
    engine = sum(np.sin(2 * np.pi * 30 * n * time) / n for n in range(1, 30))
    assert not told(0.1 * engine)[0].any(), "low harmonics lie within each other's lobes"


@pytest.mark.parametrize("second", [587.3, 659.3, 1046.5])
def test_of_two_notes_in_a_block_no_third_one_is_made(second: float) -> None:
    for change in range(8_000, 8_640, 160):
        pitch = np.where(np.arange(16_000) < change, 523.25, second)
        is_tone, tones = told(0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE))
        heard = tones.frequency[(tones.amplitude > 0.02) & (tones.share > 0.5)[..., None]]
        nearest = torch.minimum((heard / 523.25 - 1).abs(), (heard / second - 1).abs())
        assert is_tone.any()
        assert nearest.max() < 0.03, "half a semitone"


def test_weak_noise_behind_a_voice_is_weaker_and_the_rest_stays() -> None:
    breath, harmonic = torch.tensor([[[-2.0, -0.5, 0.0, 1.5, -9.0]]]), torch.zeros(1, 1, 5)
    drawn = behind_harmonics(breath, harmonic, torch.ones(1, 1))
    torch.testing.assert_close(drawn, torch.tensor([[[-4.0, -1.0, 0.0, 1.5, -9.0 - DEEPEST]]]))
    assert torch.equal(behind_harmonics(breath, harmonic, torch.zeros(1, 1)), breath), "no voice, no change"
    assert torch.equal(behind_harmonics(breath - 3, harmonic - 3, torch.ones(1, 1)), drawn - 3), "only their distance counts"


def test_a_hoarse_tone_is_heard_less_hoarse_and_a_whisper_as_it_was() -> None:
    made = SourceFilterHead(1).requires_grad_(False)
    made.envelopes.weight.zero_()
    made.envelopes.bias[: N_FFT // 2 + 1] = -2.0
    made.envelopes.bias[N_FFT // 2 + 1 :] = -3.0
    x, f0, none = torch.zeros(1, 100, 1), torch.full((1, 100), 200.0), Tones(torch.full((1, 100, 2), 500.0), *no_tones(100))
    sound = {strength: made(x, f0, torch.full((1, 100), strength), none).wave[0] for strength in (1.0, 0.0)}
    period = RATE // 200
    left = (sound[1.0][period:] - sound[1.0][:-period])[4 * HOP : -4 * HOP]  # twice the power of what does not repeat
    noise = (left.square().mean() / 2).sqrt()
    whisper = sound[0.0][4 * HOP : -4 * HOP].square().mean().sqrt()
    assert 0.3 < noise / whisper < 0.45, "a distance of 1, doubled: e⁻¹"


def test_products_are_the_same_wherever_they_lie_in_memory() -> None:
    one = torch.randn(3, 321, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    other = torch.polar(torch.ones(321), torch.linspace(0, 9, 321))
    together = product(one, other)
    assert all(torch.equal(row, product(item[None], other)[0]) for row, item in zip(together, one, strict=True))
    torch.testing.assert_close(together, one * other)


def no_tones(frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(1, frames, 2), torch.zeros(1, frames)


def test_dispersed_pulses_are_as_loud_and_reach_less_high() -> None:
    head = SourceFilterHead(4)
    pulses = torch.zeros(1, 16_000)
    pulses[:, ::160] = 1.0
    voice = 1 / (1 + (torch.arange(321) * 25 / 500) ** 2)  # that falls by 12 dB an octave
    peaks = {}
    for name, turn in (("together", torch.ones_like(head.dispersion)), ("dispersed", head.dispersion)):
        wave = head._overlap(torch.fft.irfft(voice * turn * head._frames(pulses), head.n_fft))[0, 4_000:12_000]
        peaks[name] = (wave.abs().max() / wave.square().mean().sqrt()).item()
    assert peaks["dispersed"] < peaks["together"] / 1.5


def test_a_beep_fades_in_and_out_and_keeps_its_height() -> None:
    is_tone = torch.tensor([[False, True, True, False, False]])
    tones = tone_tracks(is_tone, torch.full((1, 2, 5), 300 * 16 + 12), 4, 8192)
    fade = [0.125, 0.375, 0.625, 0.875]
    assert tones.share[0].tolist() == pytest.approx([0, 0, *fade, 1, 1, 1, 1, *fade[::-1]] + [0] * 6)
    heard = tones.share[0] > 0
    assert tones.frequency[0, heard].std() < 0.01
    torch.testing.assert_close(20 * tones.amplitude[0, heard].log10(), torch.full((int(heard.sum()), 2), -15.0))


@pytest.mark.parametrize("frequency", [100.0, 443.3, 1003.0, 2018.75, 6990.0])
def test_a_steady_tone_has_its_level_its_frequency_and_nothing_else(frequency: float) -> None:
    wave = drawn(torch.full((150,), frequency), 0.5)[2_000:18_000]
    assert np.abs(wave).max() == pytest.approx(0.5, abs=0.002)
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) + 1e-12)
    assert spectrum.argmax() == pytest.approx(frequency, abs=0.51)
    far = np.abs(np.arange(len(spectrum)) - frequency) > 40  # beyond the side lobes of the window that measures
    assert spectrum[far].max() < spectrum.max() - 50, "the rest of the lobe is left out, which flutters at the rate of frames"


def test_a_sweep_keeps_its_level() -> None:
    wave = drawn(torch.linspace(400, 1_200, 200), 0.5)[2_000:-2_000]
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.005)


def test_the_lobe_is_that_of_a_hann_window() -> None:
    window = np.hanning(N_FFT + 1)[:-1]
    for offset in (0.0, 0.3, 0.999, 1.0, 1.7, 2.4):
        ramp = np.exp(-2j * np.pi * offset * (np.arange(N_FFT) - N_FFT / 2) / N_FFT)
        expected = (window * ramp).sum().real / window.sum()
        assert hann_lobe(torch.tensor(offset)).item() == pytest.approx(expected, abs=2e-3)


def test_sizes_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="n_fft 600 must be a multiple of hop_length 160"):
        SourceFilterHead(4, n_fft=600)


def test_the_state_is_a_few_integers() -> None:
    state = SourceFilterHead(4).start(3)
    assert isinstance(state, Phases)
    assert (state.pitch.shape, state.tones.shape) == ((3,), (3, 2))
