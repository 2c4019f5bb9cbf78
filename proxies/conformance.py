"""What every operator must do, checked on one: the suite of the built-in operators, usable on one's own.

`archsearch operators NAME --check` runs it in a process of its own (`main`) and prints the table.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genomes import InvalidInput, Operator
from genomes.operators import read_operator
from proxies.axes import Array, State
from proxies.operators import OperatorModule, module_class

TOKENS = 37
"""A length that no chunk divides."""
RTOL, ATOL = 2e-4, 2e-5
"""Largest difference of float32 results that come about in another order."""


class Subject:
    """An operator at a width, its module, random parameters and an input."""

    def __init__(self, spec: Operator, width: int) -> None:
        self.spec, self.width = spec, width
        self.module: OperatorModule = module_class(type(spec))(spec, width)
        self.keys = jax.random.split(jax.random.key(7), 3)

    @cached_property
    def declared(self) -> Any:
        """Parameters as initialised."""
        return self.module.init(self.keys[1], method="create").get("params", {})

    def parameters(self, spread: float = 0.3) -> Any:
        """Parameters with noise, so that no zeros or ones are left to hide behind."""
        leaves, tree = jax.tree.flatten(self.declared)
        noise = jax.random.split(self.keys[2], max(len(leaves), 1))
        noisy = [v + spread * jax.random.normal(k, v.shape) for v, k in zip(leaves, noise, strict=False)]
        return jax.tree.unflatten(tree, noisy)

    def input(self, tokens: int = TOKENS, batch: int = 2) -> Array:
        """Normal numbers `B T D`."""
        return jax.random.normal(self.keys[0], (batch, tokens, self.width))

    def run(self, parameters: Any, *inputs: Any, method: str = "__call__") -> Any:
        """A method of the module."""
        return self.module.apply({"params": parameters}, *inputs, method=method)


Property = Callable[[Subject], Iterator[str]]


def weights(subject: Subject) -> Iterator[str]:
    """The module creates the weights that the value declares."""
    leaves = jax.tree.leaves_with_path(subject.declared)
    made = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}
    declared = subject.spec.own_weights(subject.width)
    for name in sorted(made.keys() | declared.keys()):
        if made.get(name) != declared.get(name):
            yield f"weight {name}: the value declares {declared.get(name)}, the module has {made.get(name)}"
    counted, existing = subject.spec.parameters(subject.width), sum(map(prod, made.values()))
    if counted != existing:
        yield f"{counted} parameters are counted, {existing} exist"


def causal(subject: Subject) -> Iterator[str]:
    """No output depends on a later input; outputs of a mixer depend on the input before."""
    tokens, parameters = 12, subject.parameters()
    outputs = jax.jit(jax.jacrev(lambda x: subject.run(parameters, x).sum((0, 2))))
    influence = np.abs(outputs(subject.input(tokens, 1))[:, 0]).sum(-1)
    for output, later in np.argwhere(np.triu(influence != 0, 1)):
        yield f"output {output} depends on the later input {later}"
    if subject.spec.kind not in ("memoryless", "skip") and not (np.diag(influence, -1) > 0).all():
        yield f"an output does not depend on the input before it, as one of a {subject.spec.kind} does"


def reference(subject: Subject) -> Iterator[str]:
    """The parallel form equals the naive one, gradients included."""
    x, parameters = subject.input(), subject.parameters()
    direction = jax.random.normal(jax.random.key(1), x.shape)

    def loss(parameters: Any, x: Array, method: str) -> tuple[Array, Array]:
        y = subject.run(parameters, x, method=method)
        return (y * direction).mean(), y

    (_, y), gradients = _twice(loss, parameters, x, "__call__")
    (_, naive_y), naive_gradients = _twice(loss, parameters, x, "reference")
    yield from _differences("output", y, naive_y)
    yield from _differences("gradient", gradients, naive_gradients)


def _twice(loss: Callable[..., Any], parameters: Any, x: Array, method: str) -> Any:
    both = jax.value_and_grad(lambda p, x: loss(p, x, method), (0, 1), has_aux=True)
    return jax.jit(both)(parameters, x)


def lengths(subject: Subject) -> Iterator[str]:
    """Outputs do not depend on how long the sequence is that they stand in."""
    parameters = subject.parameters()
    run = jax.jit(lambda x: subject.run(parameters, x))
    x = subject.input(130, 1)
    whole = run(x)
    for tokens in (1, 51):
        yield from _differences(f"output of {tokens} tokens", run(x[:, :tokens]), whole[:, :tokens])


def stepwise(subject: Subject) -> Iterator[str]:
    """Prefill and decoding, in any pieces, give what the parallel form gives; states keep their shape."""
    x, parameters = subject.input(), subject.parameters()
    expected = jax.jit(lambda x: subject.run(parameters, x))(x)
    extend = jax.jit(lambda x, state, position: subject.run(parameters, x, state, position, method="extend"))
    for pieces in ([1] * TOKENS, [18, 1, 18]):  # few lengths: each is compiled
        state: State = subject.module.initial_state(2, TOKENS)
        position, outputs = 0, []
        for piece in pieces:
            before = jax.tree.map(jnp.shape, state)
            y, state = extend(x[:, position : position + piece], state, position)
            if jax.tree.map(jnp.shape, state) != before:
                yield f"state {before} became {jax.tree.map(jnp.shape, state)}"
                return
            position += piece
            outputs.append(y)
        name = "step by step" if pieces[0] == 1 else f"in pieces of {pieces}"
        yield from _differences(f"output {name}", jnp.concatenate(outputs, axis=1), expected)


def state(subject: Subject) -> Iterator[str]:
    """The state of two sequences has the shapes and the size that the value declares, constants once."""
    for context in (1, 4, 64):
        own = subject.spec.own_state(subject.width, context)
        once = subject.spec.constants(subject.width, context)
        made = {name: leaf.shape for name, leaf in subject.module.initial_state(2, context).items()}
        declared = {name: (2, *shape) for name, shape in own.items()}
        declared |= {name: (1, *shape) for name, shape in once.items()}
        if made != declared:
            yield f"state after {context} tokens: the value declares {declared}, the module has {made}"
        counted = 2 * subject.spec.state_elements(subject.width, context)
        counted += subject.spec.constant_elements(subject.width, context)
        if counted != sum(map(prod, made.values())):
            yield f"state after {context} tokens: {counted} elements are counted for two sequences"


def flops(subject: Subject) -> Iterator[str]:
    """The FLOPs of a prompt are at most the sum of its tokens', and at least what of them does not grow with
    the context: many tokens at once have cheaper forms only of what does."""
    spec, width = subject.spec, subject.width
    for tokens in (1, 3, 40):
        decoded = sum(spec.decode_flops(width, t) for t in range(1, tokens + 1))
        fewest = tokens * spec.decode_flops(width, 0)
        counted = spec.prefill_flops(width, tokens)
        if not fewest <= counted <= decoded:
            yield (
                f"{counted} FLOPs for a prompt of {tokens} tokens, {decoded} to decode them, {fewest} of "
                "which do not grow with the context"
            )


def finite(subject: Subject) -> Iterator[str]:
    """Outputs and gradients are finite in float32 and bfloat16, of large weights, at length 1 and 130."""
    yield from _finite(subject, 1, 130)


def long(subject: Subject) -> Iterator[str]:
    """The same at length 2048."""
    yield from _finite(subject, 2048)


def _finite(subject: Subject, *token_counts: int) -> Iterator[str]:
    def loss(parameters: Any, x: Array) -> Array:
        return jnp.square(subject.run(parameters, x)).mean()

    gradient = jax.jit(jax.value_and_grad(loss))
    for tokens in token_counts:
        for dtype in (jnp.float32, jnp.bfloat16):
            inputs = (subject.parameters(1.0), 4 * subject.input(tokens, 1))
            results = gradient(*jax.tree.map(lambda v, dtype=dtype: v.astype(dtype), inputs))
            where = f"{jnp.dtype(dtype).name} at length {tokens}"
            if results[0].dtype != dtype:
                yield f"{where}: the output is of {results[0].dtype}"
            if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(results)):
                yield f"{where}: not finite"


PROPERTIES: Mapping[str, Property] = {
    each.__name__: each
    for each in (weights, causal, reference, lengths, stepwise, state, flops, finite, long)
}
"""Every property by name."""


def check(
    spec: Operator, width: int, properties: Mapping[str, Property] = PROPERTIES
) -> dict[str, str | None]:
    """What is wrong with each property, or None.

    An exception of the operator's own counts as something wrong.
    """
    failures: dict[str, str | None] = {}
    for name, holds in properties.items():
        try:
            failures[name] = next(holds(Subject(spec, width)), None)
        except InvalidInput:
            raise
        except Exception as error:
            failures[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return failures


def _differences(what: str, results: Any, expected: Any) -> Iterator[str]:
    pairs = zip(jax.tree.leaves_with_path(results), jax.tree.leaves(expected), strict=True)
    for (path, a), b in pairs:
        if a.shape != b.shape:
            yield f"{what}{jax.tree_util.keystr(path)} has shape {a.shape}, not {b.shape}"
        # A sum is rounded as finely as its terms are large, however small it is itself.
        elif not np.allclose(a, b, rtol=RTOL, atol=ATOL * max(1.0, float(np.sqrt(np.mean(np.square(b)))))):
            largest = float(np.abs(np.asarray(a - b)).max())
            yield f"{what}{jax.tree_util.keystr(path)} differs by up to {largest:.3g}"


def main() -> None:
    """Answer the request on standard input (blocks, width, properties) with a line of JSON for each block."""
    request = json.load(sys.stdin)
    properties = {name: PROPERTIES[name] for name in request["properties"]}
    for index, block in enumerate(request["blocks"]):
        spec = read_operator(block, request["width"], f"blocks[{index}]")
        print(json.dumps(check(spec, request["width"], properties)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
