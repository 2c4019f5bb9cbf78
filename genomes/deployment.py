"""Which published model classes load a layout, known before anything is trained.

A runtime loads what has the shape of a class that it implements: an architecture of one's own is compatible
with nothing. The classes, and what they ask, are those of transformers 5 (`models/*/configuration_*.py`) as
vLLM, SGLang and llama.cpp read them. No class shares weights or caches between blocks, and none lets a size
differ from layer to layer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal, NamedTuple, get_args

from genomes.errors import InvalidInput
from genomes.layout import Block, Layout
from genomes.operators import Value, operator_class
from genomes.scale import Scale

Runtime = Literal["transformers", "vllm", "sglang", "llama.cpp"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)

ANY: Literal["any"] = "any"
"""Any number, the same in all blocks of the operator."""


@dataclass(frozen=True)
class Part:
    """Blocks that a class can hold: an operator with the settings given.

    Of the others, numbers are free (though the same in all blocks), flags and `none` stay at the default.
    """

    op: str
    given: Mapping[str, Value | Literal["any"]]

    @cached_property
    def free(self) -> tuple[str, ...]:
        """The settings that may be any number."""
        defaults = {name: s.default for name, s in operator_class(self.op).settings.items()} | dict(
            self.given
        )
        return tuple(n for n, v in defaults.items() if v == ANY or (n not in self.given and _is_number(v)))

    def matches(self, block: Block) -> bool:
        """Whether the block is one of those."""
        if block.op != self.op or block.minus is not None or block.shares:
            return False
        wanted = {name: s.default for name, s in block.operator.settings.items()} | dict(self.given)
        return all(
            _is_number(value) if name in self.free else value == wanted[name]
            for name, value in block.settings
        )


@dataclass(frozen=True)
class PublishedClass:
    """A class that runtimes implement, and the layouts that are of it."""

    name: str
    runtimes: tuple[Runtime, ...]
    mixers: tuple[Part, ...]
    feed_forwards: tuple[Part, ...] = ()
    layered: bool = True
    """Whether each layer is a mixer and a feed-forward, or each block stands for itself in any order."""
    needs: tuple[str, ...] = ("attention",)
    """Operators without which generation fails, since the class makes its cache of theirs."""
    llama_cpp_needs: tuple[str, ...] = ()
    """Those that llama.cpp needs besides."""

    def misfits(self, blocks: Sequence[Block]) -> set[int]:
        """The blocks that the class cannot hold where they stand."""
        wrong = {i for i, block in enumerate(blocks) if not any(p.matches(block) for p in self._at(i))}
        if self.layered and len(blocks) % 2:
            wrong.add(len(blocks) - 1)
        values: dict[tuple[str, str], dict[int, Value]] = {}
        for i, block in enumerate(blocks):
            for part in self._at(i):
                if i not in wrong and part.matches(block):
                    for name in part.free:
                        values.setdefault((part.op, name), {})[i] = dict(block.settings)[name]
        for found in values.values():
            common = Counter(found.values()).most_common(1)[0][0]
            wrong |= {i for i, value in found.items() if value != common}
        return wrong

    def holds(self, block: Block) -> bool:
        """Whether the class can hold the block somewhere."""
        return any(part.matches(block) for part in self.mixers + self.feed_forwards)

    def needed(self, runtimes: Sequence[Runtime]) -> tuple[str, ...]:
        """The operators that the runtimes need."""
        return self.needs + (self.llama_cpp_needs if "llama.cpp" in runtimes else ())

    def missing(self, blocks: Sequence[Block], runtimes: Sequence[Runtime]) -> list[str]:
        """Those of them that no block is."""
        found = {block.op for block in blocks}
        return [op for op in self.needed(runtimes) if op not in found]

    def places(self, op: str, length: int) -> set[int]:
        """Where an operator may stand."""
        return {i for i in range(length) if any(part.op == op for part in self._at(i))}

    def _at(self, index: int) -> tuple[Part, ...]:
        if not self.layered:
            return self.mixers + self.feed_forwards
        return self.feed_forwards if index % 2 else self.mixers


@dataclass(frozen=True)
class DeploysTo:
    """A rule: some class that all these runtimes load holds the layout, brought to the target's blocks."""

    runtimes: tuple[Runtime, ...]
    target: Scale
    classes: tuple["PublishedClass", ...] = ()
    """Those to choose from; by default all."""

    @property
    def text(self) -> str:
        """What it asks, for people."""
        return f"loads in {' and '.join(self.runtimes)}: one of {', '.join(c.name for c in self.candidates)}"

    @property
    def candidates(self) -> list[PublishedClass]:
        """The classes that all the runtimes load."""
        return [c for c in self.classes or PUBLISHED_CLASSES if set(self.runtimes) <= set(c.runtimes)]

    def check(self, fewest: int) -> None:
        """Raise `InvalidInput` on an unknown runtime."""
        del fewest
        if unknown := set(self.runtimes) - set(RUNTIMES):
            raise InvalidInput(f"deploys_to = {', '.join(sorted(unknown))}; legal: {', '.join(RUNTIMES)}")

    def broken_by(self, layout: Layout) -> str | None:
        """Why the nearest class does not hold it, or None."""
        nearest, _ = self.nearest(layout)
        blocks = [layout.blocks[i] for i in self._indices(layout)]
        why = [f"block {i} ({blocks[i]}) does not fit" for i in sorted(nearest.misfits(blocks))[:1]]
        why += [f"{op} is missing" for op in nearest.missing(blocks, self.runtimes)]
        if not why:
            return None
        counted = f" of the {len(blocks)} blocks it is deployed with" if len(blocks) != len(layout) else ""
        return f"{' and '.join(self.runtimes)}: nearest is {nearest.name}, where {'; '.join(why)}{counted}"

    def wrong(self, layout: Layout) -> list[int]:
        """The blocks that the nearest class cannot hold; if none, those that could be what it lacks.

        Where a layer is half, all that would make it whole: skips instead of blocks, blocks instead of skips.
        """
        (nearest, distance), indices = self.nearest(layout), self._indices(layout)
        blocks = [layout.blocks[i] for i in indices]
        if distance.half:
            return list(range(len(layout)))
        wrong = nearest.misfits(blocks)
        if not wrong:
            counts = Counter(block.op for block in blocks)
            last = {op for op in nearest.needed(self.runtimes) if counts[op] == 1}
            for op in nearest.missing(blocks, self.runtimes):
                wrong |= {i for i in nearest.places(op, len(blocks)) if blocks[i].op not in last}
        return sorted({indices[i] for i in wrong})

    def fits(self, layout: Layout, index: int, block: Block) -> bool:
        """Whether the block in its place brings the layout nearer to a class."""
        blocks = (*layout.blocks[:index], block, *layout.blocks[index + 1 :])
        nearest, distance = self.nearest(layout)
        then = self._distance(nearest, replace(layout, blocks=blocks))
        if distance.half:
            return not then.half
        return then[:2] < distance[:2] if distance.misfits else then < distance

    def nearest(self, layout: Layout) -> tuple[PublishedClass, "Distance"]:
        """The class that lacks least to hold the layout, and what that is."""
        distances = [(c, self._distance(c, layout)) for c in self.candidates]
        return min(distances, key=lambda found: found[1])

    def _indices(self, layout: Layout) -> list[int]:
        """The layout block that stands at each deployed block."""
        return [i for i in self.target.indices(len(layout)) if layout.blocks[i].operator.kind != "skip"]

    def _distance(self, model_class: PublishedClass, layout: Layout) -> "Distance":
        indices = self._indices(layout)
        blocks = [layout.blocks[i] for i in indices]
        return Distance(
            half=model_class.layered and len(set(indices)) % 2 == 1,
            misfits=len(model_class.misfits(blocks)),
            missing=len(model_class.missing(blocks, self.runtimes)),
        )


class Distance(NamedTuple):
    """How far a class is from holding a layout; what comes first is put right first."""

    half: bool
    """Whether a layer has only one of its two blocks: what stands after it is out of step."""
    misfits: int
    """Blocks that cannot stand where they do; putting one right may take an operator's only block away."""
    missing: int
    """Operators without a block."""


def loaded_as(layout: Layout, target: Scale) -> dict[Runtime, str]:
    """The class as which each runtime loads the layout at a target; without the runtimes that do not."""
    nearest = {runtime: DeploysTo((runtime,), target).nearest(layout) for runtime in RUNTIMES}
    return {runtime: found.name for runtime, (found, distance) in nearest.items() if not any(distance)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | Fraction) and not isinstance(value, bool)


def _part(op: str, **given: Value | Literal["any"]) -> Part:
    return Part(op, given)


_ALL = Fraction(1)
_EVERYWHERE: tuple[Runtime, ...] = RUNTIMES
_SWIGLU = _part("swiglu")
_NO_POSITIONS = _part("attention", rope=False)
_GATED = _part("attention", qk_norm=True, rotary=Fraction(1, 4), gated=True)

PUBLISHED_CLASSES = (
    PublishedClass("LlamaForCausalLM", _EVERYWHERE, (_part("attention", rotary=_ALL),), (_SWIGLU,)),
    PublishedClass(
        "Qwen3ForCausalLM", _EVERYWHERE, (_part("attention", rotary=_ALL, qk_norm=True),), (_SWIGLU,)
    ),
    PublishedClass(
        "GraniteSWAForCausalLM",
        _EVERYWHERE,
        (_part("attention", rotary=_ALL), _part("attention", rotary=_ALL, window=ANY)),
        (_SWIGLU,),
    ),
    PublishedClass(
        "Lfm2ForCausalLM",
        _EVERYWHERE,
        (_part("short_conv"), _part("attention", rotary=_ALL, qk_norm=True)),
        (_SWIGLU,),
        llama_cpp_needs=("short_conv",),
    ),
    PublishedClass(
        "GraniteMoeHybridForCausalLM",
        _EVERYWHERE,
        (_part("mamba2", expand=Fraction(2)), _NO_POSITIONS),
        (_SWIGLU,),
        llama_cpp_needs=("mamba2",),
    ),
    PublishedClass(
        "NemotronHForCausalLM",
        _EVERYWHERE,
        (_part("mamba2"), _NO_POSITIONS),
        (_part("mlp", relu2=True),),
        layered=False,
        llama_cpp_needs=("mamba2", "mlp"),
    ),
    PublishedClass(
        "Qwen3_5ForCausalLM",
        _EVERYWHERE,
        (_part("gated_deltanet"), _GATED),
        (_SWIGLU,),
        llama_cpp_needs=("gated_deltanet",),
    ),
    PublishedClass(
        "Qwen3NextForCausalLM",
        _EVERYWHERE,
        (_part("gated_deltanet"), _GATED),
        (_part("moe", shared=ANY),),
        llama_cpp_needs=("gated_deltanet",),
    ),
    PublishedClass("Mamba2ForCausalLM", _EVERYWHERE, (_part("mamba2"),), layered=False, needs=("mamba2",)),
    PublishedClass(
        "RecurrentGemmaForCausalLM",
        ("transformers",),
        (_part("rg_lru"), _part("attention", rotary=Fraction(1, 2), window=ANY)),
        (_part("geglu"),),
    ),
)
