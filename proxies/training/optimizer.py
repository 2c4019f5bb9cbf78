"""AdamW, clipped: which weights decay, and rates that suit every width."""

from typing import Any

import jax
import optax  # type: ignore[import-untyped]

from genomes import Architecture, Difference, Operator
from proxies.operators import module_class

BETA_1, BETA_2, CLIP = 0.9, 0.95, 1.0
"""AdamW's decays of its moments, and the largest norm of a gradient."""

BASE_WIDTH = 64
"""Width at which every weight trains at the asked rate."""


def adamw(architecture: Architecture, weight_decay: float) -> optax.GradientTransformation:
    """Directions of a step without its learning rate, for the weights of a proxy of the architecture.

    Projections train at `BASE_WIDTH / width` of the rate: a step of Adam moves each element alike, so a sum
    over the width would move more where it is wider (muP: Yang et al., arXiv 2203.03466, table 8). The
    embedding, which is also read as the head where they are tied, trains at the root of that, and everything
    else at the rate as asked.

    Projections, embedding and head decay, at the rate as asked (decoupled: arXiv 1711.05101). Gains, biases,
    decays of states, taps of filters do not: `OperatorModule.exempt` names those that have two axes or more.

    Clipping and moments work on one flat vector: fewer, larger loops to compile and run.
    """
    adam = optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam(BETA_1, BETA_2))

    def direction(path: tuple[Any, ...], update: Any, weight: Any) -> Any:
        names = tuple(key.key for key in path)
        if not decays(architecture, names, weight.ndim):
            return update
        ratio = BASE_WIDTH / architecture.width
        return (ratio**0.5 if names[-1] == "embedding" else ratio) * update + weight_decay * weight

    def finish(updates: Any, weights: Any) -> Any:
        return jax.tree_util.tree_map_with_path(direction, updates, weights)

    return optax.chain(optax.flatten(adam), optax.stateless(finish))


def decays(architecture: Architecture, names: tuple[str, ...], axes: int) -> bool:
    """Whether weight decay acts on a weight, by its path in the parameters and its number of axes.

    True for projections, embedding and head.
    """
    if axes < 2:
        return False
    *modules, name = names
    blocks = [i for i, module in enumerate(modules) if module.startswith("ops_")]
    if not blocks:
        return name != "positions"
    spec: Operator = architecture.blocks[int(modules[blocks[0]].removeprefix("ops_"))]
    for part in modules[blocks[0] + 1 :]:
        assert isinstance(spec, Difference)
        spec = spec.part(part)
    return name not in module_class(type(spec)).exempt
