"""What can be built: operators, layouts, architectures, search spaces, variation and accounting.

`Genome -> Layout -> Architecture`: `SearchSpace.decode`, then `Layout.at` a `Scale`. Nothing here needs
jax.
"""

from genomes import accounting
from genomes.architecture import Architecture, load_architecture, read_architecture
from genomes.budget import retune
from genomes.deployable import deployable
from genomes.deployment import DeploysTo, loaded_as
from genomes.errors import InvalidInput
from genomes.genome import Genome, IllegalGenome, genome_text, parse_genome
from genomes.layout import Block, Layout, parse_layout
from genomes.operators import (
    KDA,
    MLA,
    MLP,
    RGLRU,
    S4D,
    S5,
    S6,
    Attention,
    Difference,
    GatedDeltaNet,
    GatedLinearAttention,
    GeGLU,
    Hyena,
    HyenaX,
    HyenaY,
    LinearAttention,
    Mamba2,
    MoE,
    Operator,
    Setting,
    Share,
    ShortConv,
    Skip,
    SwiGLU,
    operator_table,
)
from genomes.presets import PRESETS, preset
from genomes.published_classes import LOADERS, PUBLISHED_CLASSES, Loader, PublishedClass
from genomes.references import REFERENCES, Reference, model, model_names, reference
from genomes.rules import Alternate, Count, Positions, Rule, Uniform
from genomes.scale import Scale
from genomes.space import BlockClass, Recurrence, SearchSpace, Sharing, block_class
from genomes.star import LIV_CLASSES
from genomes.stored import CACHE_DTYPES, WEIGHT_DTYPES, CacheDtype, StoredChoices, WeightDtype
from genomes.variation import (
    Repaired,
    crossover,
    delete,
    duplicate,
    homologous,
    insert,
    mutate,
    random_genome,
    repair,
    restructure,
    swap,
)

__all__ = [
    "CACHE_DTYPES",
    "KDA",
    "LIV_CLASSES",
    "LOADERS",
    "MLA",
    "MLP",
    "PRESETS",
    "PUBLISHED_CLASSES",
    "REFERENCES",
    "RGLRU",
    "S4D",
    "S5",
    "S6",
    "WEIGHT_DTYPES",
    "Alternate",
    "Architecture",
    "Attention",
    "Block",
    "BlockClass",
    "CacheDtype",
    "Count",
    "DeploysTo",
    "Difference",
    "GatedDeltaNet",
    "GatedLinearAttention",
    "GeGLU",
    "Genome",
    "Hyena",
    "HyenaX",
    "HyenaY",
    "IllegalGenome",
    "InvalidInput",
    "Layout",
    "LinearAttention",
    "Loader",
    "Mamba2",
    "MoE",
    "Operator",
    "Positions",
    "PublishedClass",
    "Recurrence",
    "Reference",
    "Repaired",
    "Rule",
    "Scale",
    "SearchSpace",
    "Setting",
    "Share",
    "Sharing",
    "ShortConv",
    "Skip",
    "StoredChoices",
    "SwiGLU",
    "Uniform",
    "WeightDtype",
    "accounting",
    "block_class",
    "crossover",
    "delete",
    "deployable",
    "duplicate",
    "genome_text",
    "homologous",
    "insert",
    "load_architecture",
    "loaded_as",
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
    "restructure",
    "retune",
    "swap",
]
