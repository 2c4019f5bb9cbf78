"""Search spaces by name, one a module, each with its source."""

from genomes.errors import unknown
from genomes.presets.composer import COMPOSER
from genomes.presets.everything import EVERYTHING
from genomes.presets.griffin import GRIFFIN
from genomes.presets.hybrid import HYBRID
from genomes.presets.hyena_edge import HYENA_EDGE
from genomes.presets.lfm2 import LFM2
from genomes.presets.mad import MAD
from genomes.presets.mobilellm import MOBILELLM
from genomes.presets.nemotron_h import NEMOTRON_H
from genomes.presets.qwen3_next import QWEN3_NEXT
from genomes.presets.star import STAR
from genomes.space import SearchSpace

PRESETS: dict[str, SearchSpace] = {
    space.name: space
    for space in (
        HYBRID,
        STAR,
        HYENA_EDGE,
        LFM2,
        MAD,
        COMPOSER,
        MOBILELLM,
        GRIFFIN,
        NEMOTRON_H,
        QWEN3_NEXT,
        EVERYTHING,
    )
}


def preset(name: str) -> SearchSpace:
    """The search space of that name. Raises `InvalidInput` listing the known ones."""
    if name not in PRESETS:
        raise unknown("search space", name, PRESETS)
    return PRESETS[name]
