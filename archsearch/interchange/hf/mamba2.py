"""Mamba-2 alone: one block a layer. transformers `models/mamba2`."""

from collections.abc import Mapping
from typing import Any

from archsearch.interchange.hf.config import Config
from archsearch.interchange.hf.table import ModelClass, Slot, TensorRow
from genomes import Architecture, InvalidInput, Mamba2


def mixer(prefix: str) -> tuple[TensorRow, ...]:
    """The tensors of one Mamba-2 block, the same in every class that has one."""
    return (
        TensorRow("in_proj", f"{prefix}.in_proj.weight", "matrix"),
        TensorRow("conv", f"{prefix}.conv1d.weight", "conv"),
        TensorRow("conv_bias", f"{prefix}.conv1d.bias"),
        TensorRow("dt_bias", f"{prefix}.dt_bias"),
        TensorRow("a_log", f"{prefix}.A_log"),
        TensorRow("d", f"{prefix}.D"),
        TensorRow("norm", f"{prefix}.norm.weight"),
        TensorRow("out_proj", f"{prefix}.out_proj.weight", "matrix"),
    )


def unlimited(c: Config) -> None:
    """Raise `InvalidInput` where steps are limited."""
    limits = c.find("time_step_limit", "mamba_dt_limit", default=_UNLIMITED)
    # transformers writes infinity as an object, since JSON has none.
    numbers = [float(x["__float__"] if isinstance(x, Mapping) else x) for x in limits]
    if numbers != _UNLIMITED:
        raise InvalidInput(f"config: time_step_limit = {limits} has no counterpart; legal: {_UNLIMITED}")


_UNLIMITED = [0.0, float("inf")]


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `Mamba2ForCausalLM`."""
    c = Config(config)
    c.only("use_bias", False)
    c.only("use_conv_bias", True)
    c.only("hidden_act", "silu")
    unlimited(c)
    block = Mamba2(
        heads=c.size("num_heads"),
        head_dim=c.size("head_dim"),
        state_dim=c.size("state_size", default=128),
        groups=c.size("n_groups", default=8),
        kernel=c.size("conv_kernel", default=4),
    )
    return Architecture(
        width=c.size("hidden_size"),
        vocab_size=c.size("vocab_size"),
        tied_embeddings=c.flag("tie_word_embeddings", default=False),
        norm_eps=c.number("layer_norm_epsilon", 1e-5),
        blocks=(block,) * c.size("num_hidden_layers"),
    )


MAMBA2 = ModelClass(
    "Mamba2ForCausalLM",
    architecture,
    layer=(Slot("norm", {"mamba2": mixer("mixer")}),),
    stem="backbone",
    embedding="embeddings",
    final_norm="norm_f",
)
