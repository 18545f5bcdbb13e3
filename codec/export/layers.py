"""Layers of the networks as parts of a graph; a batch has one item, so that a sequence is ``(T, D)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from codec.export.graph import Graph, Value
from codec.export.storage import Storage
from codec.networks.convnext import ConvNeXt, ConvNeXtBlock
from quantizers.nested import NestedKMeansQuantizer

EPSILON = 1e-6
"""Of layer norms."""


class Layers:
    """What writes networks into a graph.

    Args:
        graph: to write into.
        storage: of the weights.
    """

    def __init__(self, graph: Graph, storage: Storage) -> None:
        self.graph, self._storage = graph, storage

    def weight(self, name: str) -> Value:
        """A weight by its name in the state of the networks."""
        return self._storage.give(self.graph, name)

    def linear(self, name: str, x: Value, bias: bool = True) -> Value:
        """``(T, D)`` → ``(T, D')``."""
        others = [self.weight(f"{name}.weight")] + ([self.weight(f"{name}.bias")] if bias else [])
        return self.graph.op("Gemm", x, *others, transB=1)

    def norm(self, name: str, x: Value) -> Value:
        """A layer norm."""
        return self.graph.op(
            "LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), epsilon=EPSILON
        )

    def gelu(self, x: Value, approximate: str) -> Value:
        """GELU of every element; ``approximate`` is ``none`` or ``tanh``."""
        return self.graph.op("Gelu", x, approximate=approximate)

    def convnext(self, name: str, network: ConvNeXt, x: Value) -> Value:
        """``(T, D)`` → ``(T, D)``."""
        x = self.norm(f"{name}.norm_in", x)
        for index, block in enumerate(network.blocks):
            assert isinstance(block, ConvNeXtBlock)
            x = x + self._block(f"{name}.blocks.{index}", block.dilation, block.depthwise.kernel_size[0], x)
        return self.norm(f"{name}.norm_out", x)

    def _block(self, name: str, dilation: int, kernel_size: int, x: Value) -> Value:
        pad = dilation * (kernel_size // 2)
        weight = self.weight(f"{name}.depthwise.weight")
        y = self.graph.op(
            "Conv", x.transpose(1, 0).unsqueeze(0), weight, self.weight(f"{name}.depthwise.bias"),
            group=self._channels(name), dilations=[dilation], kernel_shape=[kernel_size], pads=[pad, pad],
        )  # fmt: skip
        y = self.norm(f"{name}.norm", y.squeeze(0).transpose(1, 0))
        y = self.linear(f"{name}.project", self.gelu(self.linear(f"{name}.expand", y), "tanh"))
        return y * self.weight(f"{name}.scale")

    def _channels(self, name: str) -> int:
        return self._storage.shape(f"{name}.depthwise.weight")[0]

    def at_samples(self, values: Value, hop_length: int) -> Value:
        """`codec.networks.excitation.at_samples` of ``(T,)``."""
        held = self.graph.concat([values.part(0, 1), values, values.part(-1, None)], 0)
        before, here, after = held.part(0, -2), held.part(1, -1), held.part(2, None)
        offset = ((np.arange(hop_length, dtype=np.float32) + np.float32(0.5)) / hop_length - np.float32(0.5)).astype(np.float32)
        left, right = before.unsqueeze(1) - here.unsqueeze(1), after.unsqueeze(1) - here.unsqueeze(1)
        # Offsets are constants: which side a sample lies on is known here.
        return (
            here.unsqueeze(1)
            + left * np.maximum(-offset, 0, dtype=np.float32)
            + right * np.maximum(offset, 0, dtype=np.float32)
        ).reshape(-1)

    def context(self, x: Value) -> Value:
        """``(N, D)`` → ``(N, 3 · D)``: each with the one before and the one after."""
        before, after = x.pad(1, 0, 0, 2).part(0, -1), x.pad(0, 1, 0, 2).part(1, None)
        return self.graph.concat([before, x, after], 1)

    def table(self, name: str, codebook: NestedKMeansQuantizer, vocab: int) -> Value:
        """``(vocab, D)`` codewords, averaged when the file is loaded."""
        leaves = self.weight(f"{name}.leaves")
        if vocab == codebook.vocabs[-1]:
            return leaves
        return self.graph.at_the_top(lambda: leaves.reshape(vocab, -1, codebook.dim).mean(1))

    def chosen(self, vocab: Value, codebook: NestedKMeansQuantizer) -> Value:
        """The place of a vocabulary among all of them, a number ``()``."""
        sizes = self.graph.constant(np.array(codebook.vocabs[:-1], np.int64))
        return (vocab > sizes).cast("int64").sum(0) if len(codebook.vocabs) > 1 else vocab * 0

    def by_token_length(
        self, frames_per_token: Value, token_lengths: Sequence[int], build: Callable[[int], list[Value]]
    ) -> list[Value]:
        """What ``build`` makes for the number of frames per token that is asked for."""
        first, *others = token_lengths
        if not others:
            return build(first)
        return self.graph.branch(
            frames_per_token.equals(first), lambda: build(first), lambda: self.by_token_length(frames_per_token, others, build)
        )
