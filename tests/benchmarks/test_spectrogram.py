import numpy as np

from benchmarks.spectrogram import draw, log_spectrogram


def test_spectrogram_scale_and_picture(tmp_path) -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    level = log_spectrogram(tone)
    assert level[:, 50].argmax() == 64
    assert abs(level.max()) < 0.5
    draw([("a", tone), ("b", 0 * tone)], 16_000, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5_000
