"""Hypothesis strategies for operators, architectures, layouts and genomes."""

from fractions import Fraction

from hypothesis import strategies as st

from genomes import (
    RGLRU,
    Architecture,
    Attention,
    GatedLinearAttention,
    Genome,
    Mamba2,
    SearchSpace,
    Setting,
    ShortConv,
    Skip,
    SwiGLU,
)
from support.operator_cases import CASES

small = st.integers(1, 12)
kernels = st.integers(2, 128)


def _attention(kv_heads: int, group: int, half: int, rope_theta: float | None, **rest: object) -> Attention:
    return Attention(
        heads=kv_heads * group, kv_heads=kv_heads, head_dim=2 * half, rope_theta=rope_theta, **rest
    )


OPERATORS: dict[str, st.SearchStrategy] = {
    "attention": st.builds(
        _attention,
        small,
        small,
        small,
        st.none() | st.floats(1e-3, 1e9),
        qk_norm=st.booleans(),
        window=st.none() | st.integers(1, 5000),
    ),
    "short_conv": st.builds(ShortConv, kernel=kernels),
    "rg_lru": st.builds(
        lambda heads, block, kernel, bias: RGLRU(
            lru_width=heads * block, heads=heads, kernel=kernel, bias=bias
        ),
        small,
        small,
        kernels,
        st.booleans(),
    ),
    "gated_linear_attention": st.builds(
        GatedLinearAttention, heads=small, key_dim=small, value_dim=small, gate_rank=small
    ),
    "mamba2": st.builds(
        lambda groups, size, head_dim, state_dim, kernel: Mamba2(
            heads=groups * size, head_dim=head_dim, state_dim=state_dim, groups=groups, kernel=kernel
        ),
        small,
        small,
        small,
        small,
        kernels,
    ),
    "swiglu": st.builds(SwiGLU, hidden=st.integers(1, 10_000)),
    "skip": st.builds(Skip),
}

operators = st.one_of(*OPERATORS.values(), st.sampled_from(list(CASES.values())))

architectures = st.builds(
    Architecture,
    name=st.text(max_size=20),
    width=st.integers(1, 4096),
    vocab_size=st.integers(2, 100_000),
    tied_embeddings=st.booleans(),
    norm_eps=st.floats(1e-12, 0.5),
    blocks=st.lists(operators, min_size=1, max_size=6)
    .filter(lambda blocks: any(block.kind != "skip" for block in blocks))
    .map(tuple),
)


def legal(setting: Setting) -> st.SearchStrategy:
    """Legal values of a setting."""
    if isinstance(setting.default, bool):
        return st.booleans()
    denominator = 1 if setting.whole or setting.tokens else 1024
    values = st.fractions(setting.minimum, setting.maximum, max_denominator=denominator)
    if setting.tokens:
        values |= st.fractions(Fraction(1, 1024), Fraction(1023, 1024), max_denominator=1024)
    return st.none() | values if setting.optional else values


def genomes_of(space: SearchSpace, beyond: int = 0) -> st.SearchStrategy[Genome]:
    """Genomes of a space; rules may be broken, and sharing be impossible.

    With `beyond`, genes may be that far out of range, and there may be that many blocks more or less.
    """
    most = {"weights strategy": 2, "feature strategy": 4}

    def unit(block: tuple[int, int]) -> st.SearchStrategy[Genome]:
        letter, number = block
        genes: dict[str, st.SearchStrategy[int]] = {"class": st.just(letter), "variant": st.just(number)}
        for name in space.gene_names:
            if name not in genes:
                groups = space.sharing.groups if space.sharing else 0
                genes[name] = st.integers(1 - beyond, most.get(name, groups) + beyond)
        return st.tuples(*(genes[name] for name in space.gene_names))

    letters = st.integers(1 - beyond, len(space.classes) + beyond)
    blocks = letters.flatmap(lambda letter: st.tuples(st.just(letter), _numbers(space, letter, beyond)))
    lengths = {"min_size": max(0, space.fewest - beyond), "max_size": space.blocks + beyond}
    spelt = st.lists(blocks.flatmap(unit), **lengths).map(lambda units: sum(units, ()))
    tail = st.tuples(*(st.integers(1 - beyond, len(dtypes) + beyond) for _, dtypes in space.stored.genes))
    return st.builds(lambda genes, behind: genes + behind, spelt, tail)


def _numbers(space: SearchSpace, letter: int, beyond: int) -> st.SearchStrategy[int]:
    known = 1 <= letter <= len(space.classes)
    return st.integers(1 - beyond, (len(space.classes[letter - 1].variants) if known else 1) + beyond)
