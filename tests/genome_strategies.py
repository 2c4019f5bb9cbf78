"""Hypothesis strategies for operators, architectures and layouts."""

from hypothesis import strategies as st

from genomes import (
    RGLRU,
    Architecture,
    Attention,
    Block,
    GatedLinearAttention,
    Layout,
    Mamba2,
    Setting,
    ShortConv,
    Skip,
    SwiGLU,
    operator_table,
)

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

operators = st.one_of(*OPERATORS.values())

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
    values = st.fractions(setting.minimum, setting.maximum, max_denominator=1 if setting.whole else 1024)
    return st.none() | values if setting.optional else values


blocks = st.sampled_from(sorted(operator_table().items())).flatmap(
    lambda item: st.fixed_dictionaries(
        {}, optional={name: legal(setting) for name, setting in item[1].settings.items()}
    ).map(lambda given: Block.of(item[0], given))
)

layouts = st.lists(blocks, min_size=1, max_size=8).map(lambda some: Layout(tuple(some)))
