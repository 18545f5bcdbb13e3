"""Text on terminals and pipes of any encoding: what it lacks is spelt out, and names that are no text come out as they are."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

_PLAIN = {"→": "->", "×": "x", "…": "...", "–": "-", "−": "-", "≤": "<=", "≥": ">="}


def use_any_encoding() -> None:
    """Lets standard output and standard error take every character."""
    codecs.register_error("codec.plain", _spell)
    for stream, own in ((sys.stdout, sys.__stdout__), (sys.stderr, sys.__stderr__)):
        if stream is own and isinstance(stream, io.TextIOWrapper):  # not what a caller has put in its place
            stream.reconfigure(errors="codec.plain")


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for a character that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is not UTF-8
        return bytes([ord(character) - 0xDC00]), error.start + 1
    plain = _PLAIN.get(character, character.encode("ascii", "backslashreplace").decode())
    return plain, error.start + 1


def give_up_output() -> None:
    """Throws away what is still buffered for standard output: it must not fail a second time at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
