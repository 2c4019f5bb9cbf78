"""Small instances of every operator, for the conformance suites."""

from genomes import RGLRU, Attention, GatedLinearAttention, Mamba2, Operator, ShortConv, Skip, SwiGLU

WIDTH = 24

CASES: dict[str, Operator] = {
    "attention": Attention(heads=4, kv_heads=4, head_dim=6),
    "attention-gqa": Attention(heads=4, kv_heads=2, head_dim=8, qk_norm=True),
    "attention-mqa-nope": Attention(heads=3, kv_heads=1, head_dim=8, rope_theta=None),
    "attention-window": Attention(heads=2, kv_heads=1, head_dim=8, window=5),
    "short_conv-3": ShortConv(kernel=3),
    "short_conv-7": ShortConv(kernel=7),
    "rg_lru": RGLRU(lru_width=16, heads=2),
    "rg_lru-bias": RGLRU(lru_width=24, heads=3, kernel=2, bias=True),
    "gated_linear_attention": GatedLinearAttention(heads=2, key_dim=4, value_dim=12),
    "mamba2": Mamba2(heads=4, head_dim=6, state_dim=8),
    "mamba2-groups": Mamba2(heads=4, head_dim=6, state_dim=5, groups=2, kernel=3),
    "swiglu": SwiGLU(hidden=40),
    "skip": Skip(),
}
