"""Exact accounting of an architecture: parameters, FLOPs, state.

All counts are sums over blocks of what the operators say of themselves (`genomes.operators`, where the
rule for FLOPs stands), plus the norms, the embedding and the logits. A prompt pays for the logits once, at
its last token, as serving does; a decoded token pays for them each time.
"""

from dataclasses import dataclass

from genomes.architecture import Architecture, per_block
from genomes.errors import InvalidInput
from genomes.operators import Operator


@dataclass(frozen=True)
class BlockAccount:
    """What one block costs at a context."""

    index: int
    op: str
    parameters: int
    prefill_flops_per_token: float
    decode_flops_per_token: int
    state_elements: int


def norm_parameters(block: Operator, width: int) -> int:
    """Parameters of the norm that a block owns: the width, none for a skip."""
    return 0 if block.kind == "skip" else width


def parameters(architecture: Architecture) -> int:
    """Exact number of parameters, embedding, norms and head included."""
    width = architecture.width
    blocks = sum(per_block(architecture.blocks, lambda b: b.parameters(width) + norm_parameters(b, width)))
    tables = 1 if architecture.tied_embeddings else 2
    return blocks + width + tables * architecture.vocab_size * width


def head_flops(architecture: Architecture) -> int:
    """FLOPs of the logits of one token."""
    return 2 * architecture.width * architecture.vocab_size


def prefill_flops(architecture: Architecture, tokens: int) -> int:
    """FLOPs of a prompt of `tokens` tokens."""
    _check_context(tokens)
    blocks = sum(b.prefill_flops(architecture.width, tokens) for b in architecture.blocks)
    return blocks + head_flops(architecture)


def prefill_flops_per_token(architecture: Architecture, context: int) -> float:
    """Mean FLOPs of a token of a prompt of `context` tokens."""
    return prefill_flops(architecture, context) / context


def decode_flops_per_token(architecture: Architecture, context: int) -> int:
    """FLOPs of one decoded token that sees `context` tokens, itself included."""
    _check_context(context)
    blocks = sum(b.decode_flops(architecture.width, context) for b in architecture.blocks)
    return blocks + head_flops(architecture)


def state_elements(architecture: Architecture, context: int) -> int:
    """Elements of KV cache and recurrent state of one sequence after `context` tokens."""
    _check_context(context)
    return sum(b.state_elements(architecture.width, context) for b in architecture.blocks)


def constant_elements(architecture: Architecture, context: int) -> int:
    """Elements that decoding keeps once for all sequences after `context` tokens."""
    _check_context(context)
    return sum(b.constant_elements(architecture.width, context) for b in architecture.blocks)


def state_bytes(architecture: Architecture, context: int, bytes_per_element: int = 4, batch: int = 1) -> int:
    """Bytes of KV cache and recurrent state of `batch` sequences after `context` tokens; constants once."""
    elements = batch * state_elements(architecture, context) + constant_elements(architecture, context)
    return bytes_per_element * elements


def account(architecture: Architecture, context: int) -> list[BlockAccount]:
    """The account of each block at a context; embedding, logits and final norm are left out."""
    _check_context(context)
    width = architecture.width
    return [
        BlockAccount(
            index=index,
            op=block.name,
            parameters=block.parameters(width) + norm_parameters(block, width),
            prefill_flops_per_token=block.prefill_flops(width, context) / context,
            decode_flops_per_token=block.decode_flops(width, context),
            state_elements=block.state_elements(width, context),
        )
        for index, block in enumerate(architecture.blocks)
    ]


def _check_context(context: int) -> None:
    if context < 1:
        raise InvalidInput(f"context = {context}; expected at least 1 token")
