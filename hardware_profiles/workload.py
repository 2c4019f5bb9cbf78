"""What is asked of a device, and what the cost model answers."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from genomes import InvalidInput

Dtype = Literal["float32", "float16", "bfloat16"]
"""Type of weights, state and activations alike. Weight-only int8 and int4 are not priced yet."""

DTYPES: tuple[str, ...] = get_args(Dtype)

BYTES_PER_ELEMENT: dict[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class Workload:
    """A prompt of `context` tokens, then one decoded token that sees `context` tokens, itself included.

    The prompt is processed in chunks of `prefill_chunk` tokens, as llama.cpp (its micro-batch, 512 by
    default) and vLLM (chunked prefill, arXiv 2403.02310) do; `batch` sequences of the same length run side
    by side. Raises `InvalidInput` naming the field, the value and what is legal.
    """

    context: int = 1024
    batch: int = 1
    dtype: str = "float32"
    prefill_chunk: int = 512

    def __post_init__(self) -> None:
        for field in ("context", "batch", "prefill_chunk"):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInput(f"workload: {field} = {value!r}; expected a whole number of at least 1")
        if self.dtype not in DTYPES:
            raise InvalidInput(f"workload: dtype = {self.dtype!r}; legal: {', '.join(DTYPES)}")

    @property
    def bytes_per_element(self) -> int:
        """Bytes of one weight, state or activation element."""
        return BYTES_PER_ELEMENT[self.dtype]


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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
