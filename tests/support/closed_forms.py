"""Parameters, FLOPs and state of every operator in closed form, written from the papers a second time."""

from genomes import (
    KDA,
    MLA,
    MLP,
    RGLRU,
    S4D,
    S5,
    S6,
    Architecture,
    Attention,
    Difference,
    GatedDeltaNet,
    GatedLinearAttention,
    GeGLU,
    Hyena,
    HyenaX,
    LinearAttention,
    Mamba2,
    MoE,
    Operator,
    ShortConv,
    Skip,
    SwiGLU,
)


def forms(op: Operator, d: int, t: int) -> tuple[int, int, int]:
    """Parameters, FLOPs of decoding token `t`, elements of state after it; from the papers' equations."""
    match op:
        case Attention(heads=h, kv_heads=g, head_dim=n):
            seen = t if op.window is None else min(t, op.window)
            inputs = h + 2 * g  # heads that a convolution runs over
            matrices = d * n * (2 * h + 2 * g + h * op.gated) + (op.conv or 0) * n * inputs
            key = n // 2 if op.differential else n
            vectors = 2 * key * op.qk_norm + (4 * key + n) * op.differential + d * op.out_bias
            pair = 2 * n + 2 * n * (1 + op.differential)
            past = (op.conv - 1) * n * inputs if op.conv else 0
            return matrices + vectors, 2 * matrices + h * pair * seen, 2 * g * n * seen + past
        case MLA(heads=h, head_dim=n, rope_dim=r, rank=c):  # decoded from the latent vectors
            matrices = d * h * (n + r) + d * (c + r) + 2 * c * h * n + h * n * d
            return matrices + c, 2 * matrices + 2 * h * (2 * c + r) * t, t * (c + r)
        case Difference(plus=a, minus=b):
            return tuple(sum(pair) for pair in zip(forms(a, d, t), forms(b, d, t), strict=True))
        case ShortConv(kernel=k):  # 4 d^2 + k d (LFM2)
            return 4 * d**2 + k * d, 2 * (4 * d**2 + k * d), (k - 1) * d
        case Hyena(kernel=k, filter_length=None, filter_width=w, bands=b):  # the filter is no state
            matrices = 4 * d**2 + 3 * k * d + w * (2 * b + 1 + 2 * w + d)
            return matrices + 4 * w + d, 2 * matrices + 2 * d * t, 3 * (k - 1) * d + t * d
        case Hyena(kernel=k, filter_length=int(n)):
            matrices = 4 * d**2 + 3 * k * d + n * d
            return matrices, 2 * matrices, 3 * (k - 1) * d + (n - 1) * d
        case HyenaX(kernel=k):
            return 4 * d**2 + 3 * k * d, 2 * (4 * d**2 + 3 * k * d), 3 * (k - 1) * d
        case RGLRU(lru_width=w, heads=h, kernel=k):
            matrices = 3 * d * w + 2 * w**2 // h + k * w
            vectors = 4 * w + (2 * w + d) * op.bias  # convolution, two gates, decay
            return matrices + vectors, 2 * matrices + 2 * w, k * w
        case LinearAttention(heads=h, key_dim=k, value_dim=v):
            matrices = 2 * d * h * (k + v)
            return matrices, 2 * matrices + h * k * (4 * v + 3), h * k * (v + 1)
        case GatedDeltaNet(key_heads=g, value_heads=h, key_dim=k, value_dim=v, conv=n):
            conv = 2 * g * k + h * v
            matrices = d * (conv + 2 * h * v + 2 * h) + n * conv
            return matrices + 2 * h + v, 2 * matrices + 7 * h * k * v, (n - 1) * conv + h * k * v
        case KDA(heads=h, key_dim=k, value_dim=v, rank=r, conv=n):
            conv = h * (2 * k + v)
            matrices = d * (conv + h * v + h + 2 * r) + r * h * (k + v) + n * conv
            vectors = h + h * k + v  # A, dt, norm
            return matrices + vectors, 2 * matrices + 7 * h * k * v, (n - 1) * conv + h * k * v
        case GatedLinearAttention(heads=h, key_dim=k, value_dim=v, gate_rank=r):
            matrices = d * h * (2 * k + 3 * v) + r * (d + h * k)
            return matrices + h * k + v, 2 * matrices + 5 * h * k * v, h * k * v
        case Mamba2(heads=h, head_dim=p, state_dim=n, groups=g, kernel=k):
            e = h * p
            conv = e + 2 * g * n
            matrices = d * (2 * e + 2 * g * n + h) + k * conv + e * d
            vectors = conv + 3 * h + e  # convolution, dt, A and D a head, norm
            return matrices + vectors, 2 * matrices + 5 * e * n + 2 * e, (k - 1) * conv + e * n
        case S4D(state_dim=n):  # A, c, dt and D a channel; a pair of states in 7, out of it in 4
            return 2 * d**2 + d * (2 * n + 2), 4 * d**2 + d * (11 * n // 2 + 2), d * n
        case S5(state_dim=p):  # A and dt a pair; B, C and gate; D a channel
            matrices = 2 * d * p + d**2
            return matrices + 3 * p // 2 + d, 2 * matrices + 4 * p + 2 * d, p
        case S6(inner=e, state_dim=n, dt_rank=r):
            k = op.kernel or 0
            matrices = d * e * (2 + op.gated) + 2 * e * (r + n) + k * e
            vectors = e * n + 2 * e + e * (k > 0)  # A, dt and D, convolution
            return matrices + vectors, 2 * matrices + 6 * e * n + 2 * e, e * n + max(k - 1, 0) * e
        case SwiGLU(hidden=f):
            return 3 * d * f, 6 * d * f, 0
        case GeGLU(hidden=f):
            return 3 * d * f + op.bias * (2 * f + d), 6 * d * f, 0
        case MLP(hidden=f):
            return 2 * d * f + op.bias * (f + d), 4 * d * f, 0
        case MoE(experts=e, top_k=k, hidden=f):
            shared = 3 * d * (op.shared_hidden or 0) + d * op.shared_gated
            return d * e + 3 * d * f * e + shared, 2 * (d * e + 3 * d * f * k + shared), 0
        case Skip():
            return 0, 0, 0
    raise AssertionError(f"no closed form for {op.name}")


def totals(a: Architecture, t: int) -> tuple[int, int, int]:
    """The same of a whole architecture."""
    d, v = a.width, a.vocab_size
    blocks = [forms(op, d, t) for op in a.blocks]
    norms = d * (1 + sum(op.name != "skip" for op in a.blocks))
    return (
        sum(p for p, _, _ in blocks) + norms + v * d * (1 if a.tied_embeddings else 2),
        sum(f for _, f, _ in blocks) + 2 * d * v,
        sum(s for _, _, s in blocks),
    )
