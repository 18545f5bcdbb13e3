import numpy as np

from benchmarks.quality import align
from benchmarks.spectrogram import draw, log_spectrogram


def test_align_finds_a_delay_and_an_advance() -> None:
    wave = np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    for lag in (0, 37, -211):
        moved = np.roll(np.pad(wave, 500), lag)[500:-500]
        aligned = align(moved, wave)
        assert len(aligned) == len(wave)
        assert np.corrcoef(aligned[600:-600], wave[600:-600])[0, 1] > 0.999


def test_spectrogram_scale_and_picture(tmp_path) -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    level = log_spectrogram(tone)
    assert level[:, 50].argmax() == 64
    assert abs(level.max()) < 0.5
    draw([("a", tone), ("b", 0 * tone)], 16_000, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5_000
