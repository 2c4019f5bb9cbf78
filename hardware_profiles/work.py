"""How much work a phase is: FLOPs, bytes moved and operators, counted analytically.

A compiler's own counts are no basis: XLA's cost analysis counts the body of a loop once, however often it
runs. FLOPs, weights and state come from the operators' exact accounting (`genomes.operators`).

Bytes moved in a phase, for each operator:
- its weights (`weight_traffic`: those it shares too, and of a mixture those of the experts that its tokens
  are expected to choose) and its norm, once a decode step or a prompt chunk;
- its state: read whole and written (`state_traffic`) for a decoded token; for a chunk, read whole once and
  written once for each of its tokens, at most whole (a recurrence keeps its state on the chip in between);
- its constants likewise (`constant_traffic`), once for all sequences;
- its intermediate results, written and read once, and the element-wise traffic of its norm and its residual
  addition, which each read a row of the width and write one.

Weights, state and intermediate results each count the bytes of the type that they are stored in. Attention is
taken as fused: its scores never reach memory (FlashAttention, arXiv 2205.14135).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import TypeVar

from genomes import Architecture, Operator
from hardware_profiles.cases import Phase
from hardware_profiles.workload import Workload

T = TypeVar("T")
REMEMBERED = 8192
"""Figures of blocks that are kept: a search prices thousands of architectures made of few distinct blocks."""

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
    return _phase_work("decode", architecture, workload)


def prefill_work(architecture: Architecture, workload: Workload) -> Iterator[Work]:
    """A prompt of `context` tokens in chunks; the logits once, at its last token."""
    return _phase_work("prefill", architecture, workload)


def in_order(
    blocks: Mapping[Operator, int],
    of_block: Callable[[Operator], Sequence[T]],
    embedding: Sequence[T],
    head: T,
) -> Iterator[tuple[int, T]]:
    """Number and item of all that runs, in order: blocks and embedding, chunk after chunk, then the head.

    `of_block` and `embedding` have an item for each chunk; a decoded token is one chunk.
    """
    rows = [(of_block(block), count) for block, count in blocks.items()]
    for chunk, embedded in enumerate(embedding):
        for items, count in rows:
            yield count, items[chunk]
        yield 1, embedded
    yield 1, head


@lru_cache(maxsize=REMEMBERED // 16)  # as long as the prompt
def block_work(phase: Phase, block: Operator, width: int, workload: Workload) -> tuple[Work, ...]:
    """Work of one block for each chunk of a prompt, or for one decoded token."""
    if phase == "decode":
        return (_decoded(block, width, workload),)
    return tuple(_chunk(block, width, workload, start, end) for start, end in chunks(workload))


def embedding_work(phase: Phase, width: int, workload: Workload) -> tuple[Work, ...]:
    """A row of the table read and a row written for each token, chunk by chunk."""
    counts = [1] if phase == "decode" else [end - start for start, end in chunks(workload)]
    return tuple(_embedding(width, workload, tokens) for tokens in counts)


def head_work(width: int, vocab_size: int, workload: Workload) -> Work:
    """Final norm and logits of one token of each sequence: the whole table is read, tied or not."""
    batch, table = workload.batch, workload.head_bytes(width, vocab_size)
    rows = workload.bytes_of(activations=batch * (ELEMENTWISE_ROWS * width + vocab_size))
    norm = workload.weight_bytes([(width,)])
    return Work(2 * batch * width * vocab_size, table + norm + rows)


def chunks(workload: Workload) -> list[tuple[int, int]]:
    """First token of each chunk of the prompt, and the one behind its last."""
    starts = range(0, workload.context, workload.prefill_chunk)
    return [(start, min(start + workload.prefill_chunk, workload.context)) for start in starts]


def distinct_blocks(architecture: Architecture) -> Counter[Operator]:
    """Each distinct block that does something, with its number of repeats."""
    return Counter(block for block in architecture.blocks if block.kind != "skip")


def state_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of KV cache and recurrent states of the batch after `context` tokens, and of constants once."""
    return _state_bytes(distinct_blocks(architecture), architecture.width, workload)


def weight_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of all weights."""
    return _weight_bytes(distinct_blocks(architecture), architecture, workload)


def weight_and_state_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of all weights, and of the batch's state after `context` tokens."""
    blocks = distinct_blocks(architecture)
    return _weight_bytes(blocks, architecture, workload) + _state_bytes(blocks, architecture.width, workload)


def weight_traffic_bytes(block: Operator, width: int, tokens: int, workload: Workload) -> int:
    """Bytes of weights, the norm's too, that a block reads to work on `tokens` tokens at once."""
    shapes = block.weights(width).values()
    every = sum(map(prod, shapes))
    read = block.weight_traffic(width, tokens) / every if every else 0.0
    return round(read * workload.weight_bytes(shapes)) + workload.weight_bytes([(width,)])


@lru_cache(maxsize=REMEMBERED)
def kept_elements(block: Operator, width: int, context: int, batch: int) -> int:
    """Elements that a block keeps after `context` tokens: state of each sequence, constants once."""
    return batch * block.state_elements(width, context) + block.constant_elements(width, context)


def kept_traffic(block: Operator, width: int, context: int, batch: int) -> int:
    """Elements of them that a token of each sequence reads and writes."""
    return batch * block.state_traffic(width, context) + block.constant_traffic(width, context)


def activation_bytes(architecture: Architecture, workload: Workload) -> int:
    """Bytes of what lives beside weights and state at the widest moment of prefill or decoding.

    Inside a block: the residual stream, the normed input and the block's intermediate results, for each
    token of a chunk. At the head: the last token's row and its logits.
    """
    width = architecture.width
    tokens = min(workload.prefill_chunk, workload.context)
    widest = max(_activation_elements(block, width) for block in distinct_blocks(architecture))
    elements = max(tokens * (2 * width + widest), 2 * width + architecture.vocab_size)
    return workload.bytes_of(activations=workload.batch * elements)


def chunk_flops(block: Operator, width: int, start: int, end: int) -> int:
    """FLOPs that the tokens from `start` up to `end` (left out) add to the prompt of one sequence."""
    return block.prefill_flops(width, end) - (block.prefill_flops(width, start) if start else 0)


def _phase_work(phase: Phase, architecture: Architecture, workload: Workload) -> Iterator[Work]:
    width = architecture.width
    items = in_order(
        distinct_blocks(architecture),
        lambda block: block_work(phase, block, width, workload),
        embedding_work(phase, width, workload),
        head_work(width, architecture.vocab_size, workload),
    )
    return (replace(work, count=count) for count, work in items)


def _decoded(block: Operator, width: int, workload: Workload) -> Work:
    context, batch = workload.context, workload.batch
    flops = block.decode_flops(width, context)
    state = workload.bytes_of(state=kept_traffic(block, width, context, batch))
    rest = workload.bytes_of(activations=batch * _activation_traffic(block, width))
    rest += weight_traffic_bytes(block, width, batch, workload)
    growing = batch * (flops - block.decode_flops(width, 1))
    return Work(batch * flops, rest + state, context_flops=growing, context_bytes=state)


def _chunk(block: Operator, width: int, workload: Workload, start: int, end: int) -> Work:
    batch, tokens = workload.batch, end - start
    elements, once = block.state_elements(width, end), block.constant_elements(width, end)
    written = batch * min(elements, tokens * (block.state_traffic(width, end) - elements))
    written += min(once, tokens * (block.constant_traffic(width, end) - once))
    state = workload.bytes_of(state=kept_elements(block, width, end, batch) + written)
    rest = workload.bytes_of(activations=batch * tokens * _activation_traffic(block, width))
    rest += weight_traffic_bytes(block, width, batch * tokens, workload)
    flops = chunk_flops(block, width, start, end)
    growing = batch * (flops - tokens * block.prefill_flops(width, 1))
    return Work(batch * flops, rest + state, context_flops=growing, context_bytes=state)


def _embedding(width: int, workload: Workload, tokens: int) -> Work:
    """Rows are those of a tied table."""
    rows = workload.batch * tokens
    return Work(0, workload.head_bytes(width, rows) + workload.bytes_of(activations=rows * width))


def _activation_traffic(block: Operator, width: int) -> int:
    """Elements moved for one token: intermediate results both ways, norm and residual addition."""
    return 2 * block.activation_elements(width) + ELEMENTWISE_ROWS * width


def _weight_bytes(blocks: Mapping[Operator, int], architecture: Architecture, workload: Workload) -> int:
    width, vocab_size = architecture.width, architecture.vocab_size
    own = sum(count * _own_weight_bytes(block, width, workload) for block, count in blocks.items())
    embedding = [] if architecture.tied_embeddings else [(width, vocab_size)]
    return own + workload.head_bytes(width, vocab_size) + workload.weight_bytes([(width,), *embedding])


def _state_bytes(blocks: Mapping[Operator, int], width: int, workload: Workload) -> int:
    context, batch = workload.context, workload.batch
    elements = sum(count * kept_elements(block, width, context, batch) for block, count in blocks.items())
    return workload.bytes_of(state=elements)


@lru_cache(maxsize=REMEMBERED)
def _own_weight_bytes(block: Operator, width: int, workload: Workload) -> int:
    """Bytes of the block's own weights and of its norm."""
    return workload.weight_bytes([*block.own_weights(width).values(), (width,)])


@lru_cache(maxsize=REMEMBERED)
def _activation_elements(block: Operator, width: int) -> int:
    return block.activation_elements(width)
