"""The table of published classes: what each holds, who loads it, and what archsearch writes.

A runtime loads what has the shape of a class that it implements: an architecture of one's own is compatible
with nothing. The classes and what they ask are those of transformers 5 (`models/*/configuration_*.py`) and of
llama.cpp (`src/models/*.cpp`, github.com/ggml-org/llama.cpp). No class shares weights or caches between
blocks. As archsearch writes them, all blocks of an operator have one size; some classes of llama.cpp take
sizes by layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

from genomes.class_shapes import ClassShape, Free, Part, Wanted

Loader = Literal["transformers", "vllm", "sglang", "llama.cpp"]
"""A runtime that loads published classes."""
LOADERS: tuple[Loader, ...] = get_args(Loader)
FOLLOWED: Mapping[Loader, Loader] = {"vllm": "transformers", "sglang": "transformers"}
"""Runtimes that follow the class list of another: they read the folder that it reads."""


@dataclass(frozen=True)
class Loadable:
    """A runtime loads the class."""

    written: bool = True
    """Whether archsearch writes the files that the runtime reads."""
    needs: tuple[str, ...] = ()
    """Operators of which the runtime needs a block besides."""
    asks: Mapping[str, Wanted] = field(default_factory=dict)
    """Facts that the runtime asks of blocks besides, by operator."""
    since: int = 0
    """First build of the runtime that loads it."""


@dataclass(frozen=True)
class NotLoadable:
    """A runtime does not load the class."""

    reason: str


@dataclass(frozen=True)
class PublishedClass:
    """A class that runtimes implement, and the layouts that are of it."""

    name: str
    """Name of the class in transformers, as `architectures` of a `config.json` says it."""
    gguf: str | None
    """Name of the class in GGUF files (`general.architecture`); None where llama.cpp has none."""
    shape: ClassShape
    runtimes: Mapping[Loader, Loadable | NotLoadable]
    """How runtimes take the class; who follows another is named where it differs."""
    scaled: bool = False
    """Whether embedding, residuals and logits may be scaled."""

    def by(self, runtime: Loader) -> Loadable | NotLoadable:
        """How a runtime takes the class."""
        return self.runtimes[runtime] if runtime in self.runtimes else self.runtimes[FOLLOWED[runtime]]

    def loads_in(self, runtimes: Sequence[Loader]) -> bool:
        """Whether all these runtimes load the class."""
        return all(isinstance(self.by(runtime), Loadable) for runtime in runtimes)

    def written_for(self, runtime: Loader) -> bool:
        """Whether archsearch writes the class for a runtime that loads it."""
        match self.by(runtime):
            case Loadable(written=written):
                return written
            case NotLoadable():
                return False

    def shape_in(self, runtimes: Sequence[Loader]) -> ClassShape:
        """What the class holds where all these runtimes must load it."""
        shape = self.shape
        for runtime in runtimes:
            match self.by(runtime):
                case Loadable(needs=needs, asks=asks):
                    shape = shape.restricted(needs, asks)
                case NotLoadable():
                    pass
        return shape


_WRITTEN, _UNWRITTEN = Loadable(), Loadable(written=False)
_QUARTER, _HALF = Fraction(1, 4), Fraction(1, 2)


def _part(op: str, text: str = "", **wanted: object) -> Part:
    return Part(op, text or op, wanted)


_ROTATED = _part("attention", "attention with full rotary positions", rotary=1)
_QK_NORM = _part("attention", "attention with full rotary positions and QK norm", rotary=1, qk_norm=True)
_NO_POSITIONS = _part("attention", "attention without positions", rotary=0)
_GATED = _part(
    "attention",
    "gated attention with QK norm and rotary positions on a quarter of each head",
    rotary=_QUARTER,
    qk_norm=True,
    gated=True,
)
_SWIGLU, _MAMBA2, _DELTANET = _part("swiglu"), _part("mamba2"), _part("gated_deltanet")

PUBLISHED_CLASSES = (
    PublishedClass(
        "LlamaForCausalLM",
        gguf="llama",
        shape=ClassShape((_ROTATED,), (_SWIGLU,)),
        runtimes={"transformers": _WRITTEN, "llama.cpp": _WRITTEN},
    ),
    PublishedClass(
        "Qwen3ForCausalLM",
        gguf="qwen3",
        shape=ClassShape((_QK_NORM,), (_SWIGLU,)),
        runtimes={"transformers": _WRITTEN, "llama.cpp": _WRITTEN},
    ),
    # Its attention sinks can be written as nothing.
    PublishedClass(
        "GraniteSWAForCausalLM",
        gguf="granite_swa",
        shape=ClassShape(
            (
                _part("attention", _ROTATED.label, rotary=1, score_scale=Free.VALUE),
                _part(
                    "attention",
                    "sliding-window attention with full rotary positions",
                    rotary=1,
                    score_scale=Free.VALUE,
                    window=Free.NUMBER,
                ),
            ),
            (_SWIGLU,),
        ),
        runtimes={"transformers": _UNWRITTEN, "llama.cpp": Loadable(written=False, since=10514)},
        scaled=True,
    ),
    PublishedClass(
        "Lfm2ForCausalLM",
        gguf="lfm2",
        shape=ClassShape((_part("short_conv"), _QK_NORM), (_SWIGLU,)),
        runtimes={
            "transformers": _WRITTEN,
            "llama.cpp": Loadable(needs=("short_conv",), asks={"attention": {"widths": 1}}),
        },
    ),
    PublishedClass(
        "GraniteMoeHybridForCausalLM",
        gguf="granitehybrid",
        shape=ClassShape(
            (
                _part("mamba2", widths=2),
                _part("attention", _NO_POSITIONS.label, rotary=0, score_scale=Free.VALUE),
            ),
            (_SWIGLU,),
        ),
        runtimes={
            "transformers": Loadable(asks={"attention": {"widths": 1}}),
            "llama.cpp": Loadable(needs=("mamba2",)),
        },
        scaled=True,
    ),
    PublishedClass(
        "NemotronHForCausalLM",
        gguf="nemotron_h",
        shape=ClassShape(
            (_MAMBA2, _NO_POSITIONS), (_part("mlp", "mlp(relu2)", activation="relu2"),), layered=False
        ),
        runtimes={"transformers": _WRITTEN, "llama.cpp": Loadable(needs=("mamba2", "mlp"))},
    ),
    PublishedClass(
        "Qwen3_5ForCausalLM",
        gguf="qwen35",
        shape=ClassShape((_DELTANET, _GATED), (_SWIGLU,)),
        runtimes={
            "transformers": _WRITTEN,
            "llama.cpp": Loadable(written=False, needs=("gated_deltanet",)),
        },
    ),
    # A shared expert without a gate can be written as one of twice the weights whose gate is always half.
    PublishedClass(
        "Qwen3NextForCausalLM",
        gguf="qwen3next",
        shape=ClassShape(
            (_DELTANET, _GATED),
            (
                _part(
                    "moe",
                    "moe with a shared expert",
                    shared_hidden=Free.NUMBER,
                    shared_gated=Free.VALUE,
                    normalise=Free.VALUE,
                ),
            ),
        ),
        runtimes={
            "transformers": _WRITTEN,
            "llama.cpp": Loadable(written=False, needs=("gated_deltanet",)),
        },
    ),
    # llama.cpp aborts on other widths than twice that of the model.
    PublishedClass(
        "Mamba2ForCausalLM",
        gguf="mamba2",
        shape=ClassShape(
            (_part("mamba2", widths=Free.WHOLE),),
            layered=False,
            needs=("mamba2",),
        ),
        runtimes={"transformers": _WRITTEN, "llama.cpp": Loadable(asks={"mamba2": {"widths": 2}})},
    ),
    # Biases can be written as zeros.
    PublishedClass(
        "RecurrentGemmaForCausalLM",
        gguf=None,
        shape=ClassShape(
            (
                _part("rg_lru", bias=Free.VALUE),
                _part(
                    "attention",
                    "sliding-window attention with rotary positions on half of each head",
                    rotary=_HALF,
                    window=Free.NUMBER,
                    out_bias=Free.VALUE,
                    widths=1,
                ),
            ),
            (_part("geglu", bias=Free.VALUE),),
        ),
        runtimes={
            "transformers": _WRITTEN,
            "vllm": NotLoadable("vLLM has no such class"),
            "sglang": NotLoadable("SGLang has no such class"),
            "llama.cpp": NotLoadable("llama.cpp has no such class"),
        },
    ),
)
"""In the order in which they are tried."""
