"""Log-spectrograms one above the other, as the SemantiCodec paper shows them, and tokens between them."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from codec.atomic import atomic_path
from codec.errors import CodecError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_FFT, HOP_LENGTH, RANGE_DB = 1024, 160, 80.0
COLOURS = 96
"""Of a picture, which are enough for it."""
NIGHT = "#0d1117"
"""The ground of a page by night."""
TOKENS_HEIGHT = 0.12
"""Of a stream of tokens, beside a spectrogram's 1."""


@dataclass(frozen=True)
class Tokens:
    """What is drawn as one coloured cell a token; equal tokens have equal colours.

    Attributes:
        codes: ``(streams, frames)`` integers, the semantic ones first.
        frame_rate: in Hz.
    """

    codes: np.ndarray
    frame_rate: float


def log_spectrogram(wave: np.ndarray) -> np.ndarray:
    """``(samples,)`` → ``(bins, frames)`` in dB below a full-scale sine; less than a window is filled up with zeros."""
    wave = np.pad(wave, (0, max(0, N_FFT - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, N_FFT // 2, mode="reflect"), N_FFT)[::HOP_LENGTH]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(N_FFT + 1)[:-1])).T
    return np.asarray(20 * np.log10(spectrum * 4 / N_FFT + 1e-7), np.float32)


def draw(panels: Sequence[tuple[str, np.ndarray | Tokens]], sample_rate: int, path: Path, dark: bool = False) -> None:
    """Writes a picture with one panel for each ``(title, samples)`` or ``(title, tokens)``, all over the same seconds.

    Args:
        panels: from above.
        sample_rate: of all samples, in Hz.
        path: of a PNG.
        dark: for pages by night.

    Raises:
        CodecError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise CodecError("pictures need matplotlib: pip install 'semcodec[plot]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from PIL import Image

    heights = [len(each.codes) * TOKENS_HEIGHT if isinstance(each, Tokens) else 1.0 for _, each in panels]
    seconds = max(len(each) / sample_rate for _, each in panels if not isinstance(each, Tokens))
    with _style(dark):
        figure, axes = plt.subplots(
            len(panels), 1, figsize=(10, 2.6 * sum(heights) + 0.3 * sum(height < 1 for height in heights)), sharex=True,
            squeeze=False, layout="constrained", height_ratios=heights,
        )  # fmt: skip
        for axis, (title, each) in zip(axes[:, 0], panels, strict=True):
            axis.set_title(title, loc="left", fontsize=10, parse_math=False)
            if isinstance(each, Tokens):
                _draw_tokens(axis, each)
            else:
                image = _draw_spectrogram(axis, each, sample_rate)
        axes[-1, 0].set_xlim(0, seconds)
        axes[-1, 0].set_xticks(np.arange(0, seconds, _step(seconds)))
        axes[-1, 0].set_xlabel("seconds")
        figure.colorbar(image, ax=axes, label="dB", pad=0.01)
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=80)
        plt.close(figure)
    with atomic_path(path) as written:
        Image.open(buffer).convert("RGB").quantize(COLOURS).save(written, "PNG", optimize=True)


def _draw_spectrogram(axis: Axes, wave: np.ndarray, sample_rate: int) -> Any:
    extent = (0, len(wave) / sample_rate, 0, sample_rate / 2000)
    axis.set_ylabel("kHz")
    level, limits = log_spectrogram(wave), (-RANGE_DB - 20, -20)
    return axis.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=limits[0], vmax=limits[1])


def _draw_tokens(axis: Axes, tokens: Tokens) -> None:
    streams, frames = tokens.codes.shape
    colours = np.array([[_colour(int(token)) for token in stream] for stream in tokens.codes])
    axis.imshow(colours, aspect="auto", interpolation="nearest", extent=(0, frames / tokens.frame_rate, streams, 0))
    axis.set_yticks([0.5, *([(1 + streams) / 2] if streams > 1 else [])], ["semantic", "acoustic"][:streams], fontsize=8)
    axis.tick_params(length=0, labelbottom=False)


def _colour(token: int) -> tuple[float, float, float]:
    """The colour that the page of ``codec ui`` has."""
    mixed = (token + 1) * 2654435761 % (1 << 32)
    return colorsys.hls_to_rgb(mixed % 360 / 360, (38 + (mixed >> 17) % 34) / 100, (55 + (mixed >> 9) % 30) / 100)


def _step(seconds: float) -> float:
    """Between ticks, of which a picture has nine or so."""
    return next((step for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30) if seconds / step <= 10), 60)


def _style(dark: bool) -> AbstractContextManager[None]:
    from matplotlib import style

    ground: Any = {"figure.facecolor": NIGHT, "savefig.facecolor": NIGHT, "axes.facecolor": NIGHT}
    return style.context(["dark_background", ground] if dark else [])
