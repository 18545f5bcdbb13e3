"""How weights lie in an exported model: as they are in the model's own file, or in fewer bits."""

from __future__ import annotations

import json
import re
import zlib
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from onnx import TensorProto

from codec.errors import ModelError
from codec.export.graph import TYPES, Graph, Value

NUMPY = {"F16": "float16", "F32": "float32"}
"""What safetensors calls its types."""
LARGEST = 127
"""Of whole numbers of 8 bits, and its negative."""


class Storage(ABC):
    """Where graphs have weights from; each is unpacked once, at the top of the graph."""

    def __init__(self) -> None:
        self._given: dict[tuple[int, str], Value] = {}

    def give(self, graph: Graph, name: str) -> Value:
        """A weight in single precision.

        Args:
            graph: to put it into.
            name: in the state of the networks.
        """
        key = (id(graph), name)
        if key not in self._given:
            self._given[key] = graph.at_the_top(lambda: self._put(graph, name))
        return self._given[key]

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a weight."""

    @abstractmethod
    def _put(self, graph: Graph, name: str) -> Value: ...


def refer(graph: Graph, name: str, dtype: str, shape: tuple[int, ...], file: str, offset: int, length: int) -> Value:
    """A tensor whose numbers lie in a file beside the graph."""
    tensor = TensorProto(name=name, data_type=TYPES[dtype], dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", file), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    graph.initializers.append(tensor)
    return Value(graph, name, dtype)


class Beside(Storage):
    """Weights stay in the model's own safetensors file, in whose folder the graphs must lie.

    Args:
        path: of the file.

    Raises:
        ModelError: weights of a type that graphs cannot refer to.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.name
        with path.open("rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
            self._tensors = json.loads(handle.read(size))
        self._start = 8 + size
        if others := {told["dtype"] for told in self._tensors.values() if "dtype" in told} - set(NUMPY):
            raise ModelError(f"{path}: weights of type {', '.join(sorted(others))}; graphs refer to {' and '.join(NUMPY)} only")

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name]["shape"])

    def _put(self, graph: Graph, name: str) -> Value:
        found = self._tensors[name]
        start, stop = found["data_offsets"]
        stored = refer(graph, name, NUMPY[found["dtype"]], tuple(found["shape"]), self._file, self._start + start, stop - start)
        return stored.cast("float32")


SMALLEST_STEP = 6.2e-5
"""That float16 holds in full."""
LARGE = 4096
"""Numbers of a matrix that is worth a byte for each; others are in 16 bits."""
BY_ROWS = (
    (re.compile(r"(decoder|vocoder)\..*\.(expand|project)\.weight"), 0.34),
    (re.compile(r"decoder\.(acoustic\..*\.2|semantic\.\d|refine)\.weight|vocoder\.(hidden|head\.envelopes)\.weight"), 0.34),
    (re.compile(r"semantic\..*\.(expand|project)\.weight"), 0.13),
    (re.compile(r"(pitch|transforms|decoder|vocoder)\..*"), 0.02),
)
"""Steps that numbers are rounded to, as a share of the root mean square of their row. The decoder's are the coarsest that leave
its sound alone, the encoder's decide tokens; narrow layers decide more than they weigh. The first pattern that fits counts."""
BY_TABLES = ((re.compile(r"codebooks\..*\.leaves"), 0.13), (re.compile(r"quantizers\..*"), 0.04))
"""The same of codewords, as a share of that of the table: distances between them are to be right, in every direction alike. A
table lies column by column, since those behind vary less and then need fewer bits."""


class Packed(Storage):
    """Large matrices as whole numbers of 8 bits, most of them small, the rest in 16 bits; all in one file beside the graphs.

    How many bits a number needs is decided by the steps: Huffman's code (`squeezed`) makes 4 to 6 of 8.

    Args:
        state: weights by name, float32.
        file: name of that file.

    Attributes:
        data: what the file is to hold, once the graphs are made.
    """

    def __init__(self, state: dict[str, np.ndarray], file: str) -> None:
        super().__init__()
        self._state, self._file = state, file
        self._places: dict[str, tuple[int, int]] = {}
        self.data = bytearray()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._state[name].shape

    def _put(self, graph: Graph, name: str) -> Value:
        weight = self._state[name]
        if weight.ndim == 2 and weight.size >= LARGE:
            if share := _share(BY_ROWS, name):
                return self._rounded(graph, name, weight, share * np.sqrt(np.square(weight).mean(1, keepdims=True)))
            if share := _share(BY_TABLES, name):
                step = share * np.sqrt(np.square(weight).mean(keepdims=True))
                return self._rounded(graph, name, weight.T, step).transpose(1, 0)
        return self._tensor(graph, name, weight.astype(np.float16)).cast("float32")

    def _rounded(self, graph: Graph, name: str, weight: np.ndarray, step: np.ndarray) -> Value:
        """Rows in steps of their own, no smaller than the largest number needs."""
        needed = np.maximum(step, np.abs(weight).max(1, keepdims=True) / LARGEST)
        step = needed.clip(SMALLEST_STEP).astype(np.float16)
        whole = np.rint(weight / step.astype(np.float32)).clip(-LARGEST, LARGEST).astype(np.int8)
        steps = self._tensor(graph, f"{name}.step", step).cast("float32")
        return self._tensor(graph, name, np.ascontiguousarray(whole)).cast("float32") * steps

    def _tensor(self, graph: Graph, name: str, array: np.ndarray) -> Value:
        if name not in self._places:  # or else the other graph has it, too
            self._places[name] = len(self.data), array.nbytes
            self.data += array.tobytes()
        return refer(graph, name, str(array.dtype), array.shape, self._file, *self._places[name])


def _share(shares: tuple[tuple[re.Pattern[str], float], ...], name: str) -> float | None:
    return next((share for pattern, share in shares if pattern.fullmatch(name)), None)


def squeezed(data: bytes) -> bytes:
    """Compresses as gzip, which any browser unpacks; for weights, which repeat nothing, Huffman's code alone is shorter.

    Example:
        >>> import gzip
        >>> gzip.decompress(squeezed(b"weights"))
        b'weights'
    """
    return min((_packed(data, strategy) for strategy in (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY)), key=len)


def _packed(data: bytes, strategy: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 9, strategy)
    return packer.compress(data) + packer.flush()
