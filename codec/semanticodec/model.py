"""The published SemantiCodec as its users see it: a codec like ours, with the reference's tokens and sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from codec.audio.samples import Wave, as_batch
from codec.errors import CodecError, ModelError
from codec.model import DEFAULT_VOCAB
from codec.networks.samplers import Sampling
from codec.numbers import tokens_of
from codec.protocol import Stream, check_stream
from codec.semanticodec import checkpoint
from codec.semanticodec.conditioning import Codebooks
from codec.semanticodec.config import RATES, SAMPLE_RATE, PublishedConfig
from codec.semanticodec.decoder import Decoder
from codec.semanticodec.encoder import Encoder
from codec.semanticodec.frontend import (
    exact_count,
    exact_segments,
    reference_count,
    reference_segments,
    to_model_rate,
)
from codec.semanticodec.published import EXACT, PublishedFiles
from codec.semanticodec.streaming import WholeDecoder, WholeEncoder
from codec.streaming import WHOLE, Grid
from codec.token_checks import check_tokens, require_tokens
from codec.token_spec import TokenSpec
from codec.tokens import Tokens, batch, model_samples, no_tokens

if TYPE_CHECKING:
    from codec.container.entropy import EntropyModel
    from codec.patterns import Numbers

MAX_BATCH = 4
"""Segments in one call of the encoder."""
REFERENCE = Sampling()
FAST = Sampling("dpm", steps=25)
PUBLISHED = {rate: PublishedConfig.published(rate) for rate in RATES}


class OfficialCodec:
    """The published checkpoints as a `codec.protocol.SemanticCodec`; weights are read when they are first needed.

    Args:
        files: where the checkpoints are.
        rate: default tokens per second; 50, or what is there.
        vocab: default semantic vocabulary; 8192, or what is there.
        device: where the networks run.
        compat: exactly the reference's tokens and wave, its quirks included. Without it the padding of short files is
            neither encoded nor decoded, token counts are exact, windows run in batches and do not drift, the output is as
            long as the input, and sampling takes 25 steps of DPM-Solver++.
        configs: sizes by rate, default as published.

    Attributes:
        sampling: how to decode.
        seed: of the noise; None draws from torch's global generator, as the reference does.
    """

    def __init__(
        self,
        files: PublishedFiles,
        rate: int | None = None,
        vocab: int | None = None,
        device: str | torch.device = "cpu",
        compat: bool = True,
        configs: Mapping[int, PublishedConfig] | None = None,
    ) -> None:
        self.files, self.configs, self.compat = files, configs or PUBLISHED, compat
        self.name, self.device = files.name, torch.device(device)
        self.sampling = REFERENCE if compat else FAST
        self.seed: int | None = None if compat else 0
        if rate is None:
            rate = 50 if 50 in self.rates or not self.rates else self.rates[0]
        if rate not in RATES:
            raise CodecError(f"rate {rate} is not one of {', '.join(map(str, sorted(RATES)))} tokens/s")
        files.encoder(rate)
        self.rate = rate
        if vocab is None:
            vocab = DEFAULT_VOCAB if DEFAULT_VOCAB in self.vocabs or not self.vocabs else self.vocabs[0]
        self.rate, self.vocab = self._choose(rate, vocab)
        self.folder: Path | None = None  # of entropy tables: there are none
        # One of each is kept; another rate takes its place.
        self._encoder = lru_cache(maxsize=1)(self._load_encoder)
        self._decoder = lru_cache(maxsize=1)(self._load_decoder)
        self._codebooks = lru_cache(maxsize=1)(self._load_codebooks)

    @property
    def sample_rate(self) -> int:
        """The sample rate of decoded audio, in Hz."""
        return SAMPLE_RATE

    @property
    def rates(self) -> tuple[int, ...]:
        """Tokens per second whose checkpoints are here."""
        return self.files.rates()

    @property
    def vocabs(self) -> tuple[int, ...]:
        """Semantic vocabularies whose codebooks are here, for the default rate."""
        return self.files.vocabs(self.rate)

    @property
    def frame_rate(self) -> float:
        """Tokens of one stream per second at the default rate."""
        return self.rate / 2

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The codebook sizes of the semantic and the acoustic stream, at the default vocabulary."""
        return self.vocab, self.configs[self.rate].codebook_size

    @property
    def bitrate(self) -> float:
        """Bits per second at the default rate and vocabulary."""
        return self.spec().bitrate

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the default rate's encoder."""
        return self._fingerprint(self.rate)

    @property
    def version(self) -> str:
        """The same: the decoder comes with it."""
        return self.fingerprint

    @property
    def entropy(self) -> EntropyModel:
        """There are no tables for entropy-coded containers.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"{self.name} comes without entropy tables")

    def spec(self, rate: int | None = None, vocab: int | None = None) -> TokenSpec:
        """What its tokens are at a rate and vocabulary; see `codec.Codec.spec`."""
        rate, vocab = self._choose(rate, vocab)
        return TokenSpec((vocab, self.configs[rate].codebook_size), rate / 2, self._fingerprint(rate), SAMPLE_RATE)

    def stack_of(self, rate: float) -> int:
        """Patches per token at a rate.

        Raises:
            CodecError: no such rate.
        """
        if rate not in RATES:
            raise CodecError(f"rate {rate:g} is not one of {', '.join(map(str, sorted(RATES)))} tokens/s")
        return self.configs[round(rate)].stack

    def encode(
        self,
        wave: Wave,
        sample_rate: int,
        rate: int | None = None,
        vocab: int | None = None,
        lengths: Tensor | None = None,
    ) -> Tokens:
        """Encodes a batch; every item gives the tokens that it gives alone. Arguments as `codec.Codec.encode` takes them."""
        clips = as_batch(wave, lengths)
        rate, vocab = self._choose(rate, vocab)
        empty = self.describe(sample_rate, rate, vocab, channels=len(clips))
        items = [self._encode(torch.from_numpy(clip), empty.sample_rate, rate, vocab) for clip in clips]
        counts = torch.tensor([item.shape[1] for item in items], dtype=torch.int64)
        return replace(batch(empty, items, [len(clip) for clip in clips]), counts=counts)

    @torch.no_grad()
    def decode(self, tokens: Tokens, seed: int | None = None) -> Tensor:
        """Decodes a batch.

        Args:
            tokens: both streams.
            seed: of each item's noise, default ``self.seed``.

        Returns:
            ``(B, samples)`` at 16 kHz, then zeros; with ``compat`` as long as the reference's, a little longer than the
            original, else exactly as long.

        Raises:
            ModelError: another model made the tokens.
            CodecError: no tokens, no acoustic stream, or codes outside their codebooks.
        """
        self.check(tokens)
        if tokens.codes.shape[1] < 2:
            raise CodecError("SemantiCodec needs acoustic tokens too to make sound; these are semantic only")
        if not len(tokens.codes) or int(tokens.frames.min()) < 1:
            raise CodecError("there are no tokens to decode")
        clips, starts = zip(*(tokens.in_context(index) for index in range(len(tokens))), strict=True)
        rate = round(2 * tokens.frame_rate)
        seed = self.seed if seed is None else seed
        rows = self._decode([torch.from_numpy(clip).to(self.device) for clip in clips], rate, tokens.codebook_sizes[0], seed)
        if tokens.cut is not None:
            pair, counts = self.configs[rate].samples_per_pair, tokens.frames.tolist()
            rows = [row[start * pair :][: count * pair] for row, start, count in zip(rows, starts, counts, strict=True)]
        if not self.compat:
            rows = [row[: model_samples(int(n), tokens.sample_rate)] for row, n in zip(rows, tokens.lengths, strict=True)]
        output = torch.zeros(len(rows), max(len(row) for row in rows))
        for index, row in enumerate(rows):
            output[index, : len(row)] = row
        return output

    def embed(self, tokens: Tokens, stream: Stream = "both") -> Tensor:
        """Vectors of tokens: ``(B, N, D)`` k-means centroids, acoustic codewords, or both side by side.

        Raises:
            ModelError: another model made the tokens.
            CodecError: the acoustic stream is asked for and not there, or no such stream.
        """
        self.check(tokens)
        check_stream(tokens, stream)
        books = self._codebooks(round(2 * tokens.frame_rate), tokens.codebook_sizes[0])
        codes = tokens.codes.to(books.semantic.device)
        tables = {"semantic": books.semantic, "acoustic": books.acoustic}
        parts = [table[codes[:, index]] for index, (name, table) in enumerate(tables.items()) if stream in (name, "both")]
        return torch.cat(parts, dim=-1).to(tokens.codes.device).masked_fill(~tokens.mask[..., None], 0)

    def tokens(
        self,
        codes: Numbers,
        rate: int | None = None,
        vocab: int | None = None,
        layout: str = "parallel",
        lengths: Tensor | None = None,
        sample_rate: int | None = None,
    ) -> Tokens:
        """Tokens of a language model's numbers; see `codec.Codec.tokens`."""
        return tokens_of(self, codes, rate, vocab, layout, lengths, sample_rate)

    def stream_encoder(
        self, sample_rate: int, channels: int = 1, rate: int | None = None, vocab: int | None = None, grid: Grid = WHOLE
    ) -> WholeEncoder:
        """An encoder to push audio into; it needs all of it before the first token.

        Raises:
            CodecError: a grid for live audio is asked for.
        """
        _refuse_live(grid)
        self.describe(sample_rate, rate, vocab)
        return WholeEncoder(lambda wave: self.encode(wave, sample_rate, rate, vocab).codes, channels)

    def stream_decoder(self, tokens: Tokens | None = None, grid: Grid = WHOLE) -> WholeDecoder:
        """A decoder to push codes into; it gives sound when all of them are there.

        Raises:
            CodecError: a grid for live audio is asked for.
        """
        _refuse_live(grid)
        like = self.describe(SAMPLE_RATE) if tokens is None else tokens
        per_pair = self.configs[round(2 * like.frame_rate)].samples_per_pair

        def decode(codes: Tensor) -> Tensor:
            counts = torch.full((len(codes),), codes.shape[2])
            return self.decode(replace(like, codes=codes, lengths=counts * per_pair, counts=counts, sample_rate=SAMPLE_RATE))

        return WholeDecoder(decode, like.codebook_sizes)

    def check(self, tokens: Tokens) -> None:
        """Refuses tokens that this model cannot decode.

        Raises:
            ModelError: another model made them.
            CodecError: unknown rate or vocabulary, or codes outside their codebooks.
        """
        require_tokens(tokens)
        rate = round(2 * tokens.frame_rate)
        self.stack_of(rate)
        made_by = self._fingerprint(rate)
        if tokens.model != made_by:
            raise ModelError(
                f"these tokens were made by model {tokens.model or 'unknown'}, not by {made_by} ({self.name} at {rate} "
                "tokens/s); decode them with the model that made them: --model"
            )
        check_tokens(tokens, self.spec(rate, tokens.codebook_sizes[0]))

    def describe(self, sample_rate: int, rate: int | None = None, vocab: int | None = None, channels: int = 1) -> Tokens:
        """Tokens of no audio; see `codec.Codec.describe`."""
        return no_tokens(self.spec(rate, vocab), sample_rate, channels)

    def silence(self, tokens: Tokens) -> Tensor:
        """``(S,)`` codes of a frame of digital silence; see `codec.Codec.silence`."""
        rate, vocab = round(2 * tokens.frame_rate), tokens.codebook_sizes[0]
        quiet = self.encode(torch.zeros(self.sample_rate), self.sample_rate, rate, vocab)
        return quiet.codes[0, : tokens.codes.shape[1], quiet.codes.shape[2] // 2]

    def _choose(self, rate: int | None, vocab: int | None) -> tuple[int, int]:
        rate, vocab = self.rate if rate is None else rate, self.vocab if vocab is None else vocab
        self.stack_of(rate)
        self.files.encoder(rate)
        if vocab not in self.configs[rate].vocabs:
            raise CodecError(f"vocabulary {vocab} is not one of {', '.join(map(str, self.configs[rate].vocabs))}")
        self.files.centroids(rate, vocab)
        return rate, vocab

    def _fingerprint(self, rate: int) -> str:
        return checkpoint.fingerprint(self.files.encoder(rate))

    def _load_encoder(self, rate: int) -> Encoder:
        encoder = checkpoint.load_encoder(self.files.encoder(rate), self.configs[rate])
        return encoder.to(self.device)

    def _load_decoder(self, rate: int) -> Decoder:
        decoder = checkpoint.load_decoder(self.files.decoder(rate), self.configs[rate]).to(self.device)
        return decoder if self.compat else decoder.channels_last()

    def compile(self, rate: int | None = None) -> None:
        """Compiles the U-Net of a rate, default the model's: minutes at the first window, to be won back over hours of audio.

        Raises:
            CodecError: there is no compiler.
        """
        self._decoder(self._choose(rate, None)[0]).compile()

    def _load_codebooks(self, rate: int, vocab: int) -> Codebooks:
        files = self.files
        return checkpoint.load_codebooks(files.encoder(rate), files.centroids(rate, vocab), vocab, self.configs[rate])

    @torch.no_grad()
    def _encode(self, wave: Tensor, sample_rate: int, rate: int, vocab: int) -> Tensor:
        """``(samples,)`` → ``(2, N)``."""
        if not len(wave):
            return torch.zeros(2, 0, dtype=torch.int64)
        config = self.configs[rate]
        wave = to_model_rate(wave, sample_rate)
        segments = list(reference_segments(wave)) if self.compat else exact_segments(wave, config)
        count = reference_count(len(wave), config.stack) if self.compat else exact_count(len(wave), config)
        encoder, centroids = self._encoder(rate), self._codebooks(rate, vocab).semantic.to(self.device)
        parts = []
        for first in range(0, len(segments), MAX_BATCH):
            # Only a last segment can be shorter than the others.
            batch = segments[first : first + MAX_BATCH]
            full = [row for row in batch if len(row) == len(batch[0])]
            for alike in (full, batch[len(full) :]):
                parts += list(encoder(torch.stack(alike).to(self.device), centroids).cpu()) if alike else []
        return torch.cat(parts, dim=1)[:, :count]

    def _decode(self, clips: list[Tensor], rate: int, vocab: int, seed: int | None) -> list[Tensor]:
        decoder, books = self._decoder(rate), self._codebooks(rate, vocab).to(self.device)
        if not self.compat:
            if seed is None:
                seed = int(torch.randint(2**62, ()))
            return [row.cpu() for row in decoder.exact(clips, books, self.sampling, seed)]
        rows = []
        for clip in clips:
            generator = None if seed is None else torch.Generator().manual_seed(seed)
            rows.append(decoder.reference(clip, books, self.sampling, generator).cpu())
        return rows


def load_published(
    name: str | Path,
    rate: int | None = None,
    vocab: int | None = None,
    device: str | torch.device = "cpu",
    compat: bool = True,
) -> OfficialCodec:
    """Loads the published SemantiCodec; never touches the network.

    Args:
        name: ``haoheliu/SemantiCodec`` for what was fetched, the Hub's cache or ``./pretrained``; or a folder with its files,
            or one that ``train.diffusion`` exported.
        rate: default tokens per second.
        vocab: default semantic vocabulary.
        device: where the networks run.
        compat: exactly as the reference; see `OfficialCodec`. A name that ends in ``@exact`` switches it off.

    Raises:
        ModelError: files are missing, damaged or not what they should be.
        CodecError: unknown rate or vocabulary.
    """
    place = str(name).removesuffix(EXACT)
    files = PublishedFiles.of(place)
    exported = {each: checkpoint.exported_sizes(files.encoder(each)) for each in files.rates()}
    configs = {each: exported.get(each) or PUBLISHED[each] for each in RATES}
    return OfficialCodec(files, rate, vocab, device, compat and place == str(name), configs)


def _refuse_live(grid: Grid) -> None:
    if grid is not WHOLE:
        raise CodecError("the published SemantiCodec hears a whole window of 10.24 s at a time: it has no low-latency mode")
