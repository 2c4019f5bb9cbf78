"""What can be built: operators, layouts, architectures, search spaces, variation and accounting.

`Genome -> Layout -> Architecture`: `SearchSpace.decode`, then `Layout.at` a `Scale`. Nothing here needs
jax.
"""

from genomes import accounting
from genomes.architecture import Architecture, load_architecture, read_architecture
from genomes.errors import InvalidInput
from genomes.layout import Block, Layout, parse_layout
from genomes.operators import (
    RGLRU,
    Attention,
    GatedLinearAttention,
    Mamba2,
    Operator,
    Setting,
    ShortConv,
    Skip,
    SwiGLU,
    operator_table,
)
from genomes.presets import PRESETS, preset
from genomes.references import REFERENCES, Reference, model, model_names, reference
from genomes.scale import Scale
from genomes.space import BlockClass, Genome, Rule, SearchSpace, genome_text, parse_genome
from genomes.variation import Repaired, crossover, mutate, random_genome, repair

__all__ = [
    "PRESETS",
    "REFERENCES",
    "RGLRU",
    "Architecture",
    "Attention",
    "Block",
    "BlockClass",
    "GatedLinearAttention",
    "Genome",
    "InvalidInput",
    "Layout",
    "Mamba2",
    "Operator",
    "Reference",
    "Repaired",
    "Rule",
    "Scale",
    "SearchSpace",
    "Setting",
    "ShortConv",
    "Skip",
    "SwiGLU",
    "accounting",
    "crossover",
    "genome_text",
    "load_architecture",
    "model",
    "model_names",
    "mutate",
    "operator_table",
    "parse_genome",
    "parse_layout",
    "preset",
    "random_genome",
    "read_architecture",
    "reference",
    "repair",
]
