"""The encoder as an ONNX graph: what `SourceFilterNetworks.wave_to_codes` computes, for all rates and vocabularies."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from onnx import ModelProto

from codec.export.graph import Graph, Value
from codec.export.layers import Layers
from codec.export.spectra import Fourier, filter_bank, htk_edges, slaney_edges
from codec.export.storage import Storage
from codec.export.tone_hints import hints, partnered, tellable
from codec.features import LOG_FLOOR
from codec.networks.frontend import (
    AUDIBLE_DEPTH,
    COMPRESSION,
    CORRELOGRAM_TOP_HZ,
    HIGHEST_PITCH,
    LEAST_OFFSET,
    LOWEST_PITCH,
    MAGNITUDE_FLOOR,
    MASKED_FRAMES,
    MEL_CENTRE,
    OFFSET_SAMPLES,
    OFFSET_SHARE,
)
from codec.networks.pitch import BINS_PER_OCTAVE, HIGHEST_F0, LOWEST_F0, N_BINS, NEAR, OCTAVES
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.token_decoder import FRAMES_PER_TOKEN_FRAME
from codec.networks.tones import (
    BEEP_SHARE,
    CLEAR_SHARE,
    FAINTEST_SECOND_DB,
    HIGHEST_HZ,
    HIGHEST_VOICE_HZ,
    LEVEL_STEP_DB,
    LOWEST_HZ,
    N_LEVELS,
    QUIETEST,
    SEARCHED_LOBE,
    SHARE,
    VOICED_SHARE,
)
from codec.networks.transform import VOICING_SCALE
from quantizers.nested import BEAM
from quantizers.residual import BEAM as RESIDUAL_BEAM

LN_10, LN_2 = math.log(10), math.log(2)


def encoder_graph(networks: SourceFilterNetworks, storage: Storage) -> ModelProto:
    """Samples and their context → codes.

    Inputs are ``wave`` ``(T · hop_length + 2 · edge,)`` and the numbers ``frames_per_token`` and ``vocab``; the output is
    ``codes`` ``(S, N)`` of all streams.
    """
    return _Encoder(networks, storage).model()


class _Encoder(Layers):
    def __init__(self, networks: SourceFilterNetworks, storage: Storage) -> None:
        super().__init__(Graph("encoder"), storage)
        self.networks, self.config = networks, networks.config

    def model(self) -> ModelProto:
        graph, config, networks = self.graph, self.config, self.networks
        wave = self._without_offset(graph.input("wave", "float32", ["samples"]))
        stack, vocab = graph.input("frames_per_token", "int64", []), graph.input("vocab", "int64", [])
        magnitude = Fourier(graph, config.mel.n_fft).magnitude(wave, config.hop_length)
        envelope = self._envelope(wave)
        correlogram = self._correlogram(magnitude)
        f0, voiced = self._pitch(envelope, correlogram)
        octave = (f0 / LOWEST_F0).log() * (1 / LN_2)
        block = graph.concat([self._audible(envelope) + MEL_CENTRE, voiced.unsqueeze(1) * VOICING_SCALE], 1)
        heard = self._semantic(magnitude)
        tones = self._tones(magnitude)

        def tokens_of(frames_per_token: int) -> list[Value]:
            code, codeword = self._nearest(heard, frames_per_token, vocab)
            acoustic = self._acoustic(block, codeword, frames_per_token)
            index = self._pitch_index(octave, voiced, FRAMES_PER_TOKEN_FRAME * frames_per_token)
            if networks.hints_tones:
                frames = FRAMES_PER_TOKEN_FRAME * frames_per_token
                pure, told = self._tone_codes(*tones, voiced, frames)
                pure, told = partnered(graph, told, pure, *self._strengths(*tones, voiced, frames))
                pure = tellable(graph, told, pure)
                index = graph.where(pure, networks._tone_index, index)
                exact = told if networks.tells_tones(frames_per_token) else acoustic.part(1, None, 1)
                told = graph.concat([hints(graph, told, pure).unsqueeze(1), exact], 1)
                acoustic = graph.where(pure.unsqueeze(1), told, acoustic)
            first = acoustic.part(0, 1, 1) * config.acoustic.pitch_levels + index.unsqueeze(1)
            return [graph.concat([code.unsqueeze(1), first, acoustic.part(1, None, 1)], 1).transpose(1, 0)]

        (codes,) = self.by_stack(stack, config.stacks, tokens_of)
        return graph.model({"codes": codes})

    def _without_offset(self, wave: Value) -> Value:
        """`codec.networks.frontend.without_offset`."""
        sound = (~wave.equals(0.0)).cast("float32")
        count = sound.sum(0, keepdims=True)
        mean, power = (part.sum(0, keepdims=True) / count.clip(low=1.0) for part in (wave, wave.square()))
        is_offset = (count >= float(OFFSET_SAMPLES)) & (mean.abs() > LEAST_OFFSET) & (mean.square() > power * OFFSET_SHARE**2)
        return wave - self.graph.where(is_offset, mean, 0.0) * sound

    def _semantic(self, magnitude: Value) -> Value:
        """Features of the semantic encoder at 50 Hz."""
        config = self.config
        edges = slaney_edges(config.mel.n_mels, config.sample_rate)
        norms = (2 / (edges[2:] - edges[:-2])).astype(np.float32)
        bank = filter_bank(self.graph, edges, config.mel.n_fft // 2 + 1, config.sample_rate) * norms
        mel = _log10((magnitude @ bank).clip(low=LOG_FLOOR))
        x = self.linear("semantic.stem", mel.reshape(-1, 2 * config.mel.n_mels) + 2.0)
        return self.linear("semantic.head", self.convnext("semantic.backbone", self.networks.semantic.backbone, x))

    def _envelope(self, wave: Value) -> Value:
        config, spare = self.config, (self.config.mel.n_fft - self.config.n_fft) // 2
        fourier = Fourier(self.graph, config.n_fft)
        inner = wave.part(spare, -spare) if spare else wave
        edges = htk_edges(config.mel.n_mels, config.sample_rate)
        bank = filter_bank(self.graph, edges, fourier.bins, config.sample_rate) * (4 / config.n_fft)
        return _log10((fourier.magnitude(inner, config.hop_length) @ bank).clip(low=MAGNITUDE_FLOOR))

    def _audible(self, mel: Value) -> Value:
        """`codec.networks.frontend.audible` of ``(T, n_mels)``."""
        loudest = mel.max(1).unsqueeze(0).unsqueeze(0)
        near = [2 * MASKED_FRAMES + 1]
        loudest = self.graph.op("MaxPool", loudest, kernel_shape=near, strides=[1], pads=[MASKED_FRAMES] * 2)
        loudest = loudest.squeeze(0).squeeze(0).unsqueeze(1)
        return _log10((mel * LN_10).exp() + ((loudest - AUDIBLE_DEPTH) * LN_10).exp())

    def _correlogram(self, magnitude: Value) -> Value:
        graph, config = self.graph, self.config
        n_fft, rate = config.mel.n_fft, config.sample_rate
        steps = np.linspace(math.log2(HIGHEST_PITCH), math.log2(LOWEST_PITCH), config.n_lags)
        lags = (rate / np.exp2(steps)).astype(np.float32)
        count = round(CORRELOGRAM_TOP_HZ * n_fft / rate) - 1
        bins = graph.arange(1, 1 + count).cast("float32").unsqueeze(1)
        cosines = (bins * (2 * math.pi) * lags / float(n_fft)).cos()
        compressed = graph.op("Pow", magnitude.part(1, 1 + count, 1) + 1e-7, COMPRESSION)
        return (compressed @ cosines) / compressed.sum(1, keepdims=True).clip(low=1e-9)

    def _pitch(self, envelope: Value, correlogram: Value) -> tuple[Value, Value]:
        graph = self.graph
        x = self.linear("pitch.stem", graph.concat([envelope + MEL_CENTRE, correlogram], 1))
        x = self.linear("pitch.head", self.convnext("pitch.backbone", self.networks.pitch.backbone, x))
        classes = x.part(0, -1, 1)
        bins = graph.constant(np.arange(N_BINS))
        near = (bins - classes.argmax(1, keepdims=True)).abs() <= NEAR
        share = graph.op("Softmax", graph.where(near, classes, -np.inf), axis=1)
        octave = (share * bins.cast("float32")).sum(1) / BINS_PER_OCTAVE
        return hertz(octave), (x.part(-1, None, 1).squeeze(1) > 0).cast("float32")

    def _pitch_index(self, octave: Value, voiced: Value, frames: int) -> Value:
        levels = self.networks._tone_index
        voiced, octave = voiced.reshape(-1, frames), octave.reshape(-1, frames)
        count = voiced.sum(1)
        mean = (voiced * octave).sum(1) / count.clip(low=1.0)
        index = (mean * ((levels - 2) / OCTAVES)).round().clip(0.0, levels - 2.0) + 1.0
        return self.graph.where(count * 2.0 >= frames, index, 0.0).cast("int64")

    def _nearest(self, heard: Value, stack: int, vocab: Value) -> tuple[Value, Value]:
        """Codes ``(N,)`` and codewords ``(N, D)`` of a vocabulary: `quantizers.nested.descend`, with all of them on the way."""
        graph, config = self.graph, self.config
        name, width = f"codebooks.{config.stacks.index(stack)}", stack * config.semantic.n_features
        points = (heard.reshape(-1, width) - self.weight(f"{name}.mean")) @ self.weight(f"{name}.basis")
        codebook = self.networks.codebook(stack)
        tables = [self.table(name, codebook, size) for size in codebook.vocabs]
        half_norms = graph.at_the_top(lambda: tables[0].square().sum(1) * 0.5)
        beam = min(BEAM, codebook.vocabs[0])
        codes = graph.top(points @ graph.at_the_top(lambda: tables[0].transpose(1, 0)) - half_norms, beam, largest=True)
        found, values = [codes.part(0, 1, 1)], [tables[0].take(codes.part(0, 1, 1).squeeze(1))]
        for (coarse, fine), table in zip(pairwise(codebook.vocabs), tables[1:], strict=True):
            branches = fine // coarse
            codes = (codes.unsqueeze(2) * branches + np.arange(branches)).reshape(-1, beam * branches)
            distances = (table.take(codes) - points.unsqueeze(1)).square().sum(2)
            beam = min(BEAM, beam * branches)
            codes = graph.op("GatherElements", codes, graph.top(distances, beam, largest=False), axis=1)
            found.append(codes.part(0, 1, 1))
            values.append(table.take(found[-1].squeeze(1)))
        chosen = self.chosen(vocab, codebook)
        code = graph.concat(found, 1).take(chosen, axis=1)
        return code, graph.concat([value.unsqueeze(0) for value in values], 0).take(chosen)

    def _acoustic(self, block: Value, codeword: Value, stack: int) -> Value:
        """Codes ``(N, G)`` of the acoustic codebooks."""
        config = self.config
        transform = f"transforms.{config.stacks.index(stack)}"
        width = FRAMES_PER_TOKEN_FRAME * stack * (config.mel.n_mels + 1)
        rest = block.reshape(-1, width) - self.linear(f"{transform}.predict", self.context(codeword))
        return self._searched(self.linear(f"{transform}.analysis", rest, bias=False), stack)

    def _searched(self, points: Value, stack: int) -> Value:
        """Codes ``(N, G)`` of vectors ``(N, D)``: `quantizers.residual.search`."""
        graph, config = self.graph, self.config
        sizes = config.acoustic.codebook_sizes[: config.n_acoustic[stack]]
        books = [self.weight(f"quantizers.{config.stacks.index(stack)}.codebooks.{index}") for index in range(len(sizes))]
        rest, ways = points.unsqueeze(1), 1
        codes: list[Value] = []  # (N, ways), of each codebook so far
        for index, (book, size) in enumerate(zip(books, sizes, strict=True)):
            keep = 1 if index in (0, len(sizes) - 1) else min(RESIDUAL_BEAM, size)
            scores = rest @ book.transpose(1, 0) - book.square().sum(1) * 0.5
            found = graph.top(scores, keep, largest=True)  # (N, ways, keep)
            scores = graph.op("GatherElements", scores, found, axis=2)
            distances = (rest.square().sum(2).unsqueeze(2) * 0.5 - scores).reshape(-1, ways * keep)
            best = graph.top(distances, min(keep, RESIDUAL_BEAM), largest=False)
            code = graph.op("GatherElements", found.reshape(-1, ways * keep), best, axis=1)
            codes = [graph.op("GatherElements", before, best // keep, axis=1) for before in codes] + [code]
            rest = self._of_ways(rest, best // keep, config.acoustic.n_coefficients) - book.take(code)
            ways = min(keep, RESIDUAL_BEAM)
        return graph.concat(codes, 1)

    def _of_ways(self, values: Value, way: Value, width: int) -> Value:
        """Of values ``(N, W, width)`` those of ways ``(N, W')``."""
        wide = way.unsqueeze(2) + np.zeros((1, 1, width), np.int64)
        return self.graph.op("GatherElements", values, wide, axis=1)

    def _tones(self, magnitude: Value) -> tuple[Value, Value, Value]:
        """`codec.networks.tones.find_tones`: frequencies and amplitudes ``(T, 2)``, share ``(T,)``."""
        graph, n_fft, sample_rate = self.graph, self.config.mel.n_fft, self.config.sample_rate
        power = magnitude.square()
        last, rest, found = n_fft // 2, power, []
        bins = graph.constant(np.arange(last + 1))
        for _ in range(2):
            peak = rest.part(SEARCHED_LOBE, last - SEARCHED_LOBE, 1).argmax(1, keepdims=True) + SEARCHED_LOBE
            lobe = ((bins - peak).abs() <= SEARCHED_LOBE).cast("float32")
            energy = (rest * lobe).sum(1)
            level = [(graph.op("GatherElements", rest, peak + shift, axis=1) + 1e-20).log() for shift in (-1, 0, 1)]
            curve = (level[0] - level[1] * 2.0 + level[2]).clip(high=-1e-6)
            place = peak.cast("float32") + ((level[0] - level[2]) * 0.5 / curve).clip(-0.5, 0.5)
            found.append((place.squeeze(1) * (sample_rate / n_fft), energy))
            rest = rest * (1.0 - lobe)
        (f1, e1), (f2, e2) = found
        heard = e2 > e1 * 10 ** (-FAINTEST_SECOND_DB / 10)
        # The first one is always louder than itself less 20 dB, unless there is nothing at all.
        e1 = graph.where(e1 > e1 * 10 ** (-FAINTEST_SECOND_DB / 10), e1, 0.0)
        f2, e2 = graph.where(heard, f2, f1), graph.where(heard, e2, 0.0)
        in_order = f1 <= f2
        frequency = _pair(graph, graph.where(in_order, f1, f2), graph.where(in_order, f2, f1))
        energy = _pair(graph, graph.where(in_order, e1, e2), graph.where(in_order, e2, e1))
        amplitude = (energy * (32 / 3)).sqrt() / float(n_fft)
        return frequency, amplitude, energy.sum(1) / power.sum(1).clip(low=1e-12)

    def _tone_codes(self, frequency: Value, amplitude: Value, share: Value, voiced: Value, frames: int) -> tuple[Value, Value]:
        """`codec.networks.tones.tone_codes`: whether ``(N,)`` tokens are tones, and their codes ``(N, 2)``."""
        pure, frequency, amplitude = self._pure(frequency, amplitude, share, voiced)
        pure = pure.cast("float32").reshape(-1, frames)
        frequency, amplitude = frequency.reshape(-1, frames, 2), amplitude.reshape(-1, frames, 2)
        count = pure.sum(1)
        weight = (pure / count.clip(low=1.0).unsqueeze(1)).unsqueeze(2)
        height = (weight * frequency.clip(LOWEST_HZ, HIGHEST_HZ).log()).sum(1)
        loudness = (weight * amplitude.square()).sum(1).sqrt()
        steps = self.config.acoustic.codebook_sizes[-1] // N_LEVELS
        scale = (steps - 1) / math.log(HIGHEST_HZ / LOWEST_HZ)
        place = ((height - math.log(LOWEST_HZ)) * scale).round().clip(0.0, steps - 1.0)
        decibels = _log10(loudness.clip(low=1e-9)) * 20.0
        level = (decibels / LEVEL_STEP_DB).round().clip(1.0 - N_LEVELS, 0.0) + (N_LEVELS - 1.0)
        level = level * (count * 2.0 >= float(frames)).cast("float32").unsqueeze(1)
        return count * 4.0 >= 3.0 * frames, (place * float(N_LEVELS) + level).cast("int64")

    def _strengths(self, frequency: Value, amplitude: Value, share: Value, voiced: Value, frames: int) -> tuple[Value, Value]:
        """`codec.networks.tones.strengths`: ``(N,)`` of tones and of all else."""
        pure = self._pure(frequency, amplitude, share, voiced)[0].cast("float32")
        power = amplitude.square().sum(1) / share.clip(low=1e-6)
        inside, outside = ((power * part).reshape(-1, frames).sum(1) for part in (pure, 1.0 - pure))
        return inside, outside

    def _pure(self, frequency: Value, amplitude: Value, share: Value, voiced: Value) -> tuple[Value, Value, Value]:
        """Frames ``(T,)`` that are tones or one beep above all else, and the frequencies and amplitudes that count in them."""
        graph = self.graph
        (f1, f2), (a1, a2) = ([both.part(0, 1, 1), both.part(1, 2, 1)] for both in (frequency, amplitude))
        strongest, loudest = graph.where(a2 > a1, f2, f1), amplitude.max(1).unsqueeze(1)
        power = amplitude.square().sum(1, keepdims=True).clip(low=1e-20)
        alone = share.unsqueeze(1) * (loudest.square() / power)
        tonal = (share >= voiced * (VOICED_SHARE - SHARE) + SHARE).unsqueeze(1)
        beep = (alone >= BEEP_SHARE) & (strongest > HIGHEST_VOICE_HZ)
        single = beep & (~tonal | (alone >= CLEAR_SHARE))
        amplitude = graph.where(single, loudest * np.array([[1, 0]], np.float32), amplitude)
        pure = (tonal | beep).squeeze(1) & (amplitude.max(1) >= QUIETEST)
        return pure, graph.where(single, strongest, frequency), amplitude


def hertz(octave: Value) -> Value:
    """`codec.networks.pitch.hertz`."""
    graph = octave.graph
    two = graph.constant(np.float32(2)[None])
    return (graph.op("Pow", two, octave) * LOWEST_F0).clip(LOWEST_F0, HIGHEST_F0)


def _log10(x: Value) -> Value:
    return x.log() * (1 / LN_10)


def _pair(graph: Graph, first: Value, second: Value) -> Value:
    return graph.concat([first.unsqueeze(1), second.unsqueeze(1)], 1)
