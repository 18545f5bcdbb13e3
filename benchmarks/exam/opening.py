"""What can be examined: codecs by name, any pair of programs, and the sound itself and noise, which all figures lie between."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.voices.oracles import open_system
from codec.baselines.interface import Reconstructor
from codec.baselines.pair import PairCodec
from codec.baselines.registry import require_known
from codec.errors import CodecError

ORIGINAL, NOISE = "original", "noise"
ANCHORS = (ORIGINAL, NOISE)


@dataclass(frozen=True)
class Opener:
    """Opens what is examined; goes to other processes with the exam.

    Attributes:
        commands: encoder and decoder of pairs of programs, by name.
    """

    commands: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __call__(self, name: str) -> Reconstructor:
        """A codec at its operating point.

        Raises:
            CodecError: unknown, or something it needs is missing.
        """
        if name in self.commands:
            return PairCodec(name, *self.commands[name])
        return open_system(name)

    def check(self, name: str) -> None:
        """Refuses a name that nobody knows, before anything is measured; whether all it needs is here is not looked at.

        Raises:
            CodecError: it is unknown.
        """
        if name not in self.commands and name not in ANCHORS:
            require_known(name.partition("!")[0])

    def named(self, encoder: str, decoder: str) -> str:
        """A name for a pair of programs: the first word of the encoder, without folders.

        Raises:
            CodecError: it has no words.
        """
        words = encoder.split()
        if not words or not decoder.split():
            raise CodecError("--command takes an encoder and a decoder: --command 'my_enc {in} {bits}' 'my_dec {bits} {out}'")
        return f"{words[0].rpartition('/')[2]} (programs)"
