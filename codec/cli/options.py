"""What ``codec encode`` and ``codec decode`` are told, for files and for live streams alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codec.container.part import Part
from codec.errors import CodecError


@dataclass(frozen=True)
class EncodeOptions:
    """The options of ``codec encode``.

    Attributes:
        model: name or folder.
        device: where its networks run.
        rate: tokens per second; None: the model's default.
        vocab: semantic vocabulary; None: the model's default.
        format: ``sct``, ``npy`` or ``jsonl``.
        semantic_only: leave out the acoustic tokens.
        entropy: entropy-code the container.
        strict: refuse audio of which something is missing.
        json: reports as JSON lines.
    """

    model: str
    device: str
    rate: int | None
    vocab: int | None
    format: str
    semantic_only: bool
    entropy: bool
    strict: bool
    json: bool


@dataclass(frozen=True)
class DecodeOptions:
    """The options of ``codec decode``.

    Attributes:
        model: name or folder.
        device: where its networks run.
        decoder: ``fast`` or ``diffusion``.
        sample_rate: of the output in Hz; None: that of the original.
        conceal: mute damaged chunks.
        json: reports as JSON lines.
        part: that is wanted; None: all.
        quick: begin shortly before the part.
    """

    model: str
    device: str
    decoder: str
    sample_rate: int | None
    conceal: bool
    json: bool
    part: Part | None
    quick: bool


def seconds_of(time: str | None) -> float | None:
    """A time of the command line.

    Raises:
        CodecError: it is none.

    Example:
        >>> seconds_of("30.5"), seconds_of("1:02:03")
        (30.5, 3723.0)
    """
    if time is None:
        return None
    if not re.fullmatch(r"(\d+:)?(\d+:)?\d+(\.\d*)?", time):
        raise CodecError(f"{time} is no time; seconds are, as 90.5, and 1:30.5 and 1:02:03")
    seconds = 0.0
    for digits in time.split(":"):
        seconds = 60 * seconds + float(digits)
    return seconds
