"""The head for voices: windows are the whole, tones have their level and frequency, harmonics their pitch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.networks.source_filter import Phases, SourceFilterHead, Tones
from codec.networks.tonebank import STRETCH, ToneBank, hann_lobe

RATE, HOP, N_FFT = 16_000, 160, 640


@pytest.fixture(scope="module")
def head() -> SourceFilterHead:
    torch.manual_seed(0)
    made = SourceFilterHead(16, n_tones=20).eval().requires_grad_(False)
    made.loudness.weight.normal_(0, 0.5)
    return made


def inputs(frames: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Tones]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, frames, 16, generator=generator)
    f0 = 120 * torch.exp(0.05 * torch.randn(1, frames, generator=generator).cumsum(1))
    voiced = (torch.rand(1, frames, generator=generator) > 0.3).float()
    offset, gate = torch.rand(2, 1, frames, 20, generator=generator)  # tones that are there and move
    return x, f0.clamp(60, 500), voiced, Tones(2 * offset - 1, gate)


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


def test_gradients_reach_everything_but_the_places_of_tones() -> None:
    made = SourceFilterHead(8, n_tones=10)
    x = torch.randn(1, 12, 8, requires_grad=True)
    tones = Tones(torch.zeros(1, 12, 10, requires_grad=True), torch.full((1, 12, 10), 0.5, requires_grad=True))
    made(x, torch.full((1, 12), 150.0), torch.ones(1, 12), tones).wave.square().sum().backward()
    for reached in (x, tones.gate, made.envelopes.weight, made.loudness.weight):
        assert reached.grad is not None
        assert reached.grad.abs().sum() > 0
    assert tones.offset.grad is None


def drawn(frequency: torch.Tensor, amplitude: float) -> np.ndarray:
    """A tone of ``(T,)`` frequencies by the bank, overlapped as the head does it."""
    made = SourceFilterHead(4, n_tones=1)
    track = frequency[None, :, None]
    turned = made.bank.phases(track, 0, torch.zeros(1, 1, dtype=torch.int64))
    spectrum = made.bank.spectrum(track, torch.full_like(track, amplitude), turned[:, :-1])
    return made._overlap(torch.fft.irfft(spectrum, N_FFT))[0].numpy()


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


def test_bands_cover_what_can_be_heard_and_overlap_a_little() -> None:
    bank = ToneBank(80, N_FFT, HOP, RATE)
    low, high = (bank.frequency(torch.full((80,), bound)) for bound in (-1.0, 1.0))
    assert low[0] < 50
    assert 7_900 < high[-1] < 8_000
    assert (low[1:] < high[:-1]).all()
    torch.testing.assert_close((high - low) / 2, STRETCH * bank.half_width, atol=1e-3, rtol=1e-5)


def test_sizes_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="n_fft 600 must be a multiple of hop_length 160"):
        SourceFilterHead(4, n_fft=600)


def test_the_state_is_a_few_integers() -> None:
    state = SourceFilterHead(4, n_tones=7).start(3)
    assert isinstance(state, Phases)
    assert (state.pitch.shape, state.tones.shape) == ((3,), (3, 7))
    assert len(set(state.tones[0].tolist())) == 7
