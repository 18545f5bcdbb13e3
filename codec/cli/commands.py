"""The sub-commands that live elsewhere: named here, imported when they are called."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from codec.errors import CodecError


@dataclass(frozen=True)
class Later:
    """A sub-command that is not imported yet.

    Attributes:
        home: module and attribute, as in ``train.cli:train``.
        about: the first paragraph of its help, for the list of commands.
    """

    home: str
    about: str


LATER = {
    "export": Later(
        "train.cli:export", "Write a trained codec for codec.load and --model, or a model in the formats of others."
    ),
    "exam": Later(
        "benchmarks.cli:exam",
        "Examine any codec: words, voice, tones, music, robust tokens, cost, on one card. Exit code 1 if anything failed.",
    ),
    "serve": Later(
        "codec.serve.cli:serve",
        "Serve POST /encode, POST /decode, WS /stream, /healthz, /metrics; the API is described at /docs.",
    ),
    "sweep": Later(
        "benchmarks.cli:sweep",
        "Rate and distortion of many codecs on the same clips: tables, plots, a page; exit code 1 if anything failed.",
    ),
    "tokenize": Later(
        "codec.tokenize.cli:tokenize",
        "Turn a corpus into shards of tokens. Exit code 1: done, but some rows failed; the manifest names them.",
    ),
    "train": Later(
        "train.cli:train", "Train a codec from audio files. What is done already is skipped, what was interrupted goes on."
    ),
    "ui": Later(
        "eval.listening.cli:ui",
        "Try codecs on your own sounds: record or drop a file, switch in place, see spectrograms and tokens.",
    ),
    "bench": Later("benchmarks.cli:app", "Measure this machine: speed and memory."),
    "eval": Later("eval.cli:app", "Measure a codec: how close its output is, what its tokens mean."),
    "probe": Later("benchmarks.semantics.cli:app", "Measure how much meaning tokens and latents carry."),
}
"""In the order of the list. These are names, not imports: what stands above this package is imported when a user calls it."""


class LazyGroup(TyperGroup):
    """Commands of its own, and those of `LATER`, of which it knows one line each until one is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, later in LATER.items():
            self.commands[name] = TyperCommand(name, help=later.about)

    def resolve_command(self, context: Any, words: list[str]) -> Any:
        """Imports the command that is called, and no other."""
        if words and words[0] in LATER:
            self.load(words[0])
        return super().resolve_command(context, words)

    def load(self, name: str) -> None:
        """Imports a command, with all that its own module imports.

        Raises:
            CodecError: something that it imports is missing or broken.
        """
        module, _, attribute = LATER[name].home.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except CodecError:
            raise
        except Exception as error:  # a broken package raises what it likes
            raise CodecError(f"codec {name} cannot be loaded: {type(error).__name__}: {error}") from error
        around = typer.Typer(add_completion=False)
        around.callback()(lambda: None)
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=name)
        else:
            around.command(name)(found)
        self.commands[name] = typer.main.get_group(around).commands[name]
