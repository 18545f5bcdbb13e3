"""Errors that a user can cause; the command line prints them as one line and exits with 2."""

from __future__ import annotations


class CodecError(ValueError):
    """Something about the input, the arguments or the installation that the caller can put right."""


class AudioError(CodecError):
    """A file or array that is not usable audio."""


class ContainerError(CodecError):
    """A damaged, truncated, hostile or foreign ``.sct`` stream."""


class ModelError(CodecError):
    """A model that is missing, damaged, or not the one that made the tokens."""
