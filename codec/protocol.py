"""What codecs of tokens offer: all of them, and those with a semantic stream, ours and the published one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from codec.errors import CodecError
from codec.streaming import WHOLE, Grid
from codec.token_spec import TokenSpec
from codec.tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor

    from codec.audio.samples import Wave
    from codec.container.entropy import EntropyModel
    from codec.patterns import Numbers

Stream = Literal["semantic", "acoustic", "both"]


@runtime_checkable
class AudioCodec(Protocol):
    """A codec of tokens: ours, the published SemantiCodec, and every neural baseline."""

    @property
    def sample_rate(self) -> int:
        """The sample rate of decoded audio, in Hz."""
        ...

    @property
    def frame_rate(self) -> float:
        """Frames per second; each has one token of every stream."""
        ...

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The codebook size of each stream."""
        ...

    @property
    def bitrate(self) -> float:
        """Bits per second, before container overhead."""
        ...

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its weights and settings, which its tokens carry: 16 hexadecimal digits."""
        ...

    def encode(self, wave: Wave, sample_rate: int, *, lengths: Tensor | None = None) -> Tokens:
        """``(B, samples)``, ``(samples,)`` or a list of clips, at any sample rate → tokens."""
        ...

    def decode(self, tokens: Tokens) -> Tensor:
        """→ ``(B, samples)`` at ``self.sample_rate``."""
        ...

    def embed(self, tokens: Tokens) -> Tensor:
        """→ ``(B, N, D)`` vectors for probes and language models."""
        ...


class Encoding(Protocol):
    """An encoder to push audio into.

    Attributes:
        samples: that were pushed, of each channel.
        window: seconds of audio whose codes become known together; infinite for all of it.
    """

    samples: int

    @property
    def window(self) -> float: ...

    def push(self, block: Wave) -> Tensor:
        """``(channels, n)`` samples → ``(channels, S, m)`` codes that are known now."""
        ...

    def flush(self) -> Tensor:
        """The codes that are left."""
        ...


class Decoding(Protocol):
    """A decoder to push codes into."""

    def push(self, codes: Tensor | np.ndarray) -> Tensor:
        """``(channels, S, n)`` codes → ``(channels, m)`` samples that are known now."""
        ...

    def flush(self) -> Tensor:
        """The samples that are left."""
        ...


class SemanticCodec(AudioCodec, Protocol):
    """A codec whose first stream tells what is heard, at several rates and vocabularies.

    Attributes:
        name: how it was loaded.
        rate: default tokens per second.
        vocab: default semantic vocabulary.
        folder: that it was loaded from, if it is one folder.
    """

    name: str
    rate: int
    vocab: int
    folder: Path | None

    @property
    def version(self) -> str:
        """What a result with sound in it depends on."""
        ...

    @property
    def entropy(self) -> EntropyModel:
        """Tables for entropy-coded containers."""
        ...

    @property
    def rates(self) -> tuple[int, ...]:
        """Tokens per second that can be chosen."""
        ...

    @property
    def vocabs(self) -> tuple[int, ...]:
        """Semantic vocabularies that can be chosen."""
        ...

    def spec(self, rate: int | None = None, vocab: int | None = None) -> TokenSpec:
        """What its tokens are at a rate and vocabulary."""
        ...

    def encode(
        self,
        wave: Wave,
        sample_rate: int,
        rate: int | None = None,
        vocab: int | None = None,
        lengths: Tensor | None = None,
    ) -> Tokens:
        """A batch of clips → tokens."""
        ...

    def embed(self, tokens: Tokens, stream: Stream = "both") -> Tensor:
        """→ ``(B, N, D)`` vectors for probes and language models."""
        ...

    def tokens(
        self,
        codes: Numbers,
        rate: int | None = None,
        vocab: int | None = None,
        layout: str = "parallel",
        lengths: Tensor | None = None,
        sample_rate: int | None = None,
    ) -> Tokens:
        """Tokens of a language model's numbers."""
        ...

    def stream_encoder(
        self, sample_rate: int, channels: int = 1, rate: int | None = None, vocab: int | None = None, grid: Grid = WHOLE
    ) -> Encoding:
        """An encoder to push audio into."""
        ...

    def stream_decoder(self, tokens: Tokens | None = None, grid: Grid = WHOLE) -> Decoding:
        """A decoder to push codes into."""
        ...

    def check(self, tokens: Tokens) -> None:
        """Refuses tokens that this model cannot decode."""
        ...

    def describe(self, sample_rate: int, rate: int | None = None, vocab: int | None = None, channels: int = 1) -> Tokens:
        """Tokens of no audio."""
        ...

    def silence(self, tokens: Tokens) -> Tensor:
        """``(S,)`` codes of a frame of digital silence at the rate and vocabulary of ``tokens``."""
        ...


def check_stream(tokens: Tokens, stream: Stream) -> None:
    """Refuses a stream that there is not.

    Raises:
        CodecError: no such stream, or the acoustic one is asked for and these tokens have none.
    """
    if stream not in get_args(Stream):
        raise CodecError(f"stream {stream!r} is not one of {', '.join(get_args(Stream))}")
    if stream != "semantic" and tokens.codes.shape[1] < 2:
        raise CodecError("these tokens have no acoustic stream")
