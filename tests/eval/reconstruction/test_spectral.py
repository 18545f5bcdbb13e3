import numpy as np
import pytest
import torch

from eval.reconstruction.interface import MetricError
from eval.reconstruction.spectral import MEL_WINDOWS, N_MELS, mel_distance, metrics, stft_distance


def magnitudes(wave: np.ndarray, size: int) -> np.ndarray:
    """``(frames, bins)``, written down once more from the definition."""
    padded = np.pad(wave.astype(np.float64), size // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    starts = range(0, len(padded) - size + 1, size // 4)
    return np.abs(np.fft.rfft(np.stack([padded[s : s + size] * window for s in starts])))


def slaney(hertz: np.ndarray) -> np.ndarray:
    """Linear to 1 kHz (15 mel), then 27 mel a factor of 6.4."""
    return np.where(hertz < 1000, 3 * hertz / 200, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4))


def mel_bank(size: int, bands: int) -> np.ndarray:
    fine = np.linspace(0, 8000, 1_000_001)
    corners = np.interp(np.linspace(0, slaney(np.array([8000.0]))[0], bands + 2), slaney(fine), fine)
    bins = np.arange(size // 2 + 1) * 16_000 / size
    bank = [
        np.clip(np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)), 0, None) * 2 / (high - low)
        for low, peak, high in zip(corners, corners[1:], corners[2:], strict=False)
    ]
    return np.stack(bank, 1)


def test_agree_with_the_definitions(speech) -> None:
    first = speech[0, 8000:24000]
    second = 0.5 * first + 0.01 * np.random.default_rng(0).standard_normal(len(first)).astype(np.float32)
    mel = stft = 0.0
    for size, bands in zip(MEL_WINDOWS, N_MELS, strict=True):
        logs = [np.log10(np.maximum(magnitudes(wave, size) @ mel_bank(size, bands), 1e-5)) for wave in (first, second)]
        mel += np.abs(logs[0] - logs[1]).mean()
    for size in (2048, 512):
        a, b = magnitudes(first, size), magnitudes(second, size)
        stft += np.abs(np.log10(np.maximum(a, 1e-5) ** 2) - np.log10(np.maximum(b, 1e-5) ** 2)).mean() + np.abs(a - b).mean()
    tensors = torch.from_numpy(first)[None], torch.from_numpy(second)[None]
    assert mel_distance(*tensors).item() == pytest.approx(mel, rel=1e-3)
    assert stft_distance(*tensors).item() == pytest.approx(stft, rel=1e-3)


def test_a_tenth_of_the_level_is_one_decade_at_each_of_seven_scales() -> None:
    noise = torch.randn(3, 16000, generator=torch.Generator().manual_seed(0))
    # Four bands of 320 lie between two bins and are empty, the same in both.
    assert mel_distance(noise, noise / 10).tolist() == pytest.approx([7.0] * 3, abs=0.05)
    assert mel_distance(noise, noise).tolist() == [0.0] * 3


def test_shorter_than_half_a_window(make_pair) -> None:
    for metric in metrics():
        with pytest.raises(MetricError, match="half a window"):
            metric.function(make_pair(reference=np.ones(1024)))
        assert metric.function(make_pair(reference=np.ones(1100))) == 0
