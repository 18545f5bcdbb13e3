"""One page that needs nothing else: plots, tables, what failed, and a player that switches codecs while it plays."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.sweep.listening import Example, as_flac, strip
from benchmarks.sweep.paper import CITATION
from benchmarks.sweep.plots import Panel
from benchmarks.sweep.tables import Table
from codec.errors import CodecError
from eval.colours import svg_of
from eval.reconstruction.results import Results
from eval.reconstruction.show import problems

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent


@dataclass(frozen=True)
class ShownTrack:
    """A track as the page has it.

    Attributes:
        title: codec.
        sign: its marker in its colour, an element of SVG.
        rate: bitrate of this clip, or empty.
        audio: FLAC in base64, or empty.
        picture: data address of its spectrogram, or empty.
        problem: why there is no audio.
    """

    title: str
    sign: str
    rate: str
    audio: str
    picture: str
    problem: str


@dataclass(frozen=True)
class ShownExample:
    """A clip as the page has it.

    Attributes:
        name: of the clip.
        domain: speech, music or sound.
        text: what is said, or empty.
        seconds: long.
        tracks: reference first.
    """

    name: str
    domain: str
    text: str
    seconds: float
    tracks: tuple[ShownTrack, ...]


def render(
    results: Results,
    overview: str | None,
    plots: dict[Panel, str],
    tables: Sequence[Table],
    differences: Sequence[Table],
    used: Sequence[Table],
    examples: Sequence[Example],
    paper: bool,
) -> str:
    """The page. Everything in it is escaped, and its content security policy lets nothing in from outside.

    Args:
        results: of the run.
        overview: SVG of the headline panels.
        plots: SVG by panel.
        tables: of figures.
        differences: paired, from one codec.
        used: how much of their codebooks codecs use.
        examples: to listen to.
        paper: whether published points are drawn in.

    Raises:
        CodecError: jinja2 is not installed.
    """
    template = template_of("report.html.j2")
    style, script = (HERE / "report.css").read_text("utf-8"), (HERE / "report.js").read_text("utf-8")
    return template.render(
        results=results,
        provenance=results.provenance,
        overview=overview and _svg(overview),
        plots={panel: _svg(svg) for panel, svg in plots.items()},
        tables=tables,
        differences=differences,
        used=used,
        problems=problems(results),
        examples=[shown(example) for example in examples],
        citation=CITATION if paper else "",
        sign=svg_of,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def template_of(name: str, *folders: Path) -> Template:
    """A template in one of these folders or in this one; what is filled in is escaped, and must be there.

    Raises:
        CodecError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise CodecError("reports need jinja2: pip install 'semcodec[plot]'") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def shown(example: Example) -> ShownExample:
    """Sound and pictures as a page has them."""
    tracks = []
    for track in example.tracks:
        sign, rate = svg_of(track.label), "" if track.kbps is None else f"{track.kbps:.2f} kbps"
        if track.wave is None:
            tracks.append(ShownTrack(track.label, sign, rate, "", "", track.problem))
            continue
        audio = base64.b64encode(as_flac(track.wave, example.sample_rate)).decode()
        picture = base64.b64encode(strip(track.wave, example.sample_rate)).decode()
        tracks.append(ShownTrack(track.label, sign, rate, audio, f"data:image/webp;base64,{picture}", ""))
    reference = example.tracks[0].wave
    assert reference is not None
    return ShownExample(example.name, example.domain, example.text or "", len(reference) / example.sample_rate, tuple(tracks))


def _svg(text: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
