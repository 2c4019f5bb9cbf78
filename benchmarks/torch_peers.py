"""The operators of the compared proxies as PyTorch modules, written as PyTorch's users write them.

Each takes the operator's value and the width; parameters have the names of `Operator.weights`, so that
`load` can copy those of a proxy. `benchmarks/proxy_throughput.py` checks that losses agree.
"""

from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_scans import gated_delta_rule, gated_linear_attention, linear_recurrence, ssd

from genomes import Architecture

LOAD_BALANCE_COEFFICIENT = 0.01
LONGEST = 4096
"""Tokens that rotary positions are tabled for."""


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A projection without bias."""
    return nn.Linear(inputs, outputs, bias=False)


class CausalConv(nn.Conv1d):
    """Depthwise, with the padding of both sides cut to that of the left, as LFM2 and Mamba-2 have it."""

    def __init__(self, channels: int, length: int, bias: bool) -> None:
        super().__init__(channels, channels, length, groups=channels, padding=length - 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`B T C`."""
        return super().forward(x.mT)[..., : x.shape[1]].mT


class Attention(nn.Module):
    """Grouped-query attention with rotary positions where the value has them."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.size = spec.heads, spec.kv_heads, spec.head_dim
        self.q = linear(width, self.heads * self.size)
        self.k, self.v = (linear(width, self.kv_heads * self.size) for _ in range(2))
        self.out = linear(self.heads * self.size, width)
        self.rope = spec.rope_theta is not None
        if self.rope:
            frequency = spec.rope_theta ** (-torch.arange(0, self.size, 2) / self.size)
            angle = torch.outer(torch.arange(LONGEST), frequency).repeat(1, 2)
            self.register_buffer("cos", angle.cos(), persistent=False)
            self.register_buffer("sin", angle.sin(), persistent=False)
        norm = (lambda: nn.RMSNorm(self.size, eps=1e-5)) if spec.qk_norm else nn.Identity
        self.q_norm, self.k_norm = norm(), norm()

    def forward(self, x: Tensor) -> Tensor:
        """Fused attention, which shares keys and values among the heads."""
        q, k, v = (p(x).unflatten(-1, (-1, self.size)) for p in (self.q, self.k, self.v))
        q, k, v = self.q_norm(q).transpose(1, 2), self.k_norm(k).transpose(1, 2), v.transpose(1, 2)
        if self.rope:
            cos, sin = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
            q, k = (z * cos + turned(z) * sin for z in (q, k))
        shared = self.heads != self.kv_heads
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=shared)
        return self.out(mixed.transpose(1, 2).flatten(2))


def turned(z: Tensor) -> Tensor:
    """A quarter turn of each pair of channels, for rotary positions."""
    first, second = z.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)


class GatedFeedForward(nn.Module):
    """SwiGLU or GeGLU."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.gate, self.up = linear(width, spec.hidden), linear(width, spec.hidden)
        self.down = linear(spec.hidden, width)
        self.activation = F.silu if spec.name == "swiglu" else lambda z: F.gelu(z, approximate="tanh")

    def forward(self, x: Tensor) -> Tensor:
        """Each token by itself."""
        return self.down(self.activation(self.gate(x)) * self.up(x))


class ShortConv(nn.Module):
    """Gated short convolution; Hyena-Y too."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.in_proj, self.out_proj = linear(width, 3 * width), linear(width, width)
        self.conv = CausalConv(width, spec.kernel, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Gate, convolve, gate."""
        b, c, u = self.in_proj(x).chunk(3, dim=-1)
        return self.out_proj(c * self.conv(b * u))


class Mamba2(nn.Module):
    """Mamba-2 with one group."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.in_proj = linear(width, spec.inner + spec.conv_width + spec.heads)
        self.conv = CausalConv(spec.conv_width, spec.kernel, bias=True)
        self.dt_bias, self.a_log, self.d = (nn.Parameter(torch.empty(spec.heads)) for _ in range(3))
        self.norm = nn.RMSNorm(spec.inner, eps=1e-5)
        self.out_proj = linear(spec.inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """The minimal form of state-space duality."""
        s = self.spec
        z, xbc, dt = self.in_proj(x).split([s.inner, s.conv_width, s.heads], dim=-1)
        u, b, c = F.silu(self.conv(xbc)).split([s.inner, s.state_dim, s.state_dim], dim=-1)
        dt = F.softplus(dt + self.dt_bias)
        u = u.unflatten(-1, (s.heads, s.head_dim))
        b, c = (m[:, :, None].expand(-1, -1, s.heads, -1) for m in (b, c))
        y = ssd(c, b, dt[..., None] * u, -dt * self.a_log.exp()) + self.d[:, None] * u
        return self.out_proj(self.norm(y.flatten(2) * F.silu(z)))


class GatedLinearAttention(nn.Module):
    """Gated linear attention."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.spec = spec
        keys, values = spec.heads * spec.key_dim, spec.heads * spec.value_dim
        self.q, self.k = linear(width, keys), linear(width, keys)
        self.v, self.gate = linear(width, values), linear(width, values)
        self.decay_down, self.decay_up = linear(width, spec.gate_rank), linear(spec.gate_rank, keys)
        self.decay_bias = nn.Parameter(torch.empty(keys))
        self.norm = nn.RMSNorm(spec.value_dim, eps=1e-5)
        self.out = linear(values, width)

    def forward(self, x: Tensor) -> Tensor:
        """Decays may not fall below exp(-5), so that their inverse over a chunk stays finite."""
        q, k, v = (p(x).unflatten(-1, (self.spec.heads, -1)) for p in (self.q, self.k, self.v))
        log_decay = F.linear(self.decay_down(x), self.decay_up.weight, self.decay_bias)
        log_decay = (F.logsigmoid(log_decay) / 16).clamp(min=-5)
        log_decay = log_decay.unflatten(-1, (self.spec.heads, -1))
        o = gated_linear_attention(q * self.spec.key_dim**-0.5, k, v, log_decay)
        return self.out(self.norm(o).flatten(2) * F.silu(self.gate(x)))


class GatedDeltaNet(nn.Module):
    """Gated DeltaNet with a key head for each value head; joined projections, as in Qwen3-Next."""

    joined: ClassVar = {"qkvz": "qkvz", "ba": "ba", "conv": ("q_conv", "k_conv", "v_conv")}

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.heads, self.key_dim = spec.state_heads, spec.key_dim
        self.sizes = (spec.keys, spec.keys, spec.values)
        self.qkvz = linear(width, sum(self.sizes) + spec.values)
        self.ba = linear(width, 2 * self.heads)
        self.conv = CausalConv(sum(self.sizes), spec.conv, bias=False)
        self.a_log, self.dt_bias = (nn.Parameter(torch.empty(self.heads)) for _ in range(2))
        self.norm = nn.RMSNorm(spec.value_dim, eps=1e-5)
        self.out = linear(spec.values, width)

    def forward(self, x: Tensor) -> Tensor:
        """Chunks of 64 tokens."""
        inner = sum(self.sizes)
        qkv, z = self.qkvz(x).tensor_split([inner], dim=-1)
        b, a = self.ba(x).chunk(2, dim=-1)
        heads = (
            part.unflatten(-1, (self.heads, -1)) for part in F.silu(self.conv(qkv)).split(self.sizes, dim=-1)
        )
        q, k, v = heads
        q, k = (m * torch.rsqrt(m.square().sum(-1, keepdim=True) + 1e-6) for m in (q, k))
        log_decay = -self.a_log.exp() * F.softplus(a + self.dt_bias)
        o = gated_delta_rule(q * self.key_dim**-0.5, k, v, log_decay, b.sigmoid())
        return self.out(self.norm(o).flatten(2) * F.silu(z))


class RGLRU(nn.Module):
    """Griffin's recurrent block."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.heads, w = spec.heads, spec.lru_width
        self.linear_y, self.linear_x, self.linear_out = linear(width, w), linear(width, w), linear(w, width)
        self.conv = CausalConv(w, spec.kernel, bias=True)
        block = (self.heads, w // self.heads, w // self.heads)
        self.input_gate, self.recurrence_gate = (nn.Parameter(torch.empty(block)) for _ in range(2))
        self.input_gate_bias, self.recurrence_gate_bias, self.decay = (
            nn.Parameter(torch.empty(w)) for _ in range(3)
        )

    def _gate(self, u: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """A product a head over all tokens."""
        heads = u.flatten(0, 1).unflatten(-1, (self.heads, -1)).transpose(0, 1)
        return (torch.bmm(heads, weight).transpose(0, 1).reshape(u.shape) + bias).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """The first token is not scaled down."""
        u = self.conv(self.linear_x(x))
        r = self._gate(u, self.recurrence_gate, self.recurrence_gate_bias)
        log_a = -8.0 * r * F.softplus(self.decay)
        scale = (-torch.expm1(2 * log_a)).clamp(min=1e-12).sqrt()
        scale = torch.cat([torch.ones_like(scale[:, :1]), scale[:, 1:]], dim=1)
        gated = scale * self._gate(u, self.input_gate, self.input_gate_bias) * u
        h = linear_recurrence(log_a.exp(), gated)
        return self.linear_out(F.gelu(self.linear_y(x), approximate="tanh") * h)


class MoE(nn.Module):
    """Mixture of SwiGLU experts: a loop over the experts, each on the tokens that chose it."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.experts, self.top_k = spec.experts, spec.top_k
        self.router = linear(width, spec.experts)
        self.gate, self.up = (nn.Parameter(torch.empty(spec.experts, spec.hidden, width)) for _ in range(2))
        self.down = nn.Parameter(torch.empty(spec.experts, width, spec.hidden))
        self.load_balance = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Leaves its load-balancing loss behind."""
        rows = x.flatten(0, 1)
        logits = self.router(rows)
        best, chosen = logits.topk(self.top_k, dim=-1)
        weights = best.softmax(-1)
        taken = F.one_hot(chosen, self.experts)
        share = taken.float().mean((0, 1))
        self.load_balance = self.experts * (share * logits.softmax(-1).mean(0)).sum()
        mixed = torch.zeros_like(rows)
        for e in range(self.experts):
            row, choice = torch.where(taken[..., e])
            seen = rows[row]
            made = F.linear(F.silu(F.linear(seen, self.gate[e])) * F.linear(seen, self.up[e]), self.down[e])
            mixed.index_add_(0, row, made * weights[row, choice, None])
        return mixed.view_as(x)


MODULES: dict[str, type[nn.Module]] = {
    "attention": Attention,
    "gated_deltanet": GatedDeltaNet,
    "gated_linear_attention": GatedLinearAttention,
    "geglu": GatedFeedForward,
    "hyena_y": ShortConv,
    "mamba2": Mamba2,
    "moe": MoE,
    "rg_lru": RGLRU,
    "short_conv": ShortConv,
    "swiglu": GatedFeedForward,
}


class Block(nn.Module):
    """`x + op(rms(x))`."""

    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.norm, self.op = nn.RMSNorm(width, eps=1e-5), MODULES[spec.name](spec, width)

    def forward(self, x: Tensor) -> Tensor:
        """One residual branch."""
        return x + self.op(self.norm(x))


class Peer(nn.Module):
    """The whole model; tokens and targets to losses, as nanoGPT has it."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.embedding = nn.Embedding(architecture.vocab_size, width)
        self.blocks = nn.ModuleList(Block(spec, width) for spec in architecture.blocks)
        self.final_norm = nn.RMSNorm(width, eps=1e-5)

    def forward(self, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss that is minimised, and its part that judges predictions."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.final_norm(x), self.embedding.weight)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        balances = [block.op.load_balance for block in self.blocks if isinstance(block.op, MoE)]
        if not balances:
            return loss, loss
        return loss + LOAD_BALANCE_COEFFICIENT * torch.stack(balances).mean(), loss

    def load(self, parameters: dict[str, Any]) -> None:
        """Copy the parameters of a proxy; every one of either must have its like in the other."""
        theirs: dict[str, Any] = {}
        for name, weights in parameters.items():
            group, _, index = name.partition("_")
            match group:
                case "ops":
                    parts = dict(weights)
                    for joined, names in getattr(self.blocks[int(index)].op, "joined", {}).items():
                        parts[joined] = np.concatenate([parts.pop(n) for n in names], axis=-1)
                    theirs |= {f"blocks.{index}.op.{part}": array for part, array in parts.items()}
                case "norm":
                    theirs[f"blocks.{index}.norm"] = weights
                case _:
                    theirs[name] = weights
        mine = {
            name.removesuffix(".weight").replace(".bias", "_bias"): parameter
            for name, parameter in self.named_parameters()
        }
        if mine.keys() != theirs.keys():
            raise ValueError(f"parameters of one side only: {sorted(mine.keys() ^ theirs.keys())}")
        with torch.no_grad():
            for name, parameter in mine.items():
                array = laid_out(name, np.asarray(theirs[name]))
                if array.shape != tuple(parameter.shape):
                    raise ValueError(f"{name}: {array.shape} here, {tuple(parameter.shape)} in PyTorch")
                parameter.copy_(torch.from_numpy(array.copy()))


def laid_out(name: str, array: np.ndarray) -> np.ndarray:
    """A proxy's array in the layout of PyTorch's modules: `[out, in]` matrices, `[channels, 1, length]`."""
    part = name.rpartition(".")[2]
    if part == "conv":
        return array.T[:, None]
    untouched = array.ndim == 1 or part in ("embedding", "input_gate", "recurrence_gate")
    return array if untouched else array.swapaxes(-1, -2)
