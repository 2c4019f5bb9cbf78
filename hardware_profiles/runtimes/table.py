"""The runtimes that are measured with, by name, by profile, and the types that they run."""

from genomes import InvalidInput
from hardware_profiles.device import Device
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.llama_cpp import binding as llama_cpp_binding
from hardware_profiles.runtimes.llama_cpp.gguf import FILE_TYPES
from hardware_profiles.runtimes.llama_cpp.stacks import LAYOUTS as LLAMA_CPP_LAYOUTS
from hardware_profiles.runtimes.onnx_runtime import binding as onnx_binding
from hardware_profiles.runtimes.onnx_runtime.model import CACHE_TYPES, WEIGHT_TYPES
from hardware_profiles.runtimes.onnx_runtime.stacks import LAYOUTS as ONNX_LAYOUTS
from hardware_profiles.workload import DTYPES

_ONE_THREAD_OF_NUMPY = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""See `hardware_profiles.timing.yardstick`."""

JAX = Runtime(
    name="jax",
    provenance="jax-",
    sessions="proxies.runtime.runtime:JAX_SESSIONS",
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
    whole_models=(
        "attention swiglu(8/3) mamba2 swiglu(8/3)",
        "gated_linear_attention swiglu(8/3) rg_lru moe",
        "gated_deltanet geglu(8/3) short_conv mlp",
    ),
    full_grid_types=("float32", "bfloat16", "float32/int8", "float32/int4"),
)
LLAMA_CPP = Runtime(
    name="llama.cpp",
    provenance="llama.cpp-",
    sessions="hardware_profiles.runtimes.llama_cpp.runtime:LLAMA_CPP_SESSIONS",
    dtypes=("float32",),
    weights=tuple(dtype for dtype in FILE_TYPES if dtype != "float32"),
    caches=tuple(dtype for dtype in llama_cpp_binding.CACHE_TYPES if dtype != "float32"),
    layouts=LLAMA_CPP_LAYOUTS,
    whole_models=("attention swiglu(2) attention swiglu(2)",),
    full_grid_types=("float32", "float32/int8/float16", "float32/int4/float16"),
    # Its failed assertions start no debugger.
    environment={**_ONE_THREAD_OF_NUMPY, "GGML_NO_BACKTRACE": "1"},
    packages=llama_cpp_binding.PACKAGES,
    install=llama_cpp_binding.INSTALL,
    largest_batch=1,
    further_depths=False,
)
ONNXRUNTIME = Runtime(
    name="onnxruntime",
    provenance="onnxruntime-",
    sessions="hardware_profiles.runtimes.onnx_runtime.runtime:ONNX_SESSIONS",
    dtypes=("float32",),
    weights=tuple(dtype for dtype in WEIGHT_TYPES if dtype != "float32"),
    caches=tuple(dtype for dtype in CACHE_TYPES if dtype != "float32"),
    layouts=ONNX_LAYOUTS,
    whole_models=(
        "attention swiglu(8/3) mamba2 swiglu(8/3)",
        "gated_linear_attention swiglu(8/3) short_conv mlp",
        "gated_deltanet geglu(8/3) short_conv mlp",
        "attention swiglu(2)",
    ),
    full_grid_types=("float32", "float32/int8/float16", "float32/int4/float16"),
    environment=_ONE_THREAD_OF_NUMPY,
    packages=onnx_binding.PACKAGES,
    install=onnx_binding.INSTALL,
    largest_batch=1,
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
    if not known or any(kind not in legal[i] for i, kind in enumerate(stored)):
        raise InvalidInput(
            f"types = {text!r}; legal for {runtime.name}: {', '.join(runtime.dtypes)}; after a slash, "
            f"weights in {' or '.join(runtime.weights)}; after another, "
            + (f"the cache in {' or '.join(runtime.caches)}" if runtime.caches else "the cache in the first")
        )
    weights, cache = (None if kind == dtype else kind for kind in [*stored, dtype, dtype][:2])
    return dtype, weights, cache
