"""A few clips to hear and see: the original and what every codec made of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.spectrogram import draw, log_spectrogram
from codec.atomic import atomic_path
from codec.audio.io import resample
from codec.baselines.interface import Reconstructor
from codec.data.domains import Domain
from codec.data.testsets.clip import Clip
from codec.errors import CodecError, one_line
from eval.reconstruction.delay import advanced
from eval.reconstruction.results import Results
from eval.reconstruction.worker import checked

SECONDS = 8.0
"""Of a clip that are embedded."""
STRIP_HEIGHT, STRIP_WIDTH = 72, 1200
MAX_EMBEDDED_RATE = 48_000


@dataclass(frozen=True)
class Track:
    """What one codec made of a clip.

    Attributes:
        label: the codec, or ``original``.
        kbps: of this clip; None for the original.
        wave: ``(samples,)`` float32; None where the codec failed.
        problem: why, then.
    """

    label: str
    kbps: float | None
    wave: np.ndarray | None
    problem: str = ""


@dataclass(frozen=True)
class Example:
    """A clip with all its tracks, the original first.

    Attributes:
        name: of the clip.
        domain: speech, music or sound.
        text: what is said, where known.
        sample_rate: of all tracks, in Hz.
        tracks: all equally long.
    """

    name: str
    domain: Domain
    text: str | None
    sample_rate: int
    tracks: tuple[Track, ...]


def make_examples(
    results: Results, clips: Sequence[Clip], open_codec: Callable[[str], Reconstructor], per_domain: int
) -> list[Example]:
    """Sends the first readable clips of every domain through every codec that was run on them."""
    readable = [clip for clip in clips if clip.name not in results.unreadable]
    chosen = [clip for domain in results.domains for clip in [c for c in readable if c.domain == domain][:per_domain]]
    tracks: dict[str, list[Track]] = {clip.name: [] for clip in chosen}
    waves = {clip.name: _beginning(*clip.load()) for clip in chosen}
    for info in results.codecs:
        if info.name == "original":
            continue
        ran = {row.clip for row in results.rows if row.codec == info.name}
        codec: Reconstructor | None = None
        for clip in chosen:
            if clip.name in ran:
                try:
                    codec = codec or advanced(open_codec(info.name), info.delay)
                    tracks[clip.name].append(_track(codec, info.name, *waves[clip.name]))
                except Exception as error:  # counted in the tables already; here it only lacks its sound
                    tracks[clip.name].append(Track(info.name, None, None, one_line(f"{type(error).__name__}: {error}")))
    return [
        Example(clip.name, clip.domain, clip.text, waves[clip.name][1],
                (Track("original", None, waves[clip.name][0]), *tracks[clip.name]))
        for clip in chosen
    ]  # fmt: skip


def as_flac(wave: np.ndarray, sample_rate: int) -> bytes:
    """16-bit FLAC: lossless, so that nothing is heard but the codec, and every browser decodes it."""
    rate = min(sample_rate, MAX_EMBEDDED_RATE)
    if rate != sample_rate:
        wave = resample(wave[None], sample_rate, rate)[0]
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(wave, -1, 1), rate, "PCM_16", format="FLAC")
    return buffer.getvalue()


def strip(wave: np.ndarray, sample_rate: int) -> bytes:
    """A WebP picture of the log-spectrogram, as wide as the clip is long.

    Raises:
        CodecError: matplotlib, or Pillow that it brings, is not installed.
    """
    try:
        from matplotlib import colormaps
        from PIL import Image
    except ImportError as error:
        raise CodecError("pictures need matplotlib: pip install 'semcodec[plot]'") from error
    level = log_spectrogram(wave)
    top = min(level.shape[0], round(level.shape[0] * 8_000 / (sample_rate / 2)))
    shade = np.clip((level[:top][::-1] + 100) / 80, 0, 1)
    colours = (colormaps["magma"](shade)[..., :3] * 255).astype(np.uint8)
    picture = Image.fromarray(colours).resize((STRIP_WIDTH, STRIP_HEIGHT * 2), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=60, method=4)
    return buffer.getvalue()


def write_sheets(examples: Sequence[Example], folder: Path) -> None:
    """One picture a clip, ``sheets/DOMAIN-N.png``: original and every codec, one above the other."""
    (folder / "sheets").mkdir(parents=True, exist_ok=True)
    count: dict[str, int] = {}
    for example in examples:
        count[example.domain] = count.get(example.domain, 0) + 1
        shown = [(title(track), track.wave) for track in example.tracks if track.wave is not None]
        with atomic_path(folder / "sheets" / f"{example.domain}-{count[example.domain]}.png") as path:
            draw(shown, example.sample_rate, path)


def title(track: Track) -> str:
    """Label and bitrate."""
    return track.label if track.kbps is None else f"{track.label} · {track.kbps:.2f} kbps"


def _beginning(wave: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    return wave[: round(SECONDS * sample_rate)], sample_rate


def _track(codec: Reconstructor, label: str, wave: np.ndarray, sample_rate: int) -> Track:
    encoded = codec.encode(wave, sample_rate)
    return Track(label, encoded.bitrate / 1000, checked(codec.decode(encoded), encoded, len(wave)))
