"""The runtimes that are measured with: which programs measure, what they run, what a calibration measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from genomes import InvalidInput
from hardware_profiles import DTYPES, Device, Workload, this_machine
from hardware_profiles.runtimes.llama_cpp.binding import CACHE_TYPES
from hardware_profiles.runtimes.llama_cpp.binding import INSTALL as INSTALL_LLAMA_CPP
from hardware_profiles.runtimes.llama_cpp.gguf import FILE_TYPES
from hardware_profiles.runtimes.llama_cpp.stacks import LAYOUTS as LLAMA_CPP_LAYOUTS
from hardware_profiles.runtimes.onnx_runtime import binding as onnx_binding
from hardware_profiles.runtimes.onnx_runtime import model as onnx_model
from hardware_profiles.runtimes.onnx_runtime.stacks import LAYOUTS as ONNX_LAYOUTS

_ONE_THREAD_OF_NUMPY = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""See `hardware_profiles.timing.yardstick`."""


@dataclass(frozen=True)
class Runtime:
    """A runtime, as fresh processes measure with it."""

    name: str
    provenance: str
    """What `provenance.runtime` of its profiles begins with."""
    measuring: str
    """Module that measures a whole model."""
    calibrating: str
    """Module that measures stacks of blocks."""
    dtypes: tuple[str, ...]
    weights: tuple[str, ...]
    """What weights are stored in, where that is not the dtype."""
    caches: tuple[str, ...]
    """What states are stored in, where that is not the dtype."""
    layouts: tuple[str, ...]
    """Blocks that a calibration measures; those of an operator are fitted together."""
    mixed: tuple[str, ...]
    """Layouts of small models that it runs, which tell what a process holds beside."""
    most_types: tuple[str, ...]
    """Types of the full grid, as `read_types` reads them."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of its processes."""
    packages: tuple[str, ...] = ()
    """Beyond the core installation."""
    most_batch: int | None = None
    """Sequences that it is measured with side by side; None: any number."""
    install: str = ""
    """The command that installs them."""
    threads: Callable[[], int] = lambda: this_machine().cores
    """That it is measured with on this machine."""

    def require(self) -> None:
        """Raise `InvalidInput` saying how to install what is missing."""
        if missing := [name for name in self.packages if find_spec(name) is None]:
            raise InvalidInput(
                f"the runtime {self.name} needs {' and '.join(missing)}; install them with {self.install}"
            )

    def check(self, workload: Workload) -> None:
        """Raise `InvalidInput` for types, or a batch, that the runtime is not measured with."""
        if self.most_batch is not None and workload.batch > self.most_batch:
            raise InvalidInput(
                f"batch = {workload.batch}; {self.name} is measured with {self.most_batch} at most"
            )
        dtype = workload.dtype
        for name, value, legal in (
            ("dtype", dtype, self.dtypes),
            ("weights", workload.weight_dtype, (dtype, *self.weights)),
            ("cache", workload.cache_dtype, (dtype, *self.caches)),
        ):
            if value not in legal:
                legal_text = ", ".join(dict.fromkeys(legal))
                raise InvalidInput(
                    f"{name} = {value!r}; with dtype = {dtype!r}, {self.name} is measured with {legal_text}"
                )


JAX = Runtime(
    name="jax",
    provenance="jax-",
    measuring="proxies.runtime.runtime",
    calibrating="proxies.runtime.stacks",
    dtypes=DTYPES,
    weights=("int8", "int4"),
    caches=(),
    layouts=(
        "attention(kv=1/4)",
        "attention",
        "attention(kv=1/4,window=256)",
        "mla",
        "attention-attention",
        "linear_attention",
        "gated_linear_attention",
        "gated_deltanet",
        "kda",
        "mamba2",
        "rg_lru",
        "s4d",
        "s5",
        "s6",
        "short_conv",
        "hyena",
        "hyena_x",
        "hyena_y",
        "swiglu",
        "geglu",
        "mlp",
        "moe",
    ),
    mixed=(
        "attention swiglu(8/3) mamba2 swiglu(8/3)",
        "gated_linear_attention swiglu(8/3) rg_lru moe",
        "gated_deltanet geglu(8/3) short_conv mlp",
    ),
    most_types=("float32", "bfloat16", "float32/int8", "float32/int4"),
)
LLAMA_CPP = Runtime(
    name="llama.cpp",
    provenance="llama.cpp-",
    measuring="hardware_profiles.runtimes.llama_cpp.runtime",
    calibrating="hardware_profiles.runtimes.llama_cpp.calibrating",
    dtypes=("float32",),
    weights=tuple(dtype for dtype in FILE_TYPES if dtype != "float32"),
    caches=tuple(dtype for dtype in CACHE_TYPES if dtype != "float32"),
    layouts=LLAMA_CPP_LAYOUTS,
    mixed=("attention swiglu(2) attention swiglu(2)",),
    most_types=("float32", "float32/int8/float16", "float32/int4/float16"),
    # Its failed assertions start no debugger.
    environment={**_ONE_THREAD_OF_NUMPY, "GGML_NO_BACKTRACE": "1"},
    packages=("cyllama", "gguf"),
    most_batch=1,
    install=INSTALL_LLAMA_CPP,
)
ONNXRUNTIME = Runtime(
    name="onnxruntime",
    provenance="onnxruntime-",
    measuring="hardware_profiles.runtimes.onnx_runtime.runtime",
    calibrating="hardware_profiles.runtimes.onnx_runtime.calibrating",
    dtypes=("float32",),
    weights=tuple(dtype for dtype in onnx_model.WEIGHT_TYPES if dtype != "float32"),
    caches=tuple(dtype for dtype in onnx_model.CACHE_TYPES if dtype != "float32"),
    layouts=ONNX_LAYOUTS,
    mixed=(
        "attention swiglu(8/3) mamba2 swiglu(8/3)",
        "gated_linear_attention swiglu(8/3) short_conv mlp",
        "gated_deltanet geglu(8/3) short_conv mlp",
        "attention swiglu(2)",
    ),
    most_types=("float32", "float32/int8/float16", "float32/int4/float16"),
    environment=_ONE_THREAD_OF_NUMPY,
    packages=onnx_binding.PACKAGES,
    most_batch=1,
    install=onnx_binding.INSTALL,
    threads=onnx_binding.threads,
)
RUNTIMES = {runtime.name: runtime for runtime in (JAX, LLAMA_CPP, ONNXRUNTIME)}


def find_runtime(name: str) -> Runtime:
    """A runtime by its name. Raises `InvalidInput` listing the known."""
    if name not in RUNTIMES:
        raise InvalidInput(f"runtime = {name!r}; legal: {', '.join(RUNTIMES)}")
    return RUNTIMES[name]


def runtime_of(device: Device) -> Runtime:
    """The runtime that a profile was measured with; jax where it was not measured."""
    if device.provenance is None:
        return JAX
    for runtime in RUNTIMES.values():
        if device.provenance.runtime.startswith(runtime.provenance):
            return runtime
    raise InvalidInput(
        f"device {device.name}: provenance.runtime = {device.provenance.runtime!r}; nothing measures with it "
        f"here; known: {', '.join(r.provenance + '...' for r in RUNTIMES.values())}"
    )


def read_types(text: str, runtime: Runtime = JAX) -> tuple[str, str | None, str | None]:
    """Types of arithmetic, weights and states as `DTYPE[/WEIGHTS[/CACHE]]`, None where they are the first;
    `float32/int4/float16`. Raises `InvalidInput` naming what the runtime runs.
    """
    dtype, *stored = text.split("/")
    known = dtype in runtime.dtypes and len(stored) <= 2
    legal = [(dtype, *runtime.weights), (dtype, *runtime.caches)]
    if not known or any(found not in legal[i] for i, found in enumerate(stored)):
        raise InvalidInput(
            f"types = {text!r}; legal for {runtime.name}: {', '.join(runtime.dtypes)}; after a slash, "
            f"weights in {' or '.join(runtime.weights)}; after another, "
            + (f"the cache in {' or '.join(runtime.caches)}" if runtime.caches else "the cache in the first")
        )
    weights, cache = (None if found == dtype else found for found in [*stored, dtype, dtype][:2])
    return dtype, weights, cache
