"""Log-spectrograms one above the other, as the SemantiCodec paper shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codec.errors import CodecError

N_FFT, HOP_LENGTH, RANGE_DB = 1024, 160, 80.0


def log_spectrogram(wave: np.ndarray) -> np.ndarray:
    """``(samples,)`` → ``(bins, frames)`` in dB below a full-scale sine; less than a window is filled up with zeros."""
    wave = np.pad(wave, (0, max(0, N_FFT - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, N_FFT // 2, mode="reflect"), N_FFT)[::HOP_LENGTH]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(N_FFT + 1)[:-1])).T
    return np.asarray(20 * np.log10(spectrum * 4 / N_FFT + 1e-7), np.float32)


def draw(panels: Sequence[tuple[str, np.ndarray]], sample_rate: int, path: Path) -> None:
    """Writes a picture with one panel for each ``(title, samples)``.

    Raises:
        CodecError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise CodecError("pictures need matplotlib: pip install semcodec[plot]") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        len(panels), 1, figsize=(10, 2.6 * len(panels)), sharex=True, squeeze=False, layout="constrained"
    )
    for axis, (title, wave) in zip(axes[:, 0], panels, strict=True):
        extent = (0, len(wave) / sample_rate, 0, sample_rate / 2000)
        level = log_spectrogram(wave)
        image = axis.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-RANGE_DB - 20, vmax=-20)
        axis.set_title(title, loc="left", fontsize=10, parse_math=False)
        axis.set_ylabel("kHz")
    axes[-1, 0].set_xlabel("seconds")
    figure.colorbar(image, ax=axes, label="dB", pad=0.01)
    figure.savefig(path, dpi=80)
    plt.close(figure)
