"""Profiles: where every codec of a band of bit rates lies between noise and the sound itself, figure by figure. No grades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.exam.card import Card, Examined, value_of
from benchmarks.exam.columns import BANDS, PROFILE, Axis
from benchmarks.exam.opening import NOISE, ORIGINAL
from eval.reconstruction.trained import DAGGER

ENDS = {"dwer": (100.0, 0.0), "gross_pitch_error": (100.0, 0.0), "kept_noise30": (0.0, 100.0), "kept_shift": (0.0, 100.0)}
"""Worst and best of figures that noise or the sound itself have not, or have by chance."""
ROW, LABEL, WIDTH, TOP = 26, 150, 430, 8
"""Of the picture, in pixels."""


@dataclass(frozen=True)
class Dot:
    """A figure in the picture.

    Attributes:
        x, y: in pixels.
        title: what is said of it when it is pointed at.
        hollow: the codec was trained with it.
    """

    x: float
    y: float
    title: str
    hollow: bool


@dataclass(frozen=True)
class Profile:
    """The profile of one codec.

    Attributes:
        codec: its name.
        colour: of its line.
        dashed: another operating point of the same family comes before it in this band.
        dots: from top to bottom.
    """

    codec: str
    colour: str
    dashed: bool
    dots: tuple[Dot, ...]

    @property
    def points(self) -> str:
        """The points of an SVG polyline."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


@dataclass(frozen=True)
class Band:
    """A picture.

    Attributes:
        title: of the band.
        axes: titles of the rows.
        profiles: one a codec.
    """

    title: str
    axes: tuple[str, ...]
    profiles: tuple[Profile, ...]

    @property
    def height(self) -> int:
        """The height in pixels."""
        return TOP + ROW * len(self.axes) + 22


def bands(card: Card) -> list[Band]:
    """Pictures of those bands that have a codec."""
    found = []
    for low, high in BANDS:
        inside = [codec for codec in card.codecs if not codec.anchor and codec.kbps is not None and low < codec.kbps <= high]
        axes = [axis for axis in PROFILE if any(position(card.codecs, codec, axis) is not None for codec in inside)]
        if inside and axes:
            title = f"{low:g} to {high:g} kbps" if high < float("inf") else f"above {low:g} kbps"
            profiles = tuple(_profile(card.codecs, inside, number, axes) for number in range(len(inside)))
            found.append(Band(title, tuple(axis.title for axis in axes), profiles))
    return found


def position(codecs: Sequence[Examined], codec: Examined, axis: Axis) -> float | None:
    """Where a figure lies, from 0, as noise, to 1, as the sound itself; None where it is not known."""
    value = value_of(codec, axis.group, axis.key)
    anchors = {other.name: value_of(other, axis.group, axis.key) for other in codecs if other.anchor}
    worst, best = ENDS.get(axis.key, (anchors.get(NOISE), anchors.get(ORIGINAL)))
    if value is None or worst is None or best is None or worst == best:
        return None
    return min(1.0, max(0.0, (value - worst) / (best - worst)))


def _profile(codecs: Sequence[Examined], inside: Sequence[Examined], number: int, axes: Sequence[Axis]) -> Profile:
    codec = inside[number]
    dots = []
    for row, axis in enumerate(axes):
        place = position(codecs, codec, axis)
        if place is not None:
            value = value_of(codec, axis.group, axis.key)
            figure = codec.figures[axis.group][axis.key]
            hollow = figure.trained_with is not None
            title = f"{codec.name}, {axis.title}: {value:.3g}{DAGGER if hollow else ''}"
            dots.append(Dot(LABEL + place * WIDTH, TOP + ROW * (row + 0.5), title, hollow))
    before = any(other.colour == codec.colour for other in inside[:number])
    return Profile(codec.name, codec.colour, before, tuple(dots))
