"""An ONNX graph under construction, written like numpy.

Graphs are written by hand, not traced: what follows from numbers (Fourier matrices, filter banks, tables of noise) is computed
by nodes that a runtime folds when it loads the file, weights lie in the file once and are unpacked there, and both token
lengths share them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

OPSET, IR_VERSION = 20, 9
TYPES = {
    "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16, "int64": TensorProto.INT64,
    "uint64": TensorProto.UINT64, "int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "bool": TensorProto.BOOL,
}  # fmt: skip


class Value:
    """A tensor of a graph.

    Args:
        graph: that it belongs to.
        name: in the file.
        dtype: as numpy calls it.
    """

    __array_ufunc__ = None  # array - value is this class's business

    def __init__(self, graph: Graph, name: str, dtype: str) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def __add__(self, other: Any) -> Value:
        return self.graph.op("Add", self, other)

    def __radd__(self, other: Any) -> Value:
        return self.graph.op("Add", self.graph.like(other, self), self)

    def __sub__(self, other: Any) -> Value:
        return self.graph.op("Sub", self, other)

    def __rsub__(self, other: Any) -> Value:
        return self.graph.op("Sub", self.graph.like(other, self), self)

    def __mul__(self, other: Any) -> Value:
        return self.graph.op("Mul", self, other)

    def __rmul__(self, other: Any) -> Value:
        return self.graph.op("Mul", self.graph.like(other, self), self)

    def __truediv__(self, other: Any) -> Value:
        return self.graph.op("Div", self, other)

    def __floordiv__(self, other: Any) -> Value:
        assert self.dtype == "int64"  # of numbers that are not negative
        return self.graph.op("Div", self, other)

    def __mod__(self, other: Any) -> Value:
        return self.graph.op("Mod", self, other)

    def __matmul__(self, other: Value) -> Value:
        return self.graph.op("MatMul", self, other)

    def __and__(self, other: Value) -> Value:
        return self.graph.op("And", self, other)

    def __or__(self, other: Value) -> Value:
        return self.graph.op("Or", self, other)

    def __invert__(self) -> Value:
        return self.graph.op("Not", self)

    def __lt__(self, other: Any) -> Value:
        return self.graph.op("Less", self, other, dtype="bool")

    def __le__(self, other: Any) -> Value:
        return self.graph.op("LessOrEqual", self, other, dtype="bool")

    def __gt__(self, other: Any) -> Value:
        return self.graph.op("Greater", self, other, dtype="bool")

    def __ge__(self, other: Any) -> Value:
        return self.graph.op("GreaterOrEqual", self, other, dtype="bool")

    def equals(self, other: Any) -> Value:
        """Where both are the same."""
        return self.graph.op("Equal", self, other, dtype="bool")

    def cast(self, dtype: str) -> Value:
        """Converts to another type; fractions are cut off."""
        return self if dtype == self.dtype else self.graph.op("Cast", self, to=TYPES[dtype], dtype=dtype)

    def reshape(self, *shape: int) -> Value:
        """Reshapes as numpy does, except that 0 keeps an axis."""
        return self.graph.op("Reshape", self, np.array(shape, np.int64))

    def transpose(self, *order: int) -> Value:
        """With its axes in this order."""
        return self.graph.op("Transpose", self, perm=order)

    def part(self, start: int, stop: int | None, axis: int = 0) -> Value:
        """``start … stop`` of an axis; None: to its end."""
        last = np.iinfo(np.int64).max if stop is None else stop
        bounds = (np.array([each], np.int64) for each in (start, last, axis))
        return self.graph.op("Slice", self, *bounds)

    def unsqueeze(self, axis: int) -> Value:
        """With one axis more."""
        return self.graph.op("Unsqueeze", self, np.array([axis], np.int64))

    def squeeze(self, axis: int) -> Value:
        """With one axis less."""
        return self.graph.op("Squeeze", self, np.array([axis], np.int64))

    def sum(self, axis: int = -1, keepdims: bool = False) -> Value:
        """Over an axis."""
        return self.graph.op("ReduceSum", self, np.array([axis], np.int64), keepdims=int(keepdims))

    def mean(self, axis: int = -1) -> Value:
        """Over an axis."""
        return self.graph.op("ReduceMean", self, np.array([axis], np.int64), keepdims=0)

    def max(self, axis: int = -1) -> Value:
        """Over an axis."""
        return self.graph.op("ReduceMax", self, np.array([axis], np.int64), keepdims=0)

    def argmax(self, axis: int = -1, keepdims: bool = False) -> Value:
        """The first place of the largest number of an axis."""
        return self.graph.op("ArgMax", self, axis=axis, keepdims=int(keepdims), dtype="int64")

    def clip(self, low: float | None = None, high: float | None = None) -> Value:
        """Within bounds."""
        clipped = self if low is None else self.graph.op("Max", self, low)
        return clipped if high is None else self.graph.op("Min", clipped, high)

    def pad(self, before: int, after: int, axis: int, rank: int) -> Value:
        """With zeros around an axis, of which there are ``rank``."""
        widths = np.zeros(2 * rank, np.int64)
        widths[axis], widths[rank + axis] = before, after
        return self.graph.op("Pad", self, widths)

    def take(self, indices: Value | np.ndarray, axis: int = 0) -> Value:
        """Elements of an axis by their numbers."""
        index = self.graph.constant(indices) if isinstance(indices, np.ndarray) else indices
        return self.graph.op("Gather", self, index, axis=axis)

    def square(self) -> Value:
        """The square of every element."""
        return self * self

    def length(self, axis: int) -> Value:
        """The length of an axis, as a number ``()``."""
        shape = self.graph.op("Shape", self, start=axis, end=axis + 1, dtype="int64")
        return shape.squeeze(0)

    def __getattr__(self, name: str) -> Callable[[], Value]:
        """Functions of every element: ``abs``, ``sqrt``, ``exp``, ``log``, ``cos``, ``sin``, ``tanh``, ``round``, ``floor``,
        ``ceil``.
        """
        if name not in ("abs", "sqrt", "exp", "log", "cos", "sin", "tanh", "round", "floor", "ceil"):
            raise AttributeError(name)
        return lambda: self.graph.op(name.capitalize(), self)


class Graph:
    """Nodes, and what they start from.

    Args:
        name: in the file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.initializers: list[TensorProto] = []
        self._inputs: list[Any] = []
        self._scopes: list[list[NodeProto]] = [[]]
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._count = 0

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> Value:
        """An input; a word is an axis of any length."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return Value(self, name, dtype)

    def constant(self, array: np.ndarray) -> Value:
        """A few numbers, once however often they are used."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self.initializers.append(onnx.numpy_helper.from_array(array, name))
            self._constants[key] = Value(self, name, str(array.dtype))
        return self._constants[key]

    def like(self, operand: Any, other: Value) -> Value:
        """An operand as a value; a Python number or an array gets the type of the other operand."""
        if isinstance(operand, Value):
            return operand
        return self.constant(np.asarray(operand, other.dtype if not isinstance(operand, np.ndarray) else operand.dtype))

    def op(self, kind: str, first: Value, *others: Any, dtype: str | None = None, **attributes: Any) -> Value:
        """A node with one output.

        Args:
            kind: as ONNX calls it.
            first: input.
            others: inputs; numbers become constants of the type of the first one.
            dtype: of the output, if not that of the first input.
            attributes: of the node.
        """
        inputs = [first.name, *(self.like(other, first).name for other in others)]
        return self._node(kind, inputs, [dtype or first.dtype], attributes)[0]

    def top(self, values: Value, count: int, largest: bool) -> Value:
        """Places of the largest or smallest numbers of every row, in order."""
        inputs = [values.name, self.constant(np.array([count], np.int64)).name]
        return self._node("TopK", inputs, [values.dtype, "int64"], {"largest": int(largest)})[1]

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Values side by side."""
        return self._node("Concat", [value.name for value in values], [values[0].dtype], {"axis": axis})[0]

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        """One or the other."""
        typed = yes if isinstance(yes, Value) else no
        yes, no = self.like(yes, typed), self.like(no, typed)
        return self.op("Where", condition, yes, no, dtype=yes.dtype)

    def arange(self, start: Value | int, stop: Value | int) -> Value:
        """Whole numbers from ``start`` to before ``stop``."""
        ends = [each if isinstance(each, Value) else self.constant(np.array(each, np.int64)) for each in (start, stop)]
        return self.op("Range", *ends, self.constant(np.array(1, np.int64)))

    def branch(self, condition: Value, yes: Callable[[], list[Value]], no: Callable[[], list[Value]]) -> list[Value]:
        """What one of two functions gives: both are in the file, one is computed."""
        parts = {"then_branch": self._scope(yes), "else_branch": self._scope(no)}
        dtypes = [value.dtype for value in parts["then_branch"][1]]
        graphs = {key: self._subgraph(key, nodes, values) for key, (nodes, values) in parts.items()}
        return self._node("If", [condition.name], dtypes, graphs)

    def at_the_top(self, build: Callable[[], Value]) -> Value:
        """What a function builds outside of any branch, for all of them."""
        inner, self._scopes = self._scopes, self._scopes[:1]
        try:
            return build()
        finally:
            self._scopes = inner

    def model(self, outputs: dict[str, Value]) -> ModelProto:
        """The file: these values are its outputs, by these names."""
        (nodes,) = self._scopes
        nodes = [*nodes, *(helper.make_node("Identity", [value.name], [name]) for name, value in outputs.items())]
        infos = [helper.make_tensor_value_info(name, TYPES[value.dtype], None) for name, value in outputs.items()]
        graph = helper.make_graph(nodes, self.name, self._inputs, infos, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="semcodec")
        model.ir_version = IR_VERSION
        return model

    def _node(self, kind: str, inputs: list[str], dtypes: list[str], attributes: dict[str, Any]) -> list[Value]:
        outputs = []
        for _ in dtypes:
            self._count += 1
            outputs.append(f"v{self._count}")
        self._scopes[-1].append(helper.make_node(kind, inputs, outputs, **attributes))
        return [Value(self, name, dtype) for name, dtype in zip(outputs, dtypes, strict=True)]

    def _scope(self, build: Callable[[], list[Value]]) -> tuple[list[NodeProto], list[Value]]:
        self._scopes.append([])
        values = build()
        return self._scopes.pop(), values

    def _subgraph(self, name: str, nodes: list[NodeProto], values: list[Value]) -> GraphProto:
        infos = [helper.make_tensor_value_info(value.name, TYPES[value.dtype], None) for value in values]
        return helper.make_graph(nodes, f"{self.name}_{name}", [], infos)
