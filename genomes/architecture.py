"""Architectures: what is trained, priced and exported, with every size explicit."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from genomes.errors import InvalidInput, describe, named
from genomes.operators import Operator, Share, read_operator
from genomes.reading import read_json
from genomes.sharing import check_shares
from genomes.stored import CacheDtype, WeightDtype, own_types

FORMAT = "archsearch/architecture"
VERSION = 1

Result = TypeVar("Result")


class Architecture(BaseModel):
    """A stack of pre-norm residual blocks between an embedding and its (tied) logits.

    Each block computes `x + op(rms(x))` with an RMS norm of the width; one final norm stands before the
    logits. Read with `read_architecture`, write with `to_json`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    format_version: ClassVar[int] = VERSION

    name: str = ""
    width: int = Field(ge=1, le=1_048_576)
    vocab_size: int = Field(ge=2, le=4_194_304)
    tied_embeddings: bool = True
    norm_eps: float = Field(default=1e-5, gt=0, lt=1)
    embedding_scale: float = Field(default=1.0, gt=0, description="factor on the embedded tokens")
    residual_scale: float = Field(default=1.0, gt=0, description="factor on what a block adds")
    logit_scale: float = Field(default=1.0, gt=0, description="factor on the logits")
    logit_softcap: float | None = Field(default=None, gt=0, description="logits become c tanh(logits / c)")
    weights: WeightDtype | None = Field(
        default=None, description="what weights are stored in where it is deployed; null: as the arithmetic"
    )
    cache: CacheDtype | None = Field(
        default=None, description="what KV cache and recurrent states are stored in; null: as the arithmetic"
    )
    blocks: tuple[SerializeAsAny[Operator], ...]

    @model_validator(mode="after")
    def _blocks_fit(self) -> "Architecture":
        if all(block.kind == "skip" for block in self.blocks):
            raise InvalidInput("blocks: an architecture needs at least one block that is no skip")
        checked: set[int] = set()  # one object stands for all copies of a block
        for index, block in enumerate(self.blocks):
            if id(block) not in checked:
                with named(f"blocks[{index}] ({block.name})"):
                    block.check(self.width)
                checked.add(id(block))
        if any(block.shares for block in self.blocks):
            check_shares(
                alike=[block.alone for block in self.blocks],
                shares=[block.shares for block in self.blocks],
                shareable=[block.shareable for block in self.blocks],
                names=[block.name for block in self.blocks],
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the architecture file, every field written."""
        head = self.model_dump(exclude={"blocks"})
        blocks = [block.to_dict() for block in self.blocks]
        return {"format": FORMAT, "version": VERSION, **head, "blocks": blocks}

    def to_json(self) -> str:
        """The text of the architecture file: one block a line."""
        head = {"format": FORMAT, "version": VERSION, **self.model_dump(exclude={"blocks"})}
        blocks = ",\n".join(per_block(self.blocks, lambda block: "    " + json.dumps(block.to_dict())))
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        return "{\n" + ",\n".join(lines) + ',\n  "blocks": [\n' + blocks + "\n  ]\n}\n"

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that identify what is computed and stored: name, vocabulary and skips are left out.

        So are fields at their default: a field that a later version adds changes no fingerprint.
        """
        body = self.model_dump(exclude={"name", "vocab_size", "blocks"}, exclude_defaults=True)
        kept = [index for index, block in enumerate(self.blocks) if block.kind != "skip"]
        body["blocks"] = per_block(
            [self.blocks[index] for index in kept],
            lambda block: _renumbered(block, kept).to_dict(exclude_defaults=True),
        )
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def with_vocabulary(self, vocab_size: int) -> "Architecture":
        """The same blocks over another vocabulary. Raises `InvalidInput` on an illegal size."""
        return self._with(vocab_size=vocab_size)

    @property
    def stored(self) -> dict[str, str]:
        """`weights` and `cache`, where they are stored in a type of their own."""
        return own_types(self.weights, self.cache)

    @cached_property
    def canonical(self) -> "Architecture":
        """The same function by its simplest operators, so that what has several names is one architecture."""
        blocks = tuple(per_block(self.blocks, lambda block: block.canonical()))
        same = all(new is old for new, old in zip(blocks, self.blocks, strict=True))
        return self if same else self._with(blocks=blocks)

    @property
    def bare(self) -> "Architecture":
        """The same, all of it stored as the arithmetic: what is trained."""
        return self if not self.stored else self._with(weights=None, cache=None)

    def _with(self, **changes: Any) -> "Architecture":
        fields = {name: getattr(self, name) for name in Architecture.model_fields}
        try:
            return Architecture(**fields | changes)
        except ValidationError as error:
            raise InvalidInput(describe(error)) from None


def per_block(blocks: Sequence[Operator], function: Callable[[Operator], Result]) -> list[Result]:
    """What a function gives for each block, computed once for all places where one object stands.

    A layout at a scale puts one object wherever a block is repeated without sharing (`Layout.at`).
    """
    results: dict[int, Result] = {}
    for block in blocks:
        if id(block) not in results:
            results[id(block)] = function(block)
    return [results[id(block)] for block in blocks]


def read_architecture(data: object, source: str = "architecture") -> Architecture:
    """An architecture from the JSON object of its file.

    Raises `InvalidInput` naming `source`, the field, the value found and what is legal.
    """
    if not isinstance(data, dict):
        raise InvalidInput(f"{source}: expected a JSON object, found {type(data).__name__}")
    fields = dict(data)
    if (form := fields.pop("format", None)) != FORMAT:
        raise InvalidInput(f"{source}: format = {form!r}; expected {FORMAT!r}")
    version = fields.pop("version", None)
    if type(version) is not int or version != VERSION:
        raise InvalidInput(f"{source}: version = {version!r}; this archsearch reads version {VERSION}")
    blocks, width = fields.get("blocks"), fields.get("width")
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise InvalidInput(f"{source}: width = {width!r}; expected a whole number of at least 1")
    if not isinstance(blocks, list):
        raise InvalidInput(f"{source}: blocks = {blocks!r}; expected a list of operators")
    fields["blocks"] = tuple(
        read_operator(block, width, f"{source}: blocks[{i}]") for i, block in enumerate(blocks)
    )
    try:
        return Architecture.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(f"{source}: {describe(error, Architecture.model_fields)}") from None


def load_architecture(path: Path | str) -> Architecture:
    """Read an `*.arch.json` file. Raises `InvalidInput` naming the file."""
    return read_architecture(read_json(path), str(path))


def _renumbered(block: Operator, kept: list[int]) -> Operator:
    """The block with its donors counted among `kept`."""
    if not block.shares:
        return block
    shares = tuple(Share(what=share.what, donor=kept.index(share.donor)) for share in block.shares)
    return block.model_copy(update={"shares": shares})
