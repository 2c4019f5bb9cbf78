"""Functions that tests run in workers. Imports nothing heavy."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def echo(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def who(_: dict[str, Any]) -> dict[str, Any]:
    return {"pid": os.getpid()}


def sleep(payload: dict[str, Any]) -> dict[str, Any]:
    time.sleep(payload["seconds"])
    return {"pid": os.getpid()}


def stamp(payload: dict[str, Any]) -> dict[str, Any]:
    started = time.time()
    time.sleep(payload["seconds"])
    return {"started": started, "ended": time.time()}


def fail(payload: dict[str, Any]) -> dict[str, Any]:
    raise KeyError(payload["text"])


def leave(payload: dict[str, Any]) -> dict[str, Any]:
    sys.exit(payload["code"])


class OddError(Exception):
    def __init__(self, first: int, second: int):
        super().__init__(f"{first} and {second}")


def fail_oddly(_: dict[str, Any]) -> dict[str, Any]:
    """An exception that can be pickled but not unpickled."""
    raise OddError(1, 2)


def exhaust(payload: dict[str, Any]) -> dict[str, Any]:
    if payload["how"] == "python":
        raise MemoryError("no room for the list")
    import jax.numpy as jnp

    return {"sum": float(jnp.zeros(1 << 46).sum())}


def die(payload: dict[str, Any]) -> dict[str, Any]:
    sys.stderr.write("last words")
    sys.stderr.flush()
    time.sleep(payload.get("after", 0.0))
    if payload["how"] == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def not_json(_: dict[str, Any]) -> dict[str, Any]:
    return {"value": object()}


def not_a_dict(_: dict[str, Any]) -> Any:
    return [1, 2]


def start_child(payload: dict[str, Any]) -> dict[str, Any]:
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({payload['seconds']})"])
    Path(payload["pid_file"]).write_text(str(child.pid))
    return {"code": child.wait()}


def backend(_: dict[str, Any]) -> dict[str, Any]:
    import jax

    return {"backend": jax.default_backend()}


def train(payload: dict[str, Any]) -> dict[str, Any]:
    """A few steps of descent: enough arithmetic for differences between machines' setups to show."""
    import jax
    import jax.numpy as jnp

    def loss(weights: jax.Array, inputs: jax.Array) -> jax.Array:
        return ((jnp.tanh(inputs @ weights) + jax.nn.softmax(inputs, -1)) ** 2).mean()

    weight_key, input_key = jax.random.split(jax.random.key(payload["seed"]))
    weights = 0.05 * jax.random.normal(weight_key, (128, 128))
    inputs = jax.random.normal(input_key, (1024, 128))
    step = jax.jit(jax.value_and_grad(loss))
    losses = []
    for _ in range(payload["steps"]):
        value, slope = step(weights, inputs)
        weights = weights - 0.1 * slope
        losses.append(float(value))
    return {"losses": losses, "checksum": float(jnp.abs(weights).sum())}


def burn(payload: dict[str, Any]) -> dict[str, Any]:
    """Cores used, on average, by a matmul loop (`cores`) and by compiling (`compile_cores`)."""
    import jax
    import jax.numpy as jnp

    def chain(matrix: jax.Array, scale: float) -> jax.Array:
        for index in range(4):
            matrix = jnp.tanh(matrix @ matrix * scale) + jnp.cumsum(jax.nn.softmax(matrix * index, -1), 0)
        return matrix.sum()

    matrix = jnp.ones((1024, 1024))
    multiply = jax.jit(lambda a: (a @ a) * 1e-3)
    multiply(matrix).block_until_ready()

    began, used = time.perf_counter(), time.process_time()
    for index in range(2):
        jax.jit(jax.grad(chain), static_argnums=1).lower(jnp.ones((32, 32)), 0.1 * index).compile()
    compile_cores = (time.process_time() - used) / (time.perf_counter() - began)

    rounds, began, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < payload["seconds"]:
        multiply(matrix).block_until_ready()
        rounds += 1
    wall = time.perf_counter() - began
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return {
        "cores": (time.process_time() - used) / wall,
        "compile_cores": compile_cores,
        "rounds_per_second": rounds / wall,
        "affinity": affinity,
    }
