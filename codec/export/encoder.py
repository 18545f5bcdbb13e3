"""The encoder as an ONNX graph: what `SourceFilterNetworks.wave_to_codes` computes, for all rates and vocabularies."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from onnx import ModelProto

from codec.export.graph import Graph, Value
from codec.export.high_pitch import with_high_pitch
from codec.export.joint_search import semantic_codes
from codec.export.layers import Layers
from codec.export.level import aims
from codec.export.loudness import metric
from codec.export.spectra import Fourier, filter_bank, htk_edges, slaney_edges
from codec.export.storage import Storage
from codec.export.tone_hints import hints, partnered, tellable
from codec.export.tones import LN_10, find_lines, strengths, tone_codes
from codec.export.weighted import searched
from codec.features import LOG_FLOOR
from codec.networks.frontend import (
    AUDIBLE_DEPTH,
    COMPRESSION,
    CORRELOGRAM_TOP_HZ,
    GAP_SAMPLES,
    HIGHEST_PITCH,
    LEAST_OFFSET,
    LOWEST_PITCH,
    MAGNITUDE_FLOOR,
    MASKED_FRAMES,
    MEL_CENTRE,
    OFFSET_SAMPLES,
    OFFSET_SHARE,
)
from codec.networks.joint_search import CANDIDATES
from codec.networks.pitch import BINS_PER_OCTAVE, HIGHEST_F0, LOWEST_F0, N_BINS, NEAR, OCTAVES
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.token_decoder import FRAMES_PER_TOKEN_FRAME
from codec.networks.transform import VOICING_SCALE
from quantizers.nested import BEAM

LN_2 = math.log(2)


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
        frames_per_token, vocab = graph.input("frames_per_token", "int64", []), graph.input("vocab", "int64", [])
        magnitude = Fourier(graph, config.mel.n_fft).magnitude(wave, config.hop_length)
        envelope = self._envelope(wave)
        correlogram = self._correlogram(magnitude)
        lines = find_lines(graph, magnitude, config.mel.n_fft, config.sample_rate)
        pitch = self._pitch(envelope, correlogram)
        f0, voiced = with_high_pitch(graph, pitch, correlogram, lines, config.n_lags)
        octave = (f0 / LOWEST_F0).log() * (1 / LN_2)
        block = graph.concat([self._audible(envelope) + MEL_CENTRE, voiced.unsqueeze(1) * VOICING_SCALE], 1)
        heard = self._semantic(magnitude)

        def tokens_of(frames_per_token: int) -> list[Value]:
            code, codeword = self._semantic_codes(heard, block, frames_per_token, vocab)
            acoustic = self._acoustic(block, codeword, frames_per_token)
            index = self._pitch_index(octave, voiced, FRAMES_PER_TOKEN_FRAME * frames_per_token)
            if networks.hints_tones:
                frames = FRAMES_PER_TOKEN_FRAME * frames_per_token
                pure, told = tone_codes(graph, lines, voiced, frames, config.acoustic.codebook_sizes[-1])
                pure, told = partnered(graph, told, pure, *strengths(lines, voiced, frames))
                pure = tellable(graph, told, pure)
                index = graph.where(pure, networks._tone_index, index)
                exact = told if networks.tells_tones(frames_per_token) else acoustic.part(1, None, 1)
                told = graph.concat([hints(graph, told, pure).unsqueeze(1), exact], 1)
                acoustic = graph.where(pure.unsqueeze(1), told, acoustic)
            first = acoustic.part(0, 1, 1) * config.acoustic.pitch_levels + index.unsqueeze(1)
            return [graph.concat([code.unsqueeze(1), first, acoustic.part(1, None, 1)], 1).transpose(1, 0)]

        (codes,) = self.by_token_length(frames_per_token, config.token_lengths, tokens_of)
        return graph.model({"codes": codes})

    def _without_offset(self, wave: Value) -> Value:
        """`codec.networks.frontend.without_offset`."""
        sound = 1.0 - self._near(1.0 - self._near((~wave.equals(0.0)).cast("float32")))
        count = sound.sum(0, keepdims=True)
        mean, power = (part.sum(0, keepdims=True) / count.clip(low=1.0) for part in (wave, wave.square()))
        is_offset = (count >= float(OFFSET_SAMPLES)) & (mean.abs() > LEAST_OFFSET) & (mean.square() > power * OFFSET_SHARE**2)
        return wave - self.graph.where(is_offset, mean, 0.0) * sound

    def _near(self, mask: Value) -> Value:
        """`codec.networks.frontend` closes gaps with it: where something of a mask ``(samples,)`` lies nearby."""
        graph, reach = self.graph, GAP_SAMPLES
        total = graph.op("CumSum", mask, graph.constant(np.array(0, np.int64)))
        after = graph.concat([total.part(reach, None), total.part(-1, None) + np.zeros(reach, np.float32)], 0)
        before = graph.concat([graph.constant(np.zeros(reach + 1, np.float32)), total.part(0, -reach - 1)], 0)
        return (after > before).cast("float32")

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

    def _semantic_codes(self, heard: Value, block: Value, frames_per_token: int, vocab: Value) -> tuple[Value, Value]:
        """Codes ``(N,)`` and codewords ``(N, D)`` of a vocabulary."""
        graph = self.graph
        transform = f"transforms.{self.config.token_lengths.index(frames_per_token)}"
        width = FRAMES_PER_TOKEN_FRAME * frames_per_token * (self.config.mel.n_mels + 1)
        book = self._codebooks(frames_per_token)[0]
        told = graph.at_the_top(lambda: self.linear(f"{transform}.synthesis", book, bias=False))
        predict = self.weight(f"{transform}.predict.weight"), self.weight(f"{transform}.predict.bias")
        found, dim = self._candidates(heard, frames_per_token, vocab), self.networks.codebook(frames_per_token).dim
        return semantic_codes(graph, found, block.reshape(-1, width), predict, told, dim)

    def _candidates(self, heard: Value, frames_per_token: int, vocab: Value) -> tuple[Value, Value, Value]:
        """`quantizers.nested.candidates` of a vocabulary: codes ``(N, C)``, squared distances, codewords ``(N, C, D)``."""
        graph, config = self.graph, self.config
        name, width = f"codebooks.{config.token_lengths.index(frames_per_token)}", frames_per_token * config.semantic.n_features
        points = (heard.reshape(-1, width) - self.weight(f"{name}.mean")) @ self.weight(f"{name}.basis")
        codebook = self.networks.codebook(frames_per_token)
        tables = [self.table(name, codebook, size) for size in codebook.vocabs]
        half_norms = graph.at_the_top(lambda: tables[0].square().sum(1) * 0.5)
        count = min(max(BEAM, CANDIDATES), codebook.vocabs[0])
        codes = graph.top(points @ graph.at_the_top(lambda: tables[0].transpose(1, 0)) - half_norms, count, largest=True)
        found = [self._measured(points, tables[0], codes)]
        counts = [count]
        for (coarse, fine), table in zip(pairwise(codebook.vocabs), tables[1:], strict=True):
            branches = fine // coarse
            keep = min(max(BEAM, -(-CANDIDATES // branches)), counts[-1])
            codes, distances, _ = found[-1]
            # The coarsest ones lie in order already, by a score that need not agree with distances to the last bit.
            kept = codes.part(0, keep, 1) if len(found) == 1 else _gathered(codes, graph.top(distances, keep, largest=False))
            codes = (kept.unsqueeze(2) * branches + np.arange(branches)).reshape(-1, keep * branches)
            found.append(self._measured(points, table, codes))
            counts.append(keep * branches)
        chosen = self.chosen(vocab, codebook)
        longest = max(counts)
        # Lists that are shorter go on from their beginning.
        lists = [
            [part.take(np.resize(np.arange(n), longest), 1) for part in parts] for parts, n in zip(found, counts, strict=True)
        ]
        codes, distances, words = (graph.concat([each.unsqueeze(0) for each in p], 0) for p in zip(*lists, strict=True))
        return codes.take(chosen), distances.take(chosen), words.take(chosen)

    def _measured(self, points: Value, table: Value, codes: Value) -> tuple[Value, Value, Value]:
        """Codes with their squared distances and codewords."""
        words = table.take(codes)
        return codes, (words - points.unsqueeze(1)).square().sum(2), words

    def _acoustic(self, block: Value, codeword: Value, frames_per_token: int) -> Value:
        """Codes ``(N, G)`` of the acoustic codebooks."""
        config = self.config
        transform = f"transforms.{config.token_lengths.index(frames_per_token)}"
        width = FRAMES_PER_TOKEN_FRAME * frames_per_token * (config.mel.n_mels + 1)
        left = block.reshape(-1, width) - self.linear(f"{transform}.predict", self.context(codeword))
        frames, books = FRAMES_PER_TOKEN_FRAME * frames_per_token, self._codebooks(frames_per_token)
        n_mels, dim, sizes = config.mel.n_mels, config.acoustic.n_coefficients, config.acoustic.codebook_sizes[: len(books)]

        def analysis(blocks: Value) -> Value:
            return self.linear(f"{transform}.analysis", blocks, bias=False)

        def synthesis(coefficients: Value) -> Value:
            return self.linear(f"{transform}.synthesis", coefficients, bias=False)

        wanted, block = analysis(left), block.reshape(-1, width)
        weighed = None
        if len(books) > 1:
            vectors = self.weight(f"{transform}.synthesis.weight")
            weighed = metric(self.graph, block, left, vectors, n_mels, frames, dim)
        codes = searched(self.graph, wanted, wanted, weighed, books, sizes, dim)
        told = [book.take(codes.part(index, index + 1, 1).squeeze(1)) for index, book in enumerate(books)]
        every, first = aims(self.graph, told, block, block - left, wanted, n_mels, frames, analysis, synthesis)
        moved = weighed.moved(every - wanted) if weighed else None
        return searched(self.graph, every, first, moved, books, sizes, dim)

    def _codebooks(self, frames_per_token: int) -> list[Value]:
        config = self.config
        name = f"quantizers.{config.token_lengths.index(frames_per_token)}.codebooks"
        return [self.weight(f"{name}.{index}") for index in range(config.n_acoustic[frames_per_token])]


def _gathered(values: Value, index: Value) -> Value:
    """Of values ``(N, C)`` those at ``(N, C')``."""
    return values.graph.op("GatherElements", values, index, axis=1)


def hertz(octave: Value) -> Value:
    """`codec.networks.pitch.hertz`."""
    graph = octave.graph
    two = graph.constant(np.float32(2)[None])
    return (graph.op("Pow", two, octave) * LOWEST_F0).clip(LOWEST_F0, HIGHEST_F0)


def _log10(x: Value) -> Value:
    return x.log() * (1 / LN_10)
