"""How much work a phase is: FLOPs, bytes moved and operators, counted analytically.

A compiler's own counts are no basis: XLA's cost analysis counts the body of a loop once, however often it
runs. FLOPs, weights and state come from the operators' exact accounting (`genomes.operators`).

Bytes moved in a phase, for each operator:
- its weights (`weight_traffic`: those it shares too, and of a mixture those of the experts that its tokens
  are expected to choose) and its norm, once a decode step or a prompt chunk;
- its state: read whole and written (`state_traffic`) for a decoded token; for a chunk, read whole once and
  written once for each of its tokens, at most whole (a recurrence keeps its state on the chip in between);
- its intermediate results, written and read once, and the element-wise traffic of its norm and its residual
  addition, which each read a row of the width and write one.

Weights, state and intermediate results each count the bytes of the type that they are stored in. Attention is
taken as fused: its scores never reach memory (FlashAttention, arXiv 2205.14135).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from genomes import Architecture, Operator
from genomes.accounting import head_flops, state_elements
from hardware_profiles.workload import Workload

ELEMENTWISE_ROWS = 4
"""Rows of the width that a block's norm and residual addition read and write for a token."""


@dataclass(frozen=True)
class Work:
    """`count` operators that each do `flops` and move `bytes`.

    `context_flops` are those of the FLOPs that grow with the tokens seen, as the scores of attention do, and
    `context_bytes` those of the bytes that are state.
    """

    flops: float
    bytes: float
    count: int = 1
    context_flops: float = 0
    context_bytes: float = 0


def decode_work(architecture: Architecture, workload: Workload) -> Iterator[Work]:
    """One decoded token of each sequence that sees `context` tokens, the logits included."""
    width, context, batch = architecture.width, workload.context, workload.batch
    for block, count in _blocks(architecture):
        flops = block.decode_flops(width, context)
        state = workload.bytes_of(state=batch * block.state_traffic(width, context))
        rest = workload.bytes_of(activations=batch * _activation_traffic(block, width))
        rest += weight_traffic_bytes(block, width, batch, workload)
        growing = batch * (flops - block.decode_flops(width, 1))
        yield Work(batch * flops, rest + state, count, growing, state)
    yield _embedding(architecture, workload, 1)
    yield _head(architecture, workload)


def prefill_work(architecture: Architecture, workload: Workload) -> Iterator[Work]:
    """A prompt of `context` tokens in chunks; the logits once, at its last token."""
    width, batch = architecture.width, workload.batch
    blocks = _blocks(architecture)
    for start in range(0, workload.context, workload.prefill_chunk):
        end = min(start + workload.prefill_chunk, workload.context)
        tokens = end - start
        for block, count in blocks:
            elements = block.state_elements(width, end)
            written = min(elements, tokens * (block.state_traffic(width, end) - elements))
            state = workload.bytes_of(state=batch * (elements + written))
            rest = workload.bytes_of(activations=batch * tokens * _activation_traffic(block, width))
            rest += weight_traffic_bytes(block, width, batch * tokens, workload)
            flops = chunk_flops(block, width, start, end)
            growing = batch * (flops - tokens * block.decode_flops(width, 1))
            yield Work(batch * flops, rest + state, count, growing, state)
        yield _embedding(architecture, workload, tokens)
    yield _head(architecture, workload)


def state_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of KV cache and recurrent states of the batch after `context` tokens."""
    return workload.bytes_of(state=workload.batch * state_elements(architecture, workload.context))


def weight_and_state_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of all weights, and of the batch's state after `context` tokens."""
    return weight_bytes(architecture, workload) + state_bytes(architecture, workload)


def weight_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of all weights."""
    width = architecture.width
    tables = 1 if architecture.tied_embeddings else 2
    blocks = sum(
        count * workload.weight_bytes([*block.own_weights(width).values(), (width,)])
        for block, count in _blocks(architecture)
    )
    return blocks + workload.weight_bytes([(width,), *[(width, architecture.vocab_size)] * tables])


def weight_traffic_bytes(block: Operator, width: int, tokens: int, workload: Workload) -> int:
    """Bytes of weights, the norm's too, that a block reads to work on `tokens` tokens at once."""
    shapes = block.weights(width).values()
    every = sum(map(prod, shapes))
    read = block.weight_traffic(width, tokens) / every if every else 0.0
    return round(read * workload.weight_bytes(shapes)) + workload.weight_bytes([(width,)])


def table_bytes(width: int, rows: int, workload: Workload) -> int:
    """Bytes of so many rows of the embedding or the head."""
    return workload.weight_bytes([(width, rows)])


def activation_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of what lives beside weights and state at the widest moment of prefill or decoding.

    Inside a block: the residual stream, the normed input and the block's intermediate results, for each
    token of a chunk. At the head: the last token's row and its logits.
    """
    width = architecture.width
    tokens = min(workload.prefill_chunk, workload.context)
    widest = max(block.activation_elements(width) for block in architecture.blocks)
    elements = max(tokens * (2 * width + widest), 2 * width + architecture.vocab_size)
    return workload.bytes_of(activations=workload.batch * elements)


def chunk_flops(block: Operator, width: int, start: int, end: int) -> int:
    """FLOPs of the tokens of one sequence from `start` up to `end` (left out)."""
    return block.prefill_flops(width, end) - (block.prefill_flops(width, start) if start else 0)


def _blocks(architecture: Architecture) -> list[tuple[Operator, int]]:
    """Each distinct block that does something, with its number of repeats."""
    return [(b, n) for b, n in Counter(architecture.blocks).items() if b.kind != "skip"]


def _activation_traffic(block: Operator, width: int) -> int:
    """Elements moved for one token: intermediate results both ways, norm and residual addition."""
    return 2 * block.activation_elements(width) + ELEMENTWISE_ROWS * width


def _embedding(architecture: Architecture, workload: Workload, tokens: int) -> Work:
    """A row of the table read and a row written for each token."""
    width, rows = architecture.width, workload.batch * tokens
    return Work(0, table_bytes(width, rows, workload) + workload.bytes_of(activations=rows * width))


def _head(architecture: Architecture, workload: Workload) -> Work:
    """Final norm and logits of one token of each sequence: the whole table is read, tied or not."""
    width, vocabulary, batch = architecture.width, architecture.vocab_size, workload.batch
    rows = workload.bytes_of(activations=batch * (ELEMENTWISE_ROWS * width + vocabulary))
    norm = workload.weight_bytes([(width,)])
    return Work(batch * head_flops(architecture), table_bytes(width, vocabulary, workload) + norm + rows)
