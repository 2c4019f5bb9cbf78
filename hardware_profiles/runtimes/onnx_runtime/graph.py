"""An ONNX graph that is being written; its large weights go one by one to a file beside it.

Operators are those of ai.onnx (opset 23) and, where these have no stateful kernel, of com.microsoft, as
onnxruntime's `docs/ContribOperators.md` says them. Activations are float32 in layout `B T D`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from hardware_profiles.runtimes.onnx_runtime.binding import require_package
from hardware_profiles.runtimes.weights import BLOCK, Weights

MICROSOFT = "com.microsoft"
OPSETS = {"": 23, MICROSOFT: 1}
IR_VERSION = 11
LARGE = 1024
"""Bytes from which a tensor lies in the file beside the graph, at a multiple of `PAGE`."""
PAGE = 4096
INT8_ACTIVATIONS = 4
"""Accuracy level of `MatMulNBits`: activations are rounded to 8 bits too, which is what makes it fast."""

Lay = Callable[[np.ndarray], np.ndarray]


class Graph:
    """Nodes, inputs, outputs and weights; every method that adds a node gives the name of its output.

    A context: weights are written as they come, the graph itself at the end.
    """

    def __init__(self, path: Path, weights: Weights) -> None:
        self._onnx = require_package("onnx")
        self._path, self._weights = path, weights
        self._data_path = path.with_name(path.name + ".data")
        self._data: BinaryIO = self._data_path.open("wb")
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._data.close()
        if kind is None:
            self._write()

    # Nodes

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node of one output; an input that is left out is the empty string."""
        return self.nodes(op, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes(
        self, op: str, *inputs: str, outputs: int | Sequence[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        """A node of several outputs, so many or by these names."""
        number = len(self._nodes)
        names = [f"{op}_{number}.{i}" for i in range(outputs)] if isinstance(outputs, int) else list(outputs)
        made = self._onnx.helper.make_node(
            op, inputs, names, name=f"{op}_{number}", domain=domain, **attributes
        )
        self._nodes.append(made)
        return names

    def add(self, a: str, b: str) -> str:
        """`a + b`."""
        return self.node("Add", a, b)

    def mul(self, a: str, b: str) -> str:
        """`a b`."""
        return self.node("Mul", a, b)

    def times(self, x: str, factor: float) -> str:
        """`factor x`, no node where the factor is 1."""
        return x if factor == 1 else self.mul(x, self.constant(np.float32(factor)))

    def silu(self, x: str) -> str:
        """`x sigmoid(x)`, which onnxruntime fuses."""
        return self.mul(x, self.node("Sigmoid", x))

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """Parts of these sizes of the last axis."""
        at = self.constant(np.array(sizes, np.int64))
        return self.nodes("Split", x, at, outputs=len(sizes), axis=-1)

    def heads(self, x: str, heads: int) -> str:
        """`B T (H K)` as `B T H K`."""
        return self.node("Reshape", x, self.constant(np.array([0, 0, heads, -1], np.int64)))

    def flat(self, x: str) -> str:
        """`B T H K` as `B T (H K)`."""
        return self.node("Reshape", x, self.constant(np.array([0, 0, -1], np.int64)))

    def rms_norm(self, x: str, scale: str, eps: float) -> str:
        """`scale x / sqrt(mean(x^2) + eps)` over the last axis."""
        return self.node("RMSNormalization", x, scale, axis=-1, epsilon=eps)

    # Products with weights

    def project(self, x: str, path: str, shape: tuple[int, int]) -> str:
        """`x W` by a matrix `K N` of ours."""
        if not self._weights.in_integers(shape[0]):
            return self.node("MatMul", x, self.weight(path, shape))
        return self._by_integers(x, *self._integers(path, shape), *shape)

    def logits(self, x: str, path: str, shape: tuple[int, int], looked_up: bool) -> str:
        """`x W^T` by a table `V D`; `looked_up` says that `embed` reads it too."""
        vocab_size, width = shape
        if self._weights.in_integers(width):
            return self._by_integers(x, *self._integers(path, shape), width, vocab_size)
        if looked_up:
            return self.node("FusedMatMul", x, self._table(path, shape), transB=1, domain=MICROSOFT)
        return self.node("MatMul", x, self.weight(path, shape, np.transpose))

    def embed(self, tokens: str, path: str, shape: tuple[int, int]) -> str:
        """Rows of a table `V D`."""
        if not self._weights.in_integers(shape[1]):
            return self.node("Gather", self._table(path, shape), tokens)
        integers, scales = self._integers(path, shape)
        by_block = self.node("Reshape", scales, self.constant(np.array([0, 0, 1], np.int64)))
        rows = self.node(
            "GatherBlockQuantized",
            integers,
            tokens,
            by_block,
            domain=MICROSOFT,
            bits=self._weights.bits,
            block_size=BLOCK,
            gather_axis=0,
            quantize_axis=2,
        )
        return self.flat(rows)

    def _by_integers(self, x: str, integers: str, scales: str, inputs: int, outputs: int) -> str:
        return self.node(
            "MatMulNBits",
            x,
            integers,
            scales,
            domain=MICROSOFT,
            K=inputs,
            N=outputs,
            bits=self._weights.bits,
            block_size=BLOCK,
            accuracy_level=INT8_ACTIVATIONS,
        )

    # Weights

    def constant(self, value: np.ndarray | np.generic) -> str:
        """A value of the graph; equal ones are kept once."""
        array = np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            self._store(self._constants[key], array)
        return self._constants[key]

    def weight(self, path: str, shape: tuple[int, ...], lay: Lay = np.asarray, of: str = "") -> str:
        """A weight of ours in float32, laid out anew; what blocks share is written once.

        `of` tells apart what is made of one weight in several ways.
        """
        name = path + of
        if name not in self._initializers:
            self._store(name, np.ascontiguousarray(lay(self._weights.read(path, shape)), np.float32))
        return name

    def _table(self, path: str, shape: tuple[int, int]) -> str:
        """A float32 table that may have two readers.

        It is an input with a default, so that onnxruntime neither packs nor folds it: both would keep a
        second table in memory for the product with it, which is no faster.
        """
        if path not in self._initializers:
            self.input(path, np.dtype(np.float32), shape)
        return self.weight(path, shape)

    def _integers(self, path: str, shape: tuple[int, int]) -> tuple[str, str]:
        names = f"{path}.int{self._weights.bits}", f"{path}.scales"
        if names[0] not in self._initializers:
            for name, data in zip(names, self._weights.integers(path, shape), strict=True):
                self._store(name, data)
        return names

    def _store(self, name: str, data: np.ndarray) -> None:
        if data.nbytes < LARGE:
            self._initializers[name] = self._onnx.numpy_helper.from_array(data, name)
            return
        self._data.seek(-(-self._data.tell() // PAGE) * PAGE)
        tensor = self._onnx.TensorProto(name=name, dims=data.shape, data_type=self._type(data.dtype))
        tensor.data_location = self._onnx.TensorProto.EXTERNAL
        where = {"location": self._data_path.name, "offset": self._data.tell(), "length": data.nbytes}
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        data.tofile(self._data)
        self._initializers[name] = tensor

    # What goes in and out

    def input(self, name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> str:
        """An input of the graph; axes of any size have names."""
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, self._type(dtype), shape))
        return name

    def output(self, name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> str:
        """An output of the graph, to be given to a node as the name of one of its outputs."""
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, self._type(dtype), shape))
        return name

    def state(self, name: str, shape: Sequence[int | str], dtype: str = "float32") -> tuple[str, str]:
        """A state before and after the tokens: names of an input and of an output."""
        kind = np.dtype(dtype)
        return self.input(f"past.{name}", kind, shape), self.output(f"present.{name}", kind, shape)

    def _type(self, dtype: np.dtype[Any]) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def _write(self) -> None:
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, "model", self._inputs, self._outputs, list(self._initializers.values())
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="archsearch"
        )
        self._path.write_bytes(model.SerializeToString())
