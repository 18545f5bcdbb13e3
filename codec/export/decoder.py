"""The decoder as an ONNX graph: what `SourceFilterNetworks` computes from codes to sound, for all rates and vocabularies."""

from __future__ import annotations

import math

import numpy as np
from onnx import ModelProto

from codec.export.encoder import hertz
from codec.export.graph import Graph, Value
from codec.export.head import Head
from codec.export.layers import Layers
from codec.export.storage import Storage
from codec.export.tone_hints import hinted
from codec.networks.frontend import MEL_CENTRE
from codec.networks.pitch import LOWEST_F0, MIDDLE_OCTAVE, OCTAVES
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.token_decoder import FRAMES_PER_TOKEN_FRAME, OCTAVE_SLOPE, VOICING_SLOPE
from codec.networks.tones import CLOSE, HIGHEST_HZ, LEVEL_STEP_DB, LOWEST_HZ, N_LEVELS, N_TONES
from codec.networks.transform import VOICING_SCALE


def decoder_graph(networks: SourceFilterNetworks, storage: Storage) -> ModelProto:
    """Codes → samples.

    Inputs are ``codes`` ``(S, N)`` of all streams, zeros where one is missing, and the numbers ``n_acoustic`` (streams that are
    there beside the semantic one), ``frames_per_token`` and ``vocab``; then the place in the stream: ``position``, frame of
    10 ms where the window begins, ``anchor``, frame of the window whose phases ``pitch_phase`` ``()`` and ``tone_phases``
    ``(2,)`` are known. Outputs are ``wave`` ``(T · hop_length,)``, not clipped, and the phases at the beginnings of frames,
    ``pitch_phases`` ``(T + 1,)`` and ``tone_phases_after`` ``(T + 1, 2)``.
    """
    return _Decoder(networks, storage).model()


class _Decoder(Layers):
    def __init__(self, networks: SourceFilterNetworks, storage: Storage) -> None:
        super().__init__(Graph("decoder"), storage)
        self.networks, self.config = networks, networks.config

    def model(self) -> ModelProto:
        graph, config = self.graph, self.config
        codes = graph.input("codes", "int64", [1 + len(config.acoustic.codebook_sizes), "tokens"])
        count = graph.input("n_acoustic", "int64", [])
        frames_per_token, vocab = graph.input("frames_per_token", "int64", []), graph.input("vocab", "int64", [])
        place = {name: graph.input(name, "int64", []) for name in ("position", "anchor", "pitch_phase")}
        tone_phases = graph.input("tone_phases", "int64", [N_TONES])
        x, block, track, frequency, amplitude, share = self.by_token_length(
            frames_per_token, config.token_lengths, lambda frames_per_token: self._said(codes, count, vocab, frames_per_token)
        )
        x = self.convnext("decoder.backbone", self.networks.decoder.backbone, x)
        x = self.linear("decoder.refine", x).reshape(-1, config.decoder.fine_dim)
        x = self.convnext("decoder.fine", self.networks.decoder.fine, x)
        learnt = self.linear("decoder.block", x)
        block = block + learnt.part(0, -1, 1)
        f0 = hertz(track + learnt.part(-1, None, 1).squeeze(1) * OCTAVE_SLOPE)
        voicing = (block.part(-1, None, 1).squeeze(1) - VOICING_SCALE / 2) * VOICING_SLOPE
        voiced = (voicing > 0).cast("float32")
        height = (f0 / LOWEST_F0).log() * (1 / math.log(2)) - MIDDLE_OCTAVE
        mel = block.part(0, -1, 1) - MEL_CENTRE
        shaped = self.linear("vocoder.stem", graph.concat([mel + MEL_CENTRE, height.unsqueeze(1), voiced.unsqueeze(1)], 1))
        shaped = self.convnext("vocoder.backbone", self.networks.vocoder.backbone, shaped + self.linear("vocoder.hidden", x))
        head = Head(self, self.networks.vocoder.head)
        return graph.model(head.sound(shaped, f0, voiced, (frequency, amplitude, share), tone_phases, **place))

    def _said(self, codes: Value, count: Value, vocab: Value, frames_per_token: int) -> list[Value]:
        """What tokens of so many frames say: input of the networks, linear block, octaves of the pitch, tones."""
        graph, config = self.graph, self.config
        frames, levels = FRAMES_PER_TOKEN_FRAME * frames_per_token, config.acoustic.pitch_levels
        semantic = self._codewords(codes.part(0, 1).squeeze(0), vocab, frames_per_token)
        told = codes.part(1, 2).squeeze(0)
        index = told % levels
        is_tone = index.equals(levels - 1)
        voice = graph.where(is_tone, 0, index)
        acoustic = graph.concat([codes.part(1, 2) // levels, codes.part(2, None)], 0)
        x, known = self.linear(f"decoder.semantic.{frames_per_token}", semantic), None
        absent, told = self.weight(f"decoder.absent.{frames_per_token}"), voice.cast("float32") * (2 / levels) - 1.0
        for index in range(config.n_acoustic[frames_per_token]):
            here, name = count > index, f"decoder.acoustic.{frames_per_token}.{index}"
            book = self.weight(f"quantizers.{config.token_lengths.index(frames_per_token)}.codebooks.{index}")
            code = acoustic.part(index, index + 1).squeeze(0)
            part = book.take(code % config.acoustic.codebook_sizes[index])
            part = graph.where(is_tone.unsqueeze(1), 0.0, part)
            heard = part if index else graph.concat([told.unsqueeze(1), part], 1)
            hidden = self.gelu(self.linear(f"{name}.0", heard), "none")
            x = x + graph.where(here, self.linear(f"{name}.2", hidden), absent.part(index, index + 1))
            sent = graph.where(here, part, 0.0)
            known = sent if known is None else known + sent
        assert known is not None
        transform = f"transforms.{config.token_lengths.index(frames_per_token)}"
        predicted = self.linear(f"{transform}.predict", self.context(semantic))
        block = (predicted + self.linear(f"{transform}.synthesis", known, bias=False)).reshape(-1, config.mel.n_mels + 1)
        track = self._track(voice * (count > 0).cast("int64"), frames, levels - 1)
        tones = self._tracks(*self._tones(codes, count, is_tone, acoustic, frames_per_token), frames)
        return [x.reshape(-1, config.decoder.dim), block, track, *tones]

    def _tones(self, codes: Value, count: Value, is_tone: Value, acoustic: Value, frames_per_token: int) -> tuple[Value, Value]:
        """Which tokens ``(N,)`` are tones, and their codes ``(2, N)``, as well as tokens tell them."""
        graph = self.graph
        if not self.networks.hints_tones:
            return is_tone & (count < 0), graph.concat([codes.part(0, 1)] * N_TONES, 0)
        drawn, rough = hinted(graph, acoustic.part(0, 1).squeeze(0), is_tone)
        drawn = drawn & (count > 0)
        if not self.networks.tells_tones(frames_per_token):
            return drawn, rough
        exact = count > N_TONES
        return (is_tone & exact) | (drawn & ~exact), graph.where(exact, codes.part(2, 2 + N_TONES), rough)

    def _codewords(self, codes: Value, vocab: Value, frames_per_token: int) -> Value:
        """``(N,)`` codes → ``(N, D)``: means of the leaves below them, so that no table but theirs is in memory."""
        name = f"codebooks.{self.config.token_lengths.index(frames_per_token)}"
        codebook = self.networks.codebook(frames_per_token)
        leaves = self.weight(f"{name}.leaves")
        branches = self.graph.op("Div", self.graph.constant(np.array(codebook.vocabs[-1], np.int64)), vocab)
        below = codes.unsqueeze(1) * branches + self.graph.arange(0, branches)
        return leaves.take(below).mean(1)

    def _track(self, index: Value, frames: int, levels: int) -> Value:
        """`codec.networks.pitch.pitch_track`."""
        voiced = (index > 0).cast("float32")
        octave = (index - 1).clip(low=0).cast("float32") * (OCTAVES / (levels - 2))
        weight, total = self.at_samples(voiced, frames), self.at_samples(voiced * octave, frames)
        return self.graph.where(weight > 1e-3, total / weight.clip(low=1e-3), MIDDLE_OCTAVE)

    def _tracks(self, is_tone: Value, codes: Value, frames: int) -> tuple[Value, Value, Value]:
        """`codec.networks.tones.tone_tracks` of codes ``(2, N)``: frequency and amplitude ``(T, 2)``, share ``(T,)``."""
        graph = self.graph
        steps = self.config.acoustic.codebook_sizes[-1] // N_LEVELS
        tone = is_tone.unsqueeze(1)
        codes = graph.where(tone, codes.transpose(1, 0), 0)
        slope = math.log(HIGHEST_HZ / LOWEST_HZ) / (steps - 1)
        height = (codes // N_LEVELS).cast("float32") * slope + math.log(LOWEST_HZ)
        level = codes % N_LEVELS
        decibels = (level - (N_LEVELS - 1)).cast("float32") * (LEVEL_STEP_DB / 20)
        loudness = graph.op("Pow", graph.constant(np.array([10], np.float32)), decibels)
        amplitude = graph.where(level > 0, loudness, 0.0) * tone.cast("float32")
        together = is_tone & _shifted(is_tone.cast("int64"), 1).cast("bool")
        near_before = together.unsqueeze(1) & ((height - _shifted(height, 1)).abs() < math.log(CLOSE))
        near_after = _shifted(near_before.cast("int64"), -1).cast("bool")
        offset = ((np.arange(frames, dtype=np.float32) + np.float32(0.5)) / frames - np.float32(0.5))[:, None]

        def glide(values: Value) -> Value:
            sides = []
            for by, near in ((1, near_before), (-1, near_after)):
                here = graph.where(tone, values, _shifted(values, by))
                beyond = graph.where(near, _shifted(values, by), here)
                weight = np.maximum(-offset if by > 0 else offset, 0).astype(np.float32)
                mine = (offset < 0 if by > 0 else offset >= 0).astype(np.float32)
                sides.append(here.unsqueeze(1) * mine + (beyond - here).unsqueeze(1) * weight)
            return (sides[0] + sides[1]).reshape(-1, N_TONES)

        return glide(height).exp(), glide(amplitude), self.at_samples(is_tone.cast("float32"), frames)


def _shifted(values: Value, by: int) -> Value:
    """One block later or earlier; what comes in is what was at the end."""
    graph = values.graph
    if by > 0:
        return graph.concat([values.part(0, 1), values.part(0, -1)], 0)
    return graph.concat([values.part(1, None), values.part(-1, None)], 0)
