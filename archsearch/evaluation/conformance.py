"""`operators`: what layouts are made of, and whether an operator does what every operator must.

The checks are those of `proxies.conformance`, in a process of its own: this module stays free of jax.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from genomes import Architecture, Difference, InvalidInput, Operator, Scale, load_architecture, parse_layout
from genomes.operators import BUILT_IN, operator_class, operator_table
from hardware_profiles.measuring.process import environment

PROPERTIES = ("weights", "causal", "reference", "lengths", "stepwise", "state", "flops", "finite", "long")
"""Names of the checks of `proxies.conformance`, in its order."""
BEFORE_TRAINING = ("weights", "causal", "state", "flops")
"""What a user's own operator must pass before anything is trained: what would make every figure wrong."""
SMALL = Scale(width=32, head_dim=8, context=64)
"""The scale at which operators are checked by name."""


def examples(source: str | None = None) -> dict[str, Operator]:
    """Operators to check, by what to call them: all, the one of a name, or those of an `.arch.json` file.

    Raises `InvalidInput` on an unknown name or an unreadable file.
    """
    if source is None:
        return {name: _example(name) for name in operator_table()}
    if source.endswith(".json") or Path(source).exists():
        return blocks_of(load_architecture(source))
    return {source: _example(source)}


def _example(name: str) -> Operator:
    """The operator with its default settings, at a small scale."""
    operator = operator_class(name)
    text = "attention-attention" if operator is Difference else name
    return parse_layout(text).blocks[0].at(SMALL)


def check(
    blocks: Sequence[Operator], width: int, properties: Sequence[str] = PROPERTIES
) -> Iterator[dict[str, str | None]]:
    """For each block, what is wrong with each property, or None; one by one, from a fresh process.

    Raises `RuntimeError` where the process ends early, with what it said last.
    """
    request = {"width": width, "properties": properties, "blocks": [block.to_dict() for block in blocks]}
    command = [sys.executable, "-P", "-m", "proxies.conformance"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | {"JAX_PLATFORMS": "cpu"},
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        for _ in blocks:
            line = process.stdout.readline()
            if not line:
                lines = process.stderr.read().strip().splitlines()
                raise RuntimeError(f"the check ended early: {lines[-1] if lines else 'it said nothing'}")
            yield json.loads(line)


def refuse_broken(blocks: dict[str, Operator], width: int) -> None:
    """Raise `InvalidInput` where an operator that is not built in would make every figure wrong.

    `blocks` are named by where they stand: `blocks[3] (running_mean)`.
    """
    own = {where: block for where, block in blocks.items() if not _is_built_in(block)}
    if not own:
        return
    checked = check(list(own.values()), width, BEFORE_TRAINING)
    for (where, block), problems in zip(own.items(), checked, strict=True):
        for name, problem in problems.items():
            if problem is not None:
                raise InvalidInput(
                    f"{where}: {name}: {problem}; archsearch operators {block.name} --check tells all"
                )


def blocks_of(architecture: Architecture) -> dict[str, Operator]:
    """Each different block of an architecture, by where it stands first."""
    places: dict[Operator, str] = {}
    for index, block in enumerate(architecture.blocks):
        places.setdefault(block.alone, f"blocks[{index}] ({block.name})")
    return {where: block for block, where in places.items()}


def _is_built_in(block: Operator) -> bool:
    if isinstance(block, Difference):
        return all(map(_is_built_in, block.parts.values()))
    return type(block) in BUILT_IN
