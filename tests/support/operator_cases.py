"""Small instances of every operator, for the conformance suites."""

from genomes import (
    KDA,
    MLA,
    MLP,
    RGLRU,
    S4D,
    S5,
    S6,
    Attention,
    Difference,
    GatedDeltaNet,
    GatedLinearAttention,
    GeGLU,
    Hyena,
    HyenaX,
    HyenaY,
    LinearAttention,
    Mamba2,
    MoE,
    Operator,
    ShortConv,
    Skip,
    SwiGLU,
)

WIDTH = 24

CASES: dict[str, Operator] = {
    "attention": Attention(heads=4, kv_heads=4, head_dim=6),
    "attention-gqa": Attention(heads=4, kv_heads=2, head_dim=8, qk_norm=True),
    "attention-mqa-nope": Attention(heads=3, kv_heads=1, head_dim=8, rope_theta=None),
    "attention-window": Attention(heads=2, kv_heads=1, head_dim=8, window=5),
    "attention-partial-rotary": Attention(
        heads=2, kv_heads=1, head_dim=8, rotary_dim=4, out_bias=True, score_scale=0.2
    ),
    "attention-gated": Attention(heads=2, kv_heads=2, head_dim=8, gated=True, qk_norm=True),
    "attention-conv": Attention(heads=2, kv_heads=1, head_dim=8, conv=3),
    "attention-differential": Attention(heads=4, kv_heads=2, head_dim=8, differential=True, qk_norm=True),
    "attention-differential-window": Attention(
        heads=2, kv_heads=2, head_dim=8, differential=True, window=5, gated=True, conv=4
    ),
    "mla": MLA(heads=3, head_dim=8, rope_dim=4, rank=10),
    "mla-nope": MLA(heads=2, head_dim=6, rope_dim=0, rank=5),
    "difference-attention": Difference(
        plus=Attention(heads=2, kv_heads=1, head_dim=8), minus=Attention(heads=2, kv_heads=1, head_dim=8)
    ),
    "difference-unlike": Difference(plus=RGLRU(lru_width=16, heads=2), minus=ShortConv(kernel=3)),
    "short_conv-3": ShortConv(kernel=3),
    "short_conv-7": ShortConv(kernel=7),
    "hyena": Hyena(filter_width=2, bands=1, horizon=64),
    "hyena-explicit": Hyena(filter_length=14),
    "hyena_x": HyenaX(kernel=4),
    "hyena_y": HyenaY(kernel=20),
    "rg_lru": RGLRU(lru_width=16, heads=2),
    "rg_lru-bias": RGLRU(lru_width=24, heads=3, kernel=2, bias=True),
    "linear_attention": LinearAttention(heads=2, key_dim=4, value_dim=12),
    "gated_linear_attention": GatedLinearAttention(heads=2, key_dim=4, value_dim=12),
    "gated_deltanet": GatedDeltaNet(key_heads=2, value_heads=4, key_dim=4, value_dim=6),
    "kda": KDA(heads=2, key_dim=6, value_dim=8, rank=3, conv=3),
    "mamba2": Mamba2(heads=4, head_dim=6, state_dim=8),
    "mamba2-groups": Mamba2(heads=4, head_dim=6, state_dim=5, groups=2, kernel=3),
    "s4d": S4D(state_dim=6),
    "s5": S5(state_dim=10),
    "s6": S6(inner=20, state_dim=3, dt_rank=2),
    "s6-mamba": S6(inner=30, state_dim=4, dt_rank=3, kernel=4, gated=True),
    "swiglu": SwiGLU(hidden=40),
    "geglu": GeGLU(hidden=40),
    "geglu-bias": GeGLU(hidden=40, bias=True),
    "mlp": MLP(hidden=40),
    "mlp-relu2": MLP(hidden=40, activation="relu2", bias=True),
    "moe": MoE(experts=4, top_k=2, hidden=16),
    "moe-switch-shared": MoE(
        experts=3, top_k=1, hidden=16, shared_hidden=20, shared_gated=True, normalise=False
    ),
    "skip": Skip(),
}

FIRST = frozenset({type(spec): name for name, spec in reversed(CASES.items())}.values())
"""Names of the first case of each operator: all but the longest checks run in the fast tests for these."""
