"""``codec eval demo``: a static page of clips, the original beside every codec, as codec papers have one.

It needs no server: sounds are ``<audio>`` elements, spectrograms are pictures, and the script is a plain one, since
browsers load no modules from a disk.
"""

from __future__ import annotations

import html
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from codec.errors import CodecError
from eval.colours import svg_of
from eval.listening.make import Sounds, prepare, too_few
from eval.listening.study import REFERENCE
from eval.listening.web import PAGE

if TYPE_CHECKING:
    from codec.baselines.interface import Reconstructor
    from codec.data.testsets import Clip

N_FFT, COLUMNS, RANGE_DB = 1024, 360, 75.0
_FILES = ("demo.js", "demo.css", "style.css", "icon.svg")


def write_demo(
    folder: Path,
    clips: Sequence[Clip],
    codecs: Sequence[Reconstructor],
    counts: dict[str, int],
    title: str,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Writes ``index.html`` with its sounds and pictures, whole or not at all.

    Args:
        folder: to write; must not exist, or be empty.
        clips: to choose from.
        codecs: columns, after the original.
        counts: rows of each domain.
        title: heading.
        seed: of the choice.
        say: told what was cut or left out, and how far it is.

    Raises:
        CodecError: too few clips, a codec that fails or has random weights, matplotlib missing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CodecError(f"{folder}: exists and is not empty")
    untrained = [codec.name for codec in codecs if not codec.trained]
    if untrained or not codecs:
        raise CodecError(f"{untrained[0]} has random weights" if untrained else "a demo page needs at least one codec")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=folder.parent) as scratch:
        root = Path(scratch) / "page"
        root.mkdir()
        sections = []
        for number, (domain, count) in enumerate(counts.items()):
            rows = prepare(clips, domain, codecs, np.random.default_rng([seed, number]), say)
            cards = []
            for index in range(count):
                sounds = next(rows, None)
                if sounds is None:
                    raise CodecError(too_few(domain, count, index))
                say(f"{domain} {index + 1}/{count}: {sounds.clip}")
                cards.append(_card(root, f"{domain}-{index + 1}", sounds, codecs))
            sections.append(f"<section><h2>{domain.capitalize()}</h2>\n{''.join(cards)}</section>\n")
        for name in _FILES:
            shutil.copy(PAGE / name, root / name)
        page = (PAGE / "demo.html").read_text("utf-8")
        page = page.replace("{title}", html.escape(title)).replace("{sections}", "".join(sections))
        (root / "index.html").write_text(page, "utf-8")
        root.replace(folder)


def _card(root: Path, name: str, sounds: Sounds, codecs: Sequence[Reconstructor]) -> str:
    """One clip: writes its sounds and pictures, gives its part of the page."""
    kbps = {codec.name: f"{codec.bitrate / 1000:.2f} kbps" for codec in codecs}
    cells = []
    for index, (condition, wave) in enumerate(sounds.waves.items()):
        file = f"{name}-{index}"
        soundfile.write(root / f"{file}.flac", wave, sounds.sample_rate, subtype="PCM_16")
        _write_picture(wave, root / f"{file}.png")
        label = "original" if condition == REFERENCE else condition
        sign = svg_of(label)
        cells.append(
            f'<button type="button" class="cell" aria-pressed="false"><img src="{file}.png" alt="" loading="lazy">'
            f'<span class="head"></span><span class="label"><b>{sign}{html.escape(label)}</b> {kbps.get(condition, "")}'
            "</span>"
            "</button>"
            f'<audio src="{file}.flac" preload="none"></audio>\n'
        )
    title = html.escape(Path(sounds.clip).stem)
    return f'<article class="card" aria-label="{title}"><h3>{title}</h3><div class="cells">\n{"".join(cells)}</div></article>\n'


def _write_picture(wave: np.ndarray, path: Path) -> None:
    """A small log-spectrogram up to the Nyquist frequency."""
    try:
        from matplotlib.image import imsave
    except ImportError as error:
        raise CodecError("pictures need matplotlib: pip install 'semcodec[plot]'") from error
    padded = np.pad(wave, N_FFT // 2)
    starts = np.linspace(0, len(wave) - 1, COLUMNS).astype(int)
    frames = padded[starts[:, None] + np.arange(N_FFT)] * np.hanning(N_FFT)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames)).T * 4 / N_FFT + 1e-7)
    level = level[1:].reshape(-1, 4, COLUMNS).max(axis=1)  # four bins into a row, as high as it is shown
    imsave(path, level, cmap="magma", vmin=-RANGE_DB - 20, vmax=-20, origin="lower")
