"""Architectures: what is trained, priced and exported, with every size explicit."""

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from genomes.errors import InvalidInput
from genomes.operators import Operator, operator_class

FORMAT = "archsearch/architecture"
VERSION = 1


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
    blocks: tuple[SerializeAsAny[Operator], ...]

    @model_validator(mode="after")
    def _blocks_fit(self) -> "Architecture":
        if all(block.kind == "skip" for block in self.blocks):
            raise InvalidInput("blocks: an architecture needs at least one block that is no skip")
        for index, block in enumerate(self.blocks):
            try:
                block.check(self.width)
            except InvalidInput as error:
                raise InvalidInput(f"blocks[{index}] ({block.name}): {error}") from None
        return self

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the architecture file, every field written."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "width": self.width,
            "vocab_size": self.vocab_size,
            "tied_embeddings": self.tied_embeddings,
            "norm_eps": self.norm_eps,
            "blocks": [{"op": block.name, **block.model_dump()} for block in self.blocks],
        }

    def to_json(self) -> str:
        """The text of the architecture file: one block a line."""
        head = self.to_dict()
        blocks = ",\n".join("    " + json.dumps(block) for block in head.pop("blocks"))
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        return "{\n" + ",\n".join(lines) + ',\n  "blocks": [\n' + blocks + "\n  ]\n}\n"

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that identify what is computed: name, vocabulary and skips are left out.

        So are fields at their default: a field that a later version adds changes no fingerprint.
        """
        body = self.model_dump(exclude={"name", "vocab_size", "blocks"}, exclude_defaults=True)
        body["blocks"] = [
            {"op": block.name, **block.model_dump(exclude_defaults=True)}
            for block in self.blocks
            if block.kind != "skip"
        ]
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def with_vocabulary(self, vocab_size: int) -> "Architecture":
        """The same blocks over another vocabulary. Raises `InvalidInput` on an illegal size."""
        fields = {name: getattr(self, name) for name in Architecture.model_fields}
        try:
            return Architecture(**fields | {"vocab_size": vocab_size})
        except ValidationError as error:
            raise InvalidInput(describe(error)) from None


def read_architecture(data: object, source: str = "architecture") -> Architecture:
    """An architecture from the JSON object of its file.

    Raises `InvalidInput` naming `source`, the field, the value found and what is legal.
    """
    if not isinstance(data, dict):
        raise InvalidInput(f"{source}: expected a JSON object, found {type(data).__name__}")
    fields = dict(data)
    if (found := fields.pop("format", None)) != FORMAT:
        raise InvalidInput(f"{source}: format = {found!r}; expected {FORMAT!r}")
    version = fields.pop("version", None)
    if type(version) is not int or version != VERSION:
        raise InvalidInput(f"{source}: version = {version!r}; this archsearch reads version {VERSION}")
    blocks, width = fields.get("blocks"), fields.get("width")
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise InvalidInput(f"{source}: width = {width!r}; expected a whole number of at least 1")
    if not isinstance(blocks, list):
        raise InvalidInput(f"{source}: blocks = {blocks!r}; expected a list of operators")
    fields["blocks"] = tuple(
        _read_block(block, width, f"{source}: blocks[{i}]") for i, block in enumerate(blocks)
    )
    try:
        return Architecture.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(f"{source}: {describe(error, Architecture.model_fields)}") from None


def load_architecture(path: Path | str) -> Architecture:
    """Read an `*.arch.json` file. Raises `InvalidInput` naming the file."""
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unrepeated)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not a JSON file: {error}") from None
    return read_architecture(data, str(path))


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} is given twice in one object")
    return fields


def _read_block(block: object, width: int, where: str) -> Operator:
    if not isinstance(block, dict) or not isinstance(block.get("op"), str):
        raise InvalidInput(f'{where} = {block!r}; expected an object with "op" and the operator\'s fields')
    fields = dict(block)
    name = fields.pop("op")
    try:
        operator = operator_class(name)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from None
    try:
        return operator.model_validate(operator.complete(fields, width))
    except ValidationError as error:
        raise InvalidInput(f"{where} ({name}): {describe(error, operator.model_fields)}") from None
    except InvalidInput as error:
        raise InvalidInput(f"{where} ({name}): {error}") from None


def describe(error: ValidationError, known: Iterable[str] = ()) -> str:
    """A pydantic error as `field = value: what is legal`, one clause a field.

    `known` are the legal fields, listed where one is missing or unknown.
    """
    clauses = []
    legal = f" (fields: {', '.join(known) or 'none'})" if known != () else ""
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        match item["type"]:
            case "missing":
                clauses.append(f"{field} is missing{legal}")
            case "extra_forbidden":
                clauses.append(f"unknown field {field!r} = {item['input']!r}{legal}")
            case "value_error" if not field:
                clauses.append(message)
            case _:
                clauses.append(f"{field} = {item['input']!r}: {message}")
    return "; ".join(clauses)
