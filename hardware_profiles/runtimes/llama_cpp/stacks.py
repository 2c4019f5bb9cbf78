"""The stacks of layers by which llama.cpp is calibrated, and how a block's time comes out of them.

llama.cpp runs whole classes, not blocks, so a block stands in the smallest stack of a class that holds it:

- attention with a swiglu of 32 (`llama`, `qwen3`); without positions alone, after one smallest mamba2 and one
  smallest MLP (`nemotron_h`)
- short_conv with a swiglu of 32, after one layer of attention (`lfm2`)
- mamba2 alone, after one smallest MLP and one smallest attention, and MLP likewise (`nemotron_h`)
- swiglu with the smallest attention (`llama`)

A stack of `copies + 1` of them is measured, and one with a single one: the difference is `copies` layers, and
what is in both (embedding, head, the layers that a class needs besides, and that the last layer reads
only the tokens whose logits are asked) is gone. From a layer of swiglu that of the smallest swiglu is taken
off as well. So a mixer that shares its layer with a swiglu carries the norm and the launches of the smallest
one, and a swiglu is only what it takes beyond: each layer of such a class has one of both, and their sum is
what was measured. Only mixers of the other kind of class are off by that, some microseconds: mamba2 in
`granitehybrid` lacks it, attention in `nemotron_h` has it too much. The head is one smallest layer, less what
each further one takes.
"""

from genomes import MLP, Architecture, Attention, InvalidInput, Mamba2, Operator, ShortConv, SwiGLU

LAYOUTS: tuple[str, ...] = (
    "attention(kv=1/4)",
    "attention",
    "attention(kv=1/4,qk_norm=yes)",
    "attention(qk_norm=yes)",
    "short_conv",
    "mamba2",
    "swiglu",
    "swiglu(2)",
    "mlp(relu2=yes)",
)
"""Blocks that are measured, as layouts write them; those of an operator are fitted together."""
HEAD_DIM = 64

_SMALLEST = SwiGLU(hidden=32)
_MLP = MLP(hidden=32, activation="relu2")
_NARROW = Attention(heads=1, kv_heads=1, head_dim=HEAD_DIM)
_PLACELESS = Attention(heads=1, kv_heads=1, head_dim=HEAD_DIM, rope_theta=None)


def stack(block: Operator | None, width: int, vocab_size: int, copies: int) -> Architecture:
    """So many of a block, or (None) of the smallest layer, in the smallest class that holds them.

    Raises `InvalidInput` for a block that is in no class that archsearch writes.
    """
    return Architecture(width=width, vocab_size=vocab_size, blocks=tuple(_blocks(block, width, copies)))


def _blocks(block: Operator | None, width: int, copies: int) -> list[Operator]:
    match block:
        case None:
            return [_NARROW, _SMALLEST] * copies
        case SwiGLU():
            return [_NARROW, block] * copies
        case Attention() if block.rope_theta is None:
            return [_recurrence(width), _MLP, *[block] * copies]
        case Attention():
            return [block, _SMALLEST] * copies
        case ShortConv():
            heads = width // HEAD_DIM
            filling = Attention(heads=heads, kv_heads=1, head_dim=HEAD_DIM, qk_norm=True)
            return [filling, _SMALLEST, *[block, _SMALLEST] * copies]
        case Mamba2():
            return [_PLACELESS, _MLP, *[block] * copies]
        case MLP():
            return [_PLACELESS, _recurrence(width), *[block] * copies]
    raise InvalidInput(f"{block.name} is in no class that archsearch writes as GGUF")


def _recurrence(width: int) -> Mamba2:
    return Mamba2(heads=width // HEAD_DIM, head_dim=HEAD_DIM, state_dim=16)
