"""What is asked of a device, and what the cost model answers."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any, Literal, get_args

from genomes import CACHE_DTYPES, WEIGHT_DTYPES, Architecture, InvalidInput

Dtype = Literal["float32", "float16", "bfloat16"]
"""Type of the arithmetic and of the activations; of weights and state too, unless they say otherwise."""

DTYPES: tuple[str, ...] = get_args(Dtype)

BYTES_PER_ELEMENT: dict[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2}

STORAGE: dict[str, tuple[int, int]] = {
    **{dtype: (size, 1) for dtype, size in BYTES_PER_ELEMENT.items()},
    "int8": (34, 32),
    "int4": (18, 32),
    "q6_k": (210, 256),
}
"""Bytes of a block and its elements, along the inputs of a matrix. The integers are those of GGUF, 32 to a
block with one float16 scale: `block_q8_0` and `block_q4_0` in ggml's `ggml-common.h`
(github.com/ggml-org/llama.cpp), 8.5 and 4.5 bits an element. `q6_k` is its `block_q6_K`, 6.5625 bits an
element."""
BLOCKED = ("int8", "int4")
HeadDtype = Literal["q6_k"]
"""What the table of the logits may be stored in beside the types of weights."""


def stored_bytes(elements: int, dtype: str) -> int:
    """Bytes of so many elements, rounded up to a whole one."""
    size, block = STORAGE[dtype]
    return -(-elements * size // block)


def matrix_dtype(inputs: int, dtype: str) -> str:
    """What a matrix is stored in whose number of inputs the blocks of `dtype` may not divide.

    Then `q6_k` becomes `int8`, and where that does not fit either, as other integers, float16:
    `tensor_type_fallback` of llama.cpp's `src/llama-quant.cpp`.
    """
    if inputs % STORAGE[dtype][1] == 0:
        return dtype
    return matrix_dtype(inputs, "int8") if dtype == "q6_k" else "float16"


@dataclass(frozen=True)
class Workload:
    """A prompt of `context` tokens, then one decoded token that sees `context` tokens, itself included.

    The prompt is processed in chunks of `prefill_chunk` tokens, as llama.cpp (its micro-batch, 512 by
    default) and vLLM (chunked prefill, arXiv 2403.02310) do; `batch` sequences of the same length run side
    by side. `weights` and `cache` are what weights, and KV cache and recurrent states, are stored in; the
    arithmetic stays in `dtype`. Raises `InvalidInput` naming the field, the value and what is legal.
    """

    context: int = 1024
    batch: int = 1
    dtype: str = "float32"
    prefill_chunk: int = 512
    weights: str | None = None
    """None: as the architecture says, else `dtype`."""
    cache: str | None = None
    """None: as the architecture says, else `dtype`."""
    head: HeadDtype | None = None
    """What the table of the logits is stored in, the embedding where they are tied; None: as other weights.
    Prices and measurements fill it in (`hardware_profiles.traits`)."""

    def __post_init__(self) -> None:
        for field in ("context", "batch", "prefill_chunk"):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInput(f"workload: {field} = {value!r}; expected a whole number of at least 1")
        if self.dtype not in DTYPES:
            raise InvalidInput(f"workload: dtype = {self.dtype!r}; legal: {', '.join(DTYPES)}")
        for field, legal in (
            ("weights", WEIGHT_DTYPES),
            ("cache", CACHE_DTYPES),
            ("head", get_args(HeadDtype)),
        ):
            value = getattr(self, field)
            if value is not None and value not in legal:
                raise InvalidInput(f"workload: {field} = {value!r}; legal: {', '.join(legal)}")

    def stored_as(self, architecture: Architecture) -> "Workload":
        """The workload with what it leaves open stored as an architecture says."""
        weights, cache = self.weights or architecture.weights, self.cache or architecture.cache
        if (weights, cache) == (self.weights, self.cache):
            return self
        return replace(self, weights=weights, cache=cache)

    @property
    def bytes_per_element(self) -> int:
        """Bytes of one element of the arithmetic's type."""
        return BYTES_PER_ELEMENT[self.dtype]

    @property
    def weight_dtype(self) -> str:
        """What the weights are stored in."""
        return self.weights or self.dtype

    @property
    def cache_dtype(self) -> str:
        """What KV cache and recurrent states are stored in."""
        return self.cache or self.dtype

    @property
    def types(self) -> tuple[str, str, str]:
        """Types of arithmetic, weights and states."""
        return self.dtype, self.weight_dtype, self.cache_dtype

    def bytes_of(self, *, state: int = 0, activations: int = 0) -> int:
        """Bytes of so many elements of each, each rounded up to a whole byte."""
        return stored_bytes(state, self.cache_dtype) + stored_bytes(activations, self.dtype)

    def weight_bytes(self, shapes: Iterable[tuple[int, ...]]) -> int:
        """Bytes of weights of these shapes, matrices `[..., in, out]`.

        Blocks of integers lie along the inputs; vectors stay in the arithmetic's type.
        """
        return sum(stored_bytes(prod(shape), self._stored(shape)) for shape in shapes)

    def head_dtype(self, width: int) -> str:
        """What the table of the logits is stored in."""
        return matrix_dtype(width, self.head or self.weight_dtype)

    def head_bytes(self, width: int, rows: int) -> int:
        """Bytes of so many rows of the table of the logits."""
        return stored_bytes(width * rows, self.head_dtype(width))

    def _stored(self, shape: tuple[int, ...]) -> str:
        """What a weight of this shape is stored in."""
        if len(shape) < 2:
            return self.dtype if self.weight_dtype in BLOCKED else self.weight_dtype
        return matrix_dtype(shape[-2], self.weight_dtype)


FigureName = Literal["prefill_latency_s", "decode_latency_s", "peak_memory_bytes"]
"""Figures that are priced on a device, and measured there."""
FIGURES: tuple[FigureName, ...] = get_args(FigureName)


@dataclass(frozen=True)
class Estimate:
    """A predicted figure and the interval it is expected in; `low <= value <= high`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """The price of one architecture on one device; `to_dict` is the JSON of `archsearch predict`."""

    parameters: int
    state_bytes: int
    """KV cache and recurrent state of the whole batch after `context` tokens."""
    prefill_flops_per_token: float
    decode_flops_per_token: int
    prefill_latency_s: Estimate
    """Time to first token: the whole prompt and the logits of its last token."""
    decode_latency_s: Estimate
    """One step: one more token of each sequence of the batch."""
    peak_memory_bytes: Estimate
    fits_in_memory: bool | None
    """Whether the peak's value fits; None where the device's memory is unknown."""
    device: str
    calibration: str
    context: int
    batch: int
    dtype: str
    weights: str
    """What the weights are stored in."""
    head: str
    """What the table of the logits, tied or not, is stored in."""
    cache: str
    """What KV cache and recurrent states are stored in."""
    prefill_energy_j: Estimate | None = None
    """An estimate: the prompt's latency times the device's power figure; None without one."""
    decode_energy_j: Estimate | None = None
    """An estimate: the latency of one step times the device's power figure; None without one."""
    notes: tuple[str, ...] = ()
    """In words, where the price rests on less than measured curves, though the device has some."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"notes": list(self.notes)}
