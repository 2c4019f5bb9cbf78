"""Token mixing along the sequence in plain PyTorch, as its users write it where there is no kernel for a CPU.

Axes as in `proxies.axes`; L tokens of a chunk. Lengths are multiples of the chunk, or shorter.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def chunks(z: Tensor, size: int) -> Tensor:
    """`B T H ...` as `B H n L ...`."""
    size = min(size, z.shape[1])
    return z.unflatten(1, (-1, size)).movedim(3, 1)


def tokens(z: Tensor) -> Tensor:
    """`B H n L V` as `B T H V`."""
    return z.movedim(1, 3).flatten(1, 2)


def ssd(c: Tensor, b: Tensor, u: Tensor, log_decay: Tensor, chunk: int = 64) -> Tensor:
    """State-space duality, the minimal form: four products, states between chunks by a product with their
    decays too (arXiv 2405.21060, listing 1). `c`, `b`: `B T H N`; `u`: `B T H V`; `log_decay`: `B T H`."""
    c, b, u, log_decay = (chunks(z, chunk) for z in (c, b, u, log_decay))
    total = log_decay.cumsum(-1)
    within = torch.einsum("bhnlk,bhnsk,bhnls,bhnsv->bhnlv", c, b, segments(log_decay).exp(), u)
    faded = (total[..., -1:] - total).exp()
    states = torch.einsum("bhnlk,bhnl,bhnlv->bhnkv", b, faded, u)
    states = torch.cat([torch.zeros_like(states[:, :, :1]), states], dim=2)
    between = segments(F.pad(total[..., -1], (1, 0))).exp()
    before = torch.einsum("bhzn,bhnkv->bhzkv", between, states)[:, :, :-1]
    return tokens(within + torch.einsum("bhnlk,bhnkv,bhnl->bhnlv", c, before, total.exp()))


def segments(log_decay: Tensor) -> Tensor:
    """`... L` to the sums over `(s, l]` in `... L L`, minus infinity above the diagonal."""
    size = log_decay.shape[-1]
    lower = torch.ones(size, size, dtype=torch.bool, device=log_decay.device).tril()
    total = log_decay.cumsum(-1)
    return (total[..., :, None] - total[..., None, :]).masked_fill(~lower, -torch.inf)


def gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, chunk: int = 64
) -> Tensor:
    """Chunked gated delta rule: a triangular system within each chunk, then a loop over the chunks (arXiv
    2412.06464, section 3.3); the form of the CPU path of transformers' Qwen3-Next."""
    q, k, v, log_decay, beta = (chunks(z, chunk) for z in (q, k, v, log_decay, beta))
    total = log_decay.cumsum(-1)
    decay = segments(log_decay).exp()
    weighted = k * beta[..., None]
    system = (weighted @ k.mT) * decay
    scores = (q @ k.mT) * decay
    written = torch.linalg.solve_triangular(system, v * beta[..., None], upper=False, unitriangular=True)
    read = weighted * total.exp()[..., None]
    read = torch.linalg.solve_triangular(system, read, upper=False, unitriangular=True)
    q = q * total.exp()[..., None]
    k = k * (total[..., -1:] - total).exp()[..., None]
    passed = total[..., -1].exp()[..., None, None]
    state = torch.zeros_like(k[:, :, 0].mT @ v[:, :, 0])
    outputs = []
    for n in range(q.shape[2]):
        new = written[:, :, n] - read[:, :, n] @ state
        outputs.append(q[:, :, n] @ state + scores[:, :, n] @ new)
        state = state * passed[:, :, n] + k[:, :, n].mT @ new
    return tokens(torch.stack(outputs, dim=2))


def gated_linear_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, chunk: int = 16) -> Tensor:
    """Chunks by products, a loop over them for the state (arXiv 2312.06635, section 4.3). `log_decay`: `B T H
    K`; its inverse within a chunk sets the chunk's length."""
    q, k, v, log_decay = (chunks(z, chunk) for z in (q, k, v, log_decay))
    total = log_decay.cumsum(-2)
    q = q * total.exp()
    scores = (q @ (k * (-total).exp()).mT).tril()
    added = (k * (total[..., -1:, :] - total).exp()).mT @ v
    passed = total[..., -1, :].exp()[..., None]
    state = torch.zeros_like(added[:, :, 0])
    before = []
    for n in range(q.shape[2]):
        before.append(state)
        state = passed[:, :, n] * state + added[:, :, n]
    return tokens(scores @ v + q @ torch.stack(before, dim=2))


def linear_recurrence(a: Tensor, b: Tensor, chunk: int = 32) -> Tensor:
    """`h_t = a_t h_{t-1} + b_t` over `B T C`: one loop over the tokens of all chunks at once, one over the
    chunks. Faster here than a loop over all tokens (from 512 on) and than doubling."""
    a, b = (z.unflatten(1, (-1, min(chunk, z.shape[1]))) for z in (a, b))
    inside, passed = [b[:, :, 0]], [a[:, :, 0]]
    for t in range(1, b.shape[2]):
        inside.append(a[:, :, t] * inside[-1] + b[:, :, t])
        passed.append(a[:, :, t] * passed[-1])
    h = torch.zeros_like(b[:, 0, 0])
    before = []
    for n in range(b.shape[1]):
        before.append(h)
        h = passed[-1][:, n] * h + inside[-1][:, n]
    carried = torch.stack(passed, dim=2) * torch.stack(before, dim=1)[:, :, None]
    return (torch.stack(inside, dim=2) + carried).flatten(1, 2)
