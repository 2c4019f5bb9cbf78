"""Mixtures of experts as values: named by layouts, checked, and read as far as their tokens choose."""

from typing import Any

import numpy as np
import pytest

from genomes import Architecture, InvalidInput, MoE, Scale, SwiGLU, parse_layout, read_architecture

WIDTH = 12


SPECS = {
    "two of four": MoE(experts=4, top_k=2, hidden=8),
    "two of four, not normalised": MoE(experts=4, top_k=2, hidden=8, normalise=False),
    "one of three": MoE(experts=3, top_k=1, hidden=8, normalise=False),
    "all": MoE(experts=3, top_k=3, hidden=8),
    "shared": MoE(experts=4, top_k=2, hidden=8, shared_hidden=6),
    "shared, gated": MoE(experts=9, top_k=4, hidden=5, shared_hidden=6, shared_gated=True),
}


every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def test_layouts_say_the_experts() -> None:
    plain = parse_layout("moe")
    assert plain.at(Scale(width=64, head_dim=16)).blocks == (MoE(experts=8, top_k=2, hidden=128),)
    assert plain.at(Scale(width=1024, head_dim=64)).blocks == (MoE(experts=8, top_k=2, hidden=2048),)
    switch = parse_layout("moe(1/2,experts=16,top=1,shared=1)").at(Scale(width=64, head_dim=16)).blocks[0]
    assert switch == MoE(experts=16, top_k=1, hidden=32, shared_hidden=64, normalise=False)


MIXTURE = Architecture(
    width=16, vocab_size=16, blocks=(SwiGLU(hidden=16), MoE(experts=4, top_k=2, hidden=16, shared_hidden=16))
)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"top_k": 5}, "top_k = 5 is more than experts = 4"),
        ({"top_k": 1}, "normalise = true with top_k = 1"),
        ({"top_k": 2, "shared_gated": True}, "shared_gated = true with shared_hidden = null"),
        ({"top_k": 2, "experts": 1}, "experts"),
    ],
    ids=str,
)
def test_contradictions_are_refused(fields: dict[str, Any], said: str) -> None:
    block = {"op": "moe", "experts": 4, "hidden": 8} | fields
    with pytest.raises(InvalidInput) as caught:
        read_architecture({**MIXTURE.to_dict(), "blocks": [block]})
    assert said in str(caught.value) and "blocks[0]" in str(caught.value)


@every_spec
def test_weights_read_grow_from_the_chosen_to_all(spec: MoE) -> None:
    shapes = spec.weights(WIDTH)
    always = sum(np.prod(shape) for name, shape in shapes.items() if len(shape) == 2)
    expert = 3 * WIDTH * spec.hidden
    assert spec.weight_traffic(WIDTH, 1) == always + spec.top_k * expert
    traffic = [spec.weight_traffic(WIDTH, tokens) for tokens in range(1, 400)]
    assert traffic == sorted(traffic)
    assert traffic[-1] == spec.parameters(WIDTH) == always + spec.experts * expert


def test_the_weights_read_are_the_mean_over_balanced_choices() -> None:
    spec, rng = MoE(experts=8, top_k=2, hidden=16), np.random.default_rng(0)
    for tokens in (2, 5):
        picks = rng.random((20_000, tokens, 8)).argsort(-1)[..., :2].reshape(20_000, -1)
        mean = np.mean([len(set(pick)) for pick in picks])
        expected = WIDTH * 8 + mean * 3 * WIDTH * 16
        assert spec.weight_traffic(WIDTH, tokens) == pytest.approx(expected, rel=0.01)
