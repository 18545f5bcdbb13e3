"""How weights lie in an exported model: as they are in the model's own file, or in fewer bits."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from onnx import TensorProto

from codec.export.graph import TYPES, Graph, Value

NUMPY = {"F16": "float16", "F32": "float32"}
"""What safetensors calls its types."""
INT8 = 127


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
        """Of a weight."""

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
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.name
        with path.open("rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
            self._tensors = json.loads(handle.read(size))
        self._start = 8 + size

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name]["shape"])

    def _put(self, graph: Graph, name: str) -> Value:
        found = self._tensors[name]
        start, stop = found["data_offsets"]
        stored = refer(graph, name, NUMPY[found["dtype"]], tuple(found["shape"]), self._file, self._start + start, stop - start)
        return stored.cast("float32")


LARGE = re.compile(r".*\.(expand|project)\.weight|decoder\.(acoustic\..*\.2|semantic\.\d)\.weight|codebooks\..*\.leaves")
"""The wide layers and the codebooks, nine weights in ten. Narrow ones decide more of the tokens than they weigh."""
BLOCK = 64
"""Weights of a row with one scale, where rows are whole blocks."""


class Packed(Storage):
    """Large matrices in 8 bits with a scale for every block, the rest in 16; all in one file beside the graphs.

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
        if not LARGE.fullmatch(name):
            return self._tensor(graph, name, weight.astype(np.float16)).cast("float32")
        rows, columns = weight.shape
        blocks = weight.reshape(rows, -1, BLOCK if columns % BLOCK == 0 else columns)
        scale = (np.abs(blocks).max(2, keepdims=True) / INT8).clip(np.finfo(np.float16).tiny).astype(np.float16)
        whole = np.rint(blocks / scale.astype(np.float32)).clip(-INT8, INT8).astype(np.int8)
        scales = self._tensor(graph, f"{name}.scale", scale).cast("float32")
        return (self._tensor(graph, name, whole).cast("float32") * scales).reshape(rows, columns)

    def _tensor(self, graph: Graph, name: str, array: np.ndarray) -> Value:
        if name not in self._places:  # or else the other graph has it, too
            self._places[name] = len(self.data), array.nbytes
            self.data += array.tobytes()
        return refer(graph, name, str(array.dtype), array.shape, self._file, *self._places[name])
