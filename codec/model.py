"""The codec as its users see it: audio → tokens → audio, and vectors for probes and language models."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from codec.arrays import given
from codec.audio.samples import as_batch
from codec.bundled import FORMER, bundled, former
from codec.container.entropy import EntropyModel, load_entropy
from codec.engine import Engine, Point
from codec.errors import CodecError, ModelError
from codec.numbers import tokens_of
from codec.protocol import Stream
from codec.streaming import WHOLE, Grid, StreamDecoder, StreamEncoder, decode_clips, encode_clips
from codec.token_checks import check_codes, check_tokens, require_tokens
from codec.token_spec import TokenSpec
from codec.tokens import Tokens, batch, model_samples, no_tokens
from codec.vectors import codewords, read_in_context

if TYPE_CHECKING:
    from torch import Tensor

    from codec.audio.samples import Wave
    from codec.networks.interface import CodecNetworks
    from codec.networks.token_reader import TokenReader
    from codec.patterns import Numbers

DEFAULT_RATE, DEFAULT_VOCAB = 50, 8192


class Codec:
    """A semantic codec with one set of weights for all rates and vocabularies.

    Args:
        networks: trained weights, which are left as they are, also by gradients; or an engine that has them.
        name: how it was loaded.
        fingerprint: of all that makes tokens; they carry it, and only models with the same one decode them.
        rate: default tokens per second; 50 if the model has it, else the next one to that.
        vocab: default semantic vocabulary; 8192 if the model has it, else its smallest.
        folder: that it was loaded from.
        decoder: fingerprint of what makes sound of tokens; empty if nobody knows.

    Example:
        >>> import codec, torch
        >>> model = codec.load()
        >>> tokens = model.encode(torch.zeros(1, 24000), sample_rate=24000, rate=50)
        >>> tokens.codes.shape, model.decode(tokens).shape
        (torch.Size([1, 2, 25]), torch.Size([1, 16000]))
    """

    def __init__(
        self,
        networks: CodecNetworks | Engine,
        name: str,
        fingerprint: str,
        rate: int | None = None,
        vocab: int | None = None,
        folder: Path | None = None,
        decoder: str = "",
    ) -> None:
        if not isinstance(networks, Engine):
            from codec.networks.engine import TorchEngine

            networks = TorchEngine(networks)
        self.engine = networks
        self.name, self.fingerprint, self.decoder = name, fingerprint, decoder
        self.rate = min(self.rates, key=lambda each: abs(each - DEFAULT_RATE))
        self.vocab = DEFAULT_VOCAB if DEFAULT_VOCAB in self.vocabs else self.vocabs[0]
        self.rate, self.vocab = self._choose(rate, vocab)
        self.folder = folder

    @property
    def networks(self) -> CodecNetworks:
        """The networks themselves; a `CodecError` where they run without torch, and nothing can look inside."""
        return self.engine.networks

    @cached_property
    def entropy(self) -> EntropyModel:
        """Tables for entropy-coded containers.

        Raises:
            ModelError: the model comes without them.
        """
        if self.folder is None:
            raise ModelError(f"{self.name} comes without entropy tables")
        return load_entropy(self.folder, self.fingerprint)

    @cached_property
    def reader(self) -> TokenReader:
        """The network behind `embed_in_context`.

        Raises:
            ModelError: the model comes without one.
            CodecError: it runs without torch.
        """
        networks = self.networks
        if self.folder is None:
            raise ModelError(f"{self.name} comes without a reader of tokens")
        from codec.networks.reader_file import load_reader

        reader = load_reader(self.folder, networks.config, self.fingerprint)
        return reader.to(next(networks.parameters()).device)

    @property
    def version(self) -> str:
        """Fingerprints of tokens and of the decoder: what a result with sound in it depends on."""
        return f"{self.fingerprint}-{self.decoder}" if self.decoder else self.fingerprint

    @property
    def sample_rate(self) -> int:
        """The sample rate of decoded audio, in Hz."""
        return self.engine.sample_rate

    @property
    def rates(self) -> tuple[int, ...]:
        """Tokens per second that can be chosen: semantic and acoustic together."""
        return tuple(self.engine.points)

    @property
    def vocabs(self) -> tuple[int, ...]:
        """Semantic vocabularies that can be chosen."""
        return self.engine.vocabs

    @property
    def frame_rate(self) -> float:
        """Frames per second at the default rate; each has a token of every stream."""
        return self.spec().frame_rate

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The codebook size of each stream, at the default rate and vocabulary."""
        return self.spec().codebook_sizes

    @property
    def bitrate(self) -> float:
        """Bits per second at the default rate and vocabulary."""
        return self.spec().bitrate

    def _frame_rate(self, point: Point) -> float:
        return self.sample_rate / self.engine.frame_length / point.frames_per_token

    def spec(self, rate: int | None = None, vocab: int | None = None) -> TokenSpec:
        """What its tokens are at a rate and vocabulary: streams, codebooks, rates, bits.

        Raises:
            CodecError: unknown rate or vocabulary.
        """
        rate, vocab = self._choose(rate, vocab)
        point = self.engine.points[rate]
        sizes = self.engine.codebook_sizes(vocab)[: point.n_streams]
        return TokenSpec(sizes, self._frame_rate(point), self.fingerprint, self.sample_rate)

    def point_of(self, rate: float) -> Point:
        """Frames of 50 Hz per token at a rate, and tokens per frame.

        Raises:
            CodecError: no such rate.
        """
        if rate not in self.rates:
            raise CodecError(f"rate {rate!r} is not one of {', '.join(map(str, sorted(self.rates)))} tokens/s")
        return self.engine.points[round(rate)]

    def frames_per_token_at(self, rate: float) -> int:
        """50 Hz frames per token at a rate.

        Raises:
            CodecError: no such rate.
        """
        return self.point_of(rate).frames_per_token

    def _frames_per_token(self, tokens: Tokens) -> int:
        for point in self.engine.points.values():
            if self._frame_rate(point) == tokens.frame_rate:
                return point.frames_per_token
        known = sorted({self._frame_rate(point) for point in self.engine.points.values()})
        raise CodecError(f"frame rate {tokens.frame_rate:g} is not one of {', '.join(f'{rate:g}' for rate in known)} Hz")

    def _choose(self, rate: int | None, vocab: int | None) -> tuple[int, int]:
        """Rate and vocabulary, defaults filled in.

        Raises:
            CodecError: the model does not have them.
        """
        rate, vocab = self.rate if rate is None else rate, self.vocab if vocab is None else vocab
        self.frames_per_token_at(rate)
        if vocab not in self.vocabs:
            raise CodecError(f"vocabulary {vocab!r} is not one of {', '.join(map(str, self.vocabs))}")
        return rate, vocab

    def encode(
        self,
        wave: Wave,
        sample_rate: int,
        rate: int | None = None,
        vocab: int | None = None,
        lengths: Tensor | None = None,
    ) -> Tokens:
        """Encodes a batch; every item gives the tokens that it gives alone.

        On a GPU items are resampled and go through the networks together, where rounding may decide a near tie between two
        codes otherwise.

        Args:
            wave: ``(B, samples)``, ``(B, 1, samples)``, ``(samples,)`` or a list of clips of any lengths, of any type that
                `codec.audio.samples.as_batch` takes: floating point with full scale ±1, or signed integers. NaN and infinite
                samples count as 0.
            sample_rate: of ``wave`` in Hz; any.
            rate: tokens per second, default ``self.rate``.
            vocab: semantic vocabulary, default ``self.vocab``.
            lengths: ``(B,)`` true lengths in samples; what lies behind them is not looked at.

        Returns:
            Tokens on the CPU.

        Raises:
            AudioError: samples of another shape, type or scale, wrong lengths, or an impossible sample rate.
            CodecError: unknown rate or vocabulary.
        """
        clips = as_batch(wave, lengths)
        empty = self.describe(sample_rate, rate, vocab, channels=len(clips))
        items: list[np.ndarray] = []
        for start in range(0, len(clips), self.engine.together):
            part, rate_in = self.engine.at_its_rate(clips[start : start + self.engine.together], sample_rate)
            items += encode_clips([self.stream_encoder(rate_in, 1, rate, vocab) for _ in part], part)
        return batch(empty, items, [len(clip) for clip in clips])

    def decode(self, tokens: Tokens) -> Tensor:
        """Decodes a batch.

        Returns:
            ``(B, samples)`` on the CPU, at ``self.sample_rate`` and within ±1: each item as long as its original, then zeros.

        Raises:
            ModelError: another model made the tokens.
            CodecError: codes outside their codebooks.
        """
        self.check(tokens)
        clips, starts = self._in_context(tokens)
        rows: list[np.ndarray] = []
        for begin in range(0, len(clips), self.engine.together):
            rows += self._decode_clips(tokens, clips[begin : begin + self.engine.together])
        counts = [model_samples(int(n), tokens.sample_rate, self.sample_rate) for n in tokens.lengths]
        output = np.zeros((len(rows), max(counts, default=0)), np.float32)
        token = self._frames_per_token(tokens) * self.engine.frame_length
        for index, (row, start, count) in enumerate(zip(rows, starts, counts, strict=True)):
            output[index, :count] = row[start * token :][:count]
        return given(output)

    def _in_context(self, tokens: Tokens) -> tuple[list[np.ndarray], list[int]]:
        """Codes ``(S, N)`` of each item as far as its sound depends on them, and how many of them stand before it."""
        clips, starts = [], []
        for index, frames in enumerate(tokens.frames.tolist()):
            codes, start = tokens.in_context(index)
            clips.append(codes[:, : self._heard(start + frames, self._frames_per_token(tokens))])
            starts.append(start)
            check_codes(clips[-1][None], tokens.codebook_sizes)
        return clips, starts

    def _heard(self, count: int, frames_per_token: int) -> int:
        """Tokens from the beginning that the sound of the first ``count`` depends on, in whole windows: then not even a
        rounding differs from decoding everything.
        """
        core, ahead = WHOLE.fit(frames_per_token, self.engine.decoder_context)
        return (-(-count * frames_per_token // core) * core + ahead) // frames_per_token

    def _decode_clips(self, tokens: Tokens, clips: list[np.ndarray]) -> list[np.ndarray]:
        """Codes ``(S, N)`` of clips, at the rate and vocabulary of ``tokens`` → ``(samples,)``, in whole tokens."""
        return decode_clips([self.stream_decoder(tokens) for _ in clips], clips)

    def tokens(
        self,
        codes: Numbers,
        rate: int | None = None,
        vocab: int | None = None,
        layout: str = "parallel",
        lengths: Tensor | None = None,
        sample_rate: int | None = None,
    ) -> Tokens:
        """Tokens of a language model's numbers.

        Args:
            codes: integers of any type, on any device: ``(S, T)`` or ``(B, S, T)``, or in another layout, as
                `Tokens.arrange` gives them, padded with its special token or not; or a list of such items, of any lengths.
                Fewer streams than the rate has are taken as the first ones, where their number can be seen.
            rate: tokens per second of all streams, default ``self.rate``.
            vocab: semantic vocabulary, default ``self.vocab``.
            layout: that `codec.patterns` has.
            lengths: ``(B,)`` samples of the sound, default: whole frames.
            sample_rate: of ``lengths`` in Hz, default the model's.

        Raises:
            CodecError: unknown rate, vocabulary or layout, other shapes, no integers, or codes that no codebook has.

        Example:
            >>> import codec
            >>> codec.load().tokens([[17, 4, 17], [1, 2, 3]], rate=50).rate
            50.0
        """
        return tokens_of(self, codes, rate, vocab, layout, lengths, sample_rate)

    def embed(self, tokens: Tokens, stream: Stream = "both") -> Tensor:
        """Vectors of tokens, for probes and language models.

        Returns:
            ``(B, N, D)`` where the codes lie: k-means codewords, pitch and acoustic coefficients, or both; zero where an item
            has ended, as ``tokens.mask`` tells.

        Raises:
            ModelError: another model made the tokens.
            CodecError: the acoustic stream is asked for and not there, or no such stream.
        """
        self.check(tokens)
        return codewords(self.networks, tokens, self._frames_per_token(tokens), stream)

    def embed_in_context(self, tokens: Tokens) -> Tensor:
        """What the model's reader makes of tokens and their neighbours, for classification and search.

        Args:
            tokens: semantic ones alone, or acoustic ones beside them, of which the first are read.

        Returns:
            ``(B, N, D)`` where the codes lie, up to rounding the same whatever stands beside an item; zero where it has ended.

        Raises:
            ModelError: another model made the tokens, or this one has no reader (``codec train reader``).
            CodecError: the model runs without torch.

        Example:
            >>> import codec, torch
            >>> model = codec.load()
            >>> model.embed_in_context(model.encode(torch.zeros(1, 16000), 16000, rate=50)).shape
            torch.Size([1, 25, 527])
        """
        self.check(tokens)
        return read_in_context(self.networks, self.reader, tokens, self._frames_per_token(tokens))

    def stream_encoder(
        self, sample_rate: int, channels: int = 1, rate: int | None = None, vocab: int | None = None, grid: Grid = WHOLE
    ) -> StreamEncoder:
        """An encoder to push audio into; see `StreamEncoder`. `LOW_LATENCY` is the grid for live audio.

        Raises:
            CodecError: unknown rate or vocabulary, an impossible sample rate, or no channels.
        """
        tokens = self.describe(sample_rate, rate, vocab)
        point = Point(self._frames_per_token(tokens), len(tokens.codebook_sizes))
        if channels < 1:
            raise CodecError(f"{channels} channels cannot be encoded; one or more can")
        return StreamEncoder(self.engine, tokens.sample_rate, channels, point, tokens.codebook_sizes[0], grid)

    def stream_decoder(self, tokens: Tokens | None = None, grid: Grid = WHOLE) -> StreamDecoder:
        """A decoder to push codes into, for the rate and vocabulary of ``tokens`` or the defaults."""
        tokens = self.describe(self.sample_rate) if tokens is None else tokens
        return StreamDecoder(self.engine, self._frames_per_token(tokens), tokens.codebook_sizes[0], grid)

    def check(self, tokens: Tokens) -> None:
        """Refuses tokens that this model cannot decode.

        Raises:
            ModelError: another model made them.
            CodecError: no tokens, an unknown rate or vocabulary, more streams than the rate has, too few frames, or codes
                outside their codebooks.
        """
        require_tokens(tokens)
        if tokens.model in FORMER:
            raise ModelError(former(f"these tokens were made by {FORMER[tokens.model]}, which"))
        if tokens.model != self.fingerprint:
            raise ModelError(
                f"these tokens were made by model {tokens.model or 'unknown'}, not by {self.fingerprint} ({self.name}); "
                f"decode them with the model that made them: --model {bundled(tokens.model) or ''}".rstrip()
            )
        _, vocab = self._choose(None, tokens.codebook_sizes[0])
        sizes = self.engine.sizes_at(self._frames_per_token(tokens), vocab)
        check_tokens(tokens, TokenSpec(sizes, tokens.frame_rate, self.fingerprint, self.sample_rate))

    def describe(self, sample_rate: int, rate: int | None = None, vocab: int | None = None, channels: int = 1) -> Tokens:
        """Tokens of no audio: bitrate, and what a container's header needs.

        Raises:
            CodecError: unknown rate or vocabulary, or an impossible sample rate.
        """
        return no_tokens(self.spec(rate, vocab), sample_rate, channels)

    def silence(self, tokens: Tokens) -> Tensor:
        """``(S,)`` codes of a frame of digital silence at the rate and vocabulary of ``tokens``: fills damaged chunks."""
        rate = max(rate for rate, point in self.engine.points.items() if self._frame_rate(point) == tokens.frame_rate)
        quiet = self.encode(np.zeros(self.sample_rate, np.float32), self.sample_rate, rate, tokens.codebook_sizes[0])
        middle = quiet.codes.shape[2] // 2
        return quiet.codes[0, : tokens.codes.shape[1], middle]


__all__ = ["Codec", "Stream"]
