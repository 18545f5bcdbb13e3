"""The ``codec`` command. Nothing here imports torch until a command needs it."""

from codec.cli.main import main

__all__ = ["main"]
