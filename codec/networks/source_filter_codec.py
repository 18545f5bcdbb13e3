"""All networks of the codec with sources and filters, and the ways from one representation to the next.

Letters in shapes: B batch, T frames at 100 Hz, N tokens, S streams (semantic, then acoustic ones), D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import ModelConfig
from codec.engine import Point
from codec.features import LogMel
from codec.networks.frontend import MASKED_FRAMES, AcousticFrontEnd, without_offset
from codec.networks.high_pitch import with_high_pitch
from codec.networks.interface import CodecNetworks
from codec.networks.joint_search import REACH, semantic_codes
from codec.networks.level import STEADY_REACH, block_codes
from codec.networks.pitch import Pitch, PitchTracker, pitch_index
from codec.networks.semantic import SemanticEncoder
from codec.networks.source_filter import Phases
from codec.networks.token_decoder import FRAMES_PER_TOKEN_FRAME, Frames, TokenDecoder, value_of
from codec.networks.tone_hints import hinted, hints, partnered, tellable, tells_hints
from codec.networks.tones import N_TONES, Lines, Tones, strengths, tone_codes, tone_tracks
from codec.networks.transform import BlockTransform, block_features
from codec.networks.vocoder import Vocoder
from quantizers.nested import NestedKMeansQuantizer
from quantizers.residual import ResidualKMeansQuantizer
from quantizers.result import Quantized

LARGEST_DIGIT = 128
"""Of codes that are told in digits."""


class Heard(NamedTuple):
    """What tokens of every rate are made from.

    Attributes:
        semantic: ``(B, T / 2, D)`` features of the semantic encoder.
        mel: ``(B, T, n_mels)`` envelope.
        lines: the strongest ones of the same frames.
        pitch: of the same frames.
    """

    semantic: Tensor
    mel: Tensor
    lines: Lines
    pitch: Pitch


class Drawing(NamedTuple):
    """What the decoder's head draws from, at 100 Hz; it alone depends on the place in the stream.

    Attributes:
        x: ``(B, T, D)``.
        pitch: of the frames.
        tones: of the frames.
    """

    x: Tensor
    pitch: Pitch
    tones: Tones

    def packed(self) -> Tensor:
        """All of it as one tensor, ``(B, T, D + 3 + 2 · N_TONES)``."""
        f0, voiced, share = (part[..., None] for part in (*self.pitch, self.tones.share))
        return torch.cat([self.x.float(), f0, voiced, share, self.tones.frequency, self.tones.amplitude], -1)

    @staticmethod
    def unpacked(packed: Tensor) -> Drawing:
        """What `packed` made."""
        sizes = [packed.shape[-1] - 3 - 2 * N_TONES, 1, 1, 1, N_TONES, N_TONES]
        x, f0, voiced, share, frequency, amplitude = torch.split(packed, sizes, -1)
        return Drawing(x, Pitch(f0[..., 0], voiced[..., 0]), Tones(frequency, amplitude, share[..., 0]))


class SourceFilterNetworks(CodecNetworks):
    """Front ends, semantic encoder, k-means codebooks, pitch tracker, transform and acoustic quantiser, decoder, vocoder.

    Args:
        config: sizes.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        mel = config.mel
        dims = config.codeword_dims
        self.mel = LogMel(config.sample_rate, mel.n_fft, mel.hop_length, mel.n_mels)
        self.front_end = AcousticFrontEnd(
            config.sample_rate, mel.n_fft, config.hop_length, config.n_fft, mel.n_mels, config.n_lags
        )
        self.semantic = SemanticEncoder(config.semantic, mel.n_mels)
        self.codebooks = nn.ModuleList(
            NestedKMeansQuantizer(n * config.semantic.n_features, dim, config.vocabs) for n, dim in dims.items()
        )
        self.pitch = PitchTracker(config.pitch, mel.n_mels + config.n_lags)
        sizes, coefficients = config.acoustic.codebook_sizes, config.acoustic.n_coefficients
        self.quantizers = nn.ModuleList(ResidualKMeansQuantizer(sizes[:n], coefficients) for n in config.n_acoustic.values())
        self.transforms = nn.ModuleList(
            BlockTransform(FRAMES_PER_TOKEN_FRAME * n, mel.n_mels + 1, dim, coefficients) for n, dim in dims.items()
        )
        self.decoder = TokenDecoder(
            config.decoder, mel.n_mels, dims, config.n_acoustic, coefficients, config.acoustic.pitch_levels
        )
        self.vocoder = Vocoder(
            config.vocoder, mel.n_mels, config.decoder.fine_dim, config.n_fft, config.hop_length,
            config.sample_rate,
        )  # fmt: skip

    @property
    def points(self) -> dict[int, Point]:
        """Operating points by tokens per second."""
        return {
            self.config.tokens_per_second(rate): Point(rate.frames_per_token, 1 + rate.n_acoustic) for rate in self.config.rates
        }

    def codebook_sizes(self, vocab: int) -> tuple[int, ...]:
        """The codebook sizes of all streams; the first acoustic token also tells the pitch."""
        first, *others = self.config.acoustic.codebook_sizes
        return vocab, self.config.acoustic.pitch_levels * first, *others

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Values that the digits of every acoustic stream's codes take; the pitch comes first."""
        first, *others = map(_digits, self.config.acoustic.codebook_sizes)
        return (self.config.acoustic.pitch_levels, *first), *others

    @property
    def frame_length(self) -> int:
        """Samples in a frame of 50 Hz."""
        return FRAMES_PER_TOKEN_FRAME * self.config.hop_length

    @property
    def edge(self) -> int:
        """Samples of context on either side that the front ends take."""
        return self.mel.edge

    @property
    def encoder_context(self) -> int:
        """Frames of 50 Hz on either side that a token depends on, in pairs of tokens of every rate: two tell a tone."""
        heard = max(
            self.semantic.receptive_field,
            -(-self.pitch.receptive_field // FRAMES_PER_TOKEN_FRAME),
            -(-(MASKED_FRAMES + STEADY_REACH) // FRAMES_PER_TOKEN_FRAME),
        )
        # Frames of a token, and of the tokens beside it, one of which tells what a tone is; and what those depend on.
        return _whole(heard + (2 + REACH) * self._largest, 2 * self._largest)

    @property
    def decoder_context(self) -> int:
        """Frames of 50 Hz on either side that a sample depends on, but for the phases, in whole tokens of every rate."""
        fine = -(-self.vocoder.receptive_field // FRAMES_PER_TOKEN_FRAME)
        return _whole(self.decoder.receptive_field(self._largest) + fine, self._largest)

    @property
    def decoder_step(self) -> int:
        """Frames of 50 Hz between the places where a decoder's window can begin."""
        return self._largest

    @property
    def _largest(self) -> int:
        return max(rate.frames_per_token for rate in self.config.rates)

    def codebook(self, frames_per_token: int) -> NestedKMeansQuantizer:
        """The k-means codebooks of tokens of so many frames of 50 Hz."""
        found = self.codebooks[self.config.token_lengths.index(frames_per_token)]
        assert isinstance(found, NestedKMeansQuantizer)
        return found

    def transform(self, frames_per_token: int) -> BlockTransform:
        """The transform of blocks of so many frames of 50 Hz."""
        found = self.transforms[self.config.token_lengths.index(frames_per_token)]
        assert isinstance(found, BlockTransform)
        return found

    def quantizer(self, frames_per_token: int) -> ResidualKMeansQuantizer:
        """The codebooks of acoustic tokens of so many frames of 50 Hz."""
        found = self.quantizers[self.config.token_lengths.index(frames_per_token)]
        assert isinstance(found, ResidualKMeansQuantizer)
        return found

    def feats_to_semantic(self, feats: Tensor, frames_per_token: int, vocab: int) -> Quantized:
        """``(B, T / 2, D)`` encoder features → codewords ``(B, N, D')`` and codes ``(B, N)``."""
        together = rearrange(feats, "b (n k) d -> b n (k d)", k=frames_per_token)
        quantized: Quantized = self.codebook(frames_per_token)(together, vocab)
        return quantized

    def chosen_semantic(self, feats: Tensor, features: Tensor, frames_per_token: int, vocab: int) -> Quantized:
        """As `feats_to_semantic`, but codewords beside which acoustic tokens tell most: `codec.networks.joint_search`.

        Args:
            feats: ``(B, T / 2, D)`` of the semantic encoder.
            features: ``(B, T, n_mels + 1)`` of blocks.
            frames_per_token: frames of 50 Hz in a token.
            vocab: semantic vocabulary.
        """
        codebook = self.codebook(frames_per_token)
        together = rearrange(feats, "b (n k) d -> b n (k d)", k=frames_per_token)
        transform, quantizer = self.transform(frames_per_token), self.quantizer(frames_per_token)
        codes = semantic_codes(codebook, transform, quantizer, together, features, vocab)
        return Quantized(codebook.decode(codes, vocab), codes)

    def chosen_acoustic(self, features: Tensor, semantic: Tensor, frames_per_token: int, first_only: bool = False) -> Quantized:
        """What acoustic tokens tell of blocks: codewords ``(B, N, G · n_coefficients)`` side by side, codes ``(B, G, N)``.

        Args:
            features: ``(B, T, n_mels + 1)`` of blocks.
            semantic: ``(B, N, D)`` codewords that were chosen.
            frames_per_token: frames of 50 Hz in a token.
            first_only: of each block the first acoustic token alone is asked for.
        """
        transform, quantizer = self.transform(frames_per_token), self.quantizer(frames_per_token)
        codes = block_codes(transform, quantizer, features, transform.predicted(semantic), first_only)
        return Quantized(quantizer.decode(codes), codes)

    def wave_to_codes(self, wave: Tensor, frames_per_token: int, vocab: int, n_streams: int | None = None) -> Tensor:
        """``(B, T · hop_length + 2 · edge)`` samples → codes ``(B, S, N)`` of the first streams, default all."""
        return self.heard_to_codes(self.hear(wave), frames_per_token, vocab, n_streams)

    def hear(self, wave: Tensor) -> Heard:
        """``(B, T · hop_length + 2 · edge)`` samples → what codes are made from, whatever their rate."""
        wave = without_offset(wave)
        features = self.front_end(wave, padded=True)
        pitch = with_high_pitch(self.pitch(features.mel, features.correlogram), features.correlogram, features.lines)
        return Heard(self.semantic(self.mel(wave, padded=True)), features.mel, features.lines, pitch)

    def heard_to_codes(self, heard: Heard, frames_per_token: int, vocab: int, n_streams: int | None = None) -> Tensor:
        """What was heard → codes ``(B, S, N)`` of the first streams, the semantic one and one more at least; default all."""
        features = block_features(heard.mel, heard.pitch)
        semantic = self.chosen_semantic(heard.semantic, features, frames_per_token, vocab)
        # Codes behind the first depend on each other: of fewer than all of them, all are searched and the first ones taken.
        acoustic = self.chosen_acoustic(features, semantic.values, frames_per_token, n_streams == 2).codes
        index = self.index_of(heard.pitch, frames_per_token)
        if self.hints_tones:
            is_tone, tones = self.tones_of(heard.lines, heard.pitch, frames_per_token)
            index = torch.where(is_tone, self._tone_index, index)
            exact = tones if self.tells_tones(frames_per_token) else acoustic[:, 1:]
            told = torch.cat([hints(tones, is_tone)[:, None], exact], 1)[:, : acoustic.shape[1]]
            acoustic = torch.where(is_tone[:, None], told, acoustic)
        first = acoustic[:, :1] * self.config.acoustic.pitch_levels + index[:, None]
        return torch.cat([semantic.codes[:, None], first, acoustic[:, 1:]], 1)[:, :n_streams]

    @property
    def hints_tones(self) -> bool:
        """Whether first acoustic tokens tell of tones."""
        sizes = self.config.acoustic.codebook_sizes
        return tells_hints(sizes[0], sizes[-1])

    def tells_tones(self, frames_per_token: int) -> bool:
        """Whether acoustic tokens behind the first one tell tones exactly."""
        sizes = self.quantizer(frames_per_token).codebook_sizes[1:]
        return self.hints_tones and len(sizes) == N_TONES and sizes[0] == sizes[1]

    @property
    def _tone_index(self) -> int:
        """The last index of the pitch says that acoustic tokens tell tones."""
        return self.config.acoustic.pitch_levels - 1

    def index_of(self, pitch: Pitch, frames_per_token: int) -> Tensor:
        """Pitch of frames → ``(B, N)`` indices that tokens tell."""
        return pitch_index(pitch, FRAMES_PER_TOKEN_FRAME * frames_per_token, self._tone_index)

    def tones_of(self, lines: Lines, pitch: Pitch, frames_per_token: int) -> tuple[Tensor, Tensor]:
        """Which tokens ``(B, N)`` are tones and nothing else, and their codes ``(B, N_TONES, N)``."""
        block, size = FRAMES_PER_TOKEN_FRAME * frames_per_token, self.config.acoustic.codebook_sizes[-1]
        is_tone, codes = tone_codes(lines, pitch.voiced, block, size)
        if not self.hints_tones:
            return torch.zeros_like(is_tone), codes
        is_tone, codes = partnered(codes, is_tone, *strengths(lines, pitch.voiced, block))
        return tellable(codes, is_tone), codes

    def with_pitch(self, index: Tensor, values: Tensor, is_tone: Tensor) -> Tensor:
        """What acoustic tokens tell the decoder.

        Args:
            index: ``(B, N)`` of the pitch.
            values: ``(B, N, D)`` codewords of the quantiser, side by side.
            is_tone: ``(B, N)`` bool, tokens that tell tones: no pitch, and no envelope.

        Returns:
            ``(B, N, 1 + D)``.
        """
        levels = self.config.acoustic.pitch_levels
        told = value_of(torch.where(is_tone, 0, index), levels)[..., None].to(values.dtype)
        return torch.cat([told, torch.where(is_tone[..., None], 0.0, values)], -1)

    def codes_to_values(self, codes: Tensor, frames_per_token: int, vocab: int) -> tuple[Tensor, Tensor | None]:
        """Codes ``(B, S, N)`` → semantic codewords, and the pitch and coefficients (None if there is no acoustic stream)."""
        semantic, acoustic = self.codes_to_codewords(codes, frames_per_token, vocab)
        if acoustic is None:
            return semantic, None
        return semantic, torch.cat([acoustic[..., :1], self.quantizer(frames_per_token).total(acoustic[..., 1:])], -1)

    def codes_to_codewords(self, codes: Tensor, frames_per_token: int, vocab: int) -> tuple[Tensor, Tensor | None]:
        """Codes ``(B, S, N)`` → semantic codewords, and what `with_pitch` gives (None if there is no acoustic stream).

        Codes may lie on any device; the vectors are where the networks are.
        """
        codebook = self.codebook(frames_per_token)
        codes = codes.to(codebook.leaves.device)
        semantic = codebook.decode(codes[:, 0], vocab)
        if codes.shape[1] == 1:
            return semantic, None
        levels = self.config.acoustic.pitch_levels
        acoustic = torch.cat([codes[:, 1:2] // levels, codes[:, 2:]], 1)
        index = codes[:, 1] % levels
        is_tone = index == self._tone_index
        values = self.quantizer(frames_per_token).decode(acoustic)
        return semantic, self.with_pitch(index, values, is_tone).to(semantic.dtype)

    def codes_to_tones(self, codes: Tensor, frames_per_token: int) -> Tones:
        """Codes ``(B, S, N)`` → the tones that they tell."""
        levels, told = self.config.acoustic.pitch_levels, codes[:, 2 : 2 + N_TONES]
        if codes.shape[1] == 1 or not self.hints_tones:
            nowhere = torch.zeros_like(codes[:, 0], dtype=torch.bool)
            return self.tracks_of(nowhere, codes[:, :1].expand(-1, N_TONES, -1), frames_per_token)
        is_tone = codes[:, 1] % levels == self._tone_index
        if not (self.tells_tones(frames_per_token) and told.shape[1] == N_TONES):
            is_tone, told = hinted(codes[:, 1] // levels, is_tone)
        return self.tracks_of(is_tone, told, frames_per_token)

    def tones_arrived(self, is_tone: Tensor, codes: Tensor, n_acoustic: Tensor, frames_per_token: int) -> Tones:
        """What `tones_of` gave → tones of frames, as well as ``(B,)`` acoustic tokens tell them."""
        exact = (n_acoustic > N_TONES)[:, None] & self.tells_tones(frames_per_token)
        drawn, rough = hinted(hints(codes, is_tone), is_tone)
        told = torch.where(exact, is_tone, drawn) & (n_acoustic > 0)[:, None]
        return self.tracks_of(told, torch.where(exact[:, None], codes, rough), frames_per_token)

    def tracks_of(self, is_tone: Tensor, codes: Tensor, frames_per_token: int) -> Tones:
        """Which tokens ``(B, N)`` are tones, and their codes ``(B, N_TONES, N)`` → tones of frames."""
        return tone_tracks(is_tone, codes, FRAMES_PER_TOKEN_FRAME * frames_per_token, self.config.acoustic.codebook_sizes[-1])

    def values_to_frames(self, semantic: Tensor, acoustic: Tensor, n_acoustic: Tensor, frames_per_token: int) -> Frames:
        """Codewords and values of all groups, of which ``(B,)`` are there → what they say."""
        frames: Frames = self.decoder(semantic, acoustic, n_acoustic, frames_per_token, self.transform(frames_per_token))
        return frames

    def codes_to_frames(self, codes: Tensor, frames_per_token: int, vocab: int, n_acoustic: Tensor | None = None) -> Frames:
        """Codes ``(B, S, N)``, of whose acoustic ones ``(B,)`` are looked at, by default all → what they say."""
        semantic, acoustic = self.codes_to_codewords(codes, frames_per_token, vocab)
        if acoustic is None:
            quantizer = self.quantizer(frames_per_token)
            acoustic = semantic.new_zeros(*semantic.shape[:2], 1 + len(quantizer.codebooks) * quantizer.dim)
        if n_acoustic is None:
            n_acoustic = torch.full((len(codes),), codes.shape[1] - 1, device=semantic.device)
        return self.values_to_frames(semantic, acoustic, n_acoustic, frames_per_token)

    def codes_to_drawing(self, codes: Tensor, frames_per_token: int, vocab: int) -> Tensor:
        """Codes ``(B, S, N)`` → what the head draws from, a `Drawing` packed into one tensor."""
        frames = self.codes_to_frames(codes, frames_per_token, vocab)
        return self.frames_to_drawing(frames, self.codes_to_tones(codes.to(frames.mel.device), frames_per_token))

    def frames_to_drawing(self, frames: Frames, tones: Tones) -> Tensor:
        """What tokens say → what the head draws from, a `Drawing` packed into one tensor."""
        return Drawing(self.vocoder(frames.mel, frames.pitch, frames.hidden), frames.pitch, tones).packed()

    def sound(
        self, drawing: Tensor, state: Phases | None = None, left: int = 0, start: int = 0, stop: int | None = None
    ) -> tuple[Tensor, Phases]:
        """Draws a window's wave.

        Args:
            drawing: of the window, as `codes_to_drawing` gives it.
            state: phases at ``start``; None: of a stream's beginning.
            left: frame of 50 Hz where the window begins in the stream.
            start: frame whose phases are known.
            stop: frame whose phases are asked for; None: behind the window's last one.

        Returns:
            ``(B, T · hop_length)`` samples, and the phases.
        """
        x, pitch, tones = Drawing.unpacked(drawing)
        two = FRAMES_PER_TOKEN_FRAME
        sound = self.vocoder.head(x, pitch.f0, pitch.voiced, tones, state, two * (start - left), two * left)
        return sound.wave, sound.phases(x.shape[1] if stop is None else two * (stop - left))

    def codes_to_wave(self, codes: Tensor, frames_per_token: int, vocab: int) -> Tensor:
        """Codes ``(B, S, N)`` of a stream's beginning → samples."""
        return self.sound(self.codes_to_drawing(codes, frames_per_token, vocab))[0]


def _digits(codebook_size: int) -> tuple[int, ...]:
    """Sizes of the digits of a code, none above `LARGEST_DIGIT`: what entropy coding has small tables for.

    Example:
        >>> _digits(8192), _digits(64)
        ((128, 64), (64,))
    """
    return (codebook_size,) if codebook_size <= LARGEST_DIGIT else (LARGEST_DIGIT, *_digits(codebook_size // LARGEST_DIGIT))


def _whole(frames: int, frames_per_token: int) -> int:
    return -(-frames // frames_per_token) * frames_per_token
