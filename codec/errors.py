"""Errors that a user can cause; the command line prints them as one line and exits with 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class CodecError(ValueError):
    """Something about the input, the arguments or the installation that the caller can put right."""


class AudioError(CodecError):
    """A file or array that is not usable audio."""


class ContainerError(CodecError):
    """A damaged, truncated, hostile or foreign ``.sct`` stream."""


class TruncatedError(ContainerError):
    """A ``.sct`` stream that breaks off; what came before is good."""


class ModelError(CodecError):
    """A model that is missing, damaged, or not the one that made the tokens."""


def first_error(error: ValidationError) -> str:
    """What is wrong with data that a schema refused, in a line: the key, unless the fault lies between several, and why."""
    first = error.errors()[0]
    key, reason = ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")
    return f"{key}: {reason}" if key else reason


def one_line(text: str) -> str:
    """A reason without line breaks, and not longer than a list of failures bears."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:299] + "…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a line that refuses a name: those that are spelled like it, or all that there are.

    Example:
        >>> did_you_mean("codek", ["corpus", "codec", "kmeans"])
        '; did you mean codec?'
        >>> did_you_mean("x", ["corpus", "codec"])
        '; there are corpus, codec'
    """
    from difflib import get_close_matches

    names = list(dict.fromkeys(known))
    near = get_close_matches(word, names, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(names)}"
