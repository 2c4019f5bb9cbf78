"""One table between our weights and the tensors of a published class, read in both directions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, assert_never

import numpy as np

from genomes import Architecture, InvalidInput, Operator

Tensors = dict[str, np.ndarray]
Shape = tuple[int, ...]

Form = Literal["plain", "matrix", "conv", "zero_centred", "per_head"]
"""How a published tensor lies: as ours; `[out, in]` (ours `[in, out]`); `[C, 1, K]` (ours `[K, C]`); one less
than ours; `[H, C / H]` (ours `[C]`)."""


class TensorRow(NamedTuple):
    """One published tensor, and the weights of an operator that it holds.

    Several weights are joined on the last axis (after the form is undone), where `per` names a field of the
    operator, head by head: `TensorRow("q gate", ..., per="heads")` is `q_0 gate_0 q_1 gate_1 ...`. `{}` in
    the name stands for a number: the weight is cut along its first axis, into one tensor for each index.
    """

    ours: str
    theirs: str
    form: Form = "plain"
    per: str = ""


class Slot(NamedTuple):
    """One block of a published layer: the name of its norm, and the rows of each operator it may be."""

    norm: str
    operators: Mapping[str, tuple[TensorRow, ...]]


class Entry(NamedTuple):
    """A row in its place in a model: parameter paths, their shapes, and the tensor's name.

    Several names are those of one tensor cut along its first axis.
    """

    paths: tuple[str, ...]
    shapes: tuple[Shape, ...]
    names: tuple[str, ...]
    form: Form = "plain"
    heads: int = 1

    @property
    def shape(self) -> Shape:
        """Shape of each published tensor."""
        return self.write([np.zeros(shape, np.float32) for shape in self.shapes])[0].shape

    def read(self, tensors: list[np.ndarray]) -> list[np.ndarray]:
        """Our weights from the published tensors."""
        joined = _laid_as_ours(np.stack(tensors) if len(tensors) > 1 else tensors[0], self.form)
        by_head = joined.reshape(*joined.shape[:-1], self.heads, -1)
        ends = np.cumsum([shape[-1] // self.heads for shape in self.shapes])
        parts = np.split(by_head, ends[:-1], axis=-1)
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def write(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """The published tensors from our weights; undoes `read`."""
        by_head = [weight.reshape(*weight.shape[:-1], self.heads, -1) for weight in weights]
        joined = np.concatenate(by_head, axis=-1) if len(by_head) > 1 else by_head[0]
        if self.form != "per_head":
            joined = joined.reshape(*joined.shape[:-2], -1)
        tensor = _laid_as_theirs(joined, self.form)
        return list(tensor) if len(self.names) > 1 else [tensor]


@dataclass(frozen=True)
class ModelClass:
    """A class of published models: what its `config.json` means, and how it names its tensors."""

    name: str
    architecture: Callable[[Mapping[str, Any]], Architecture]
    """The architecture of a `config.json`; raises `InvalidInput` naming the key that no architecture says."""
    layer: tuple[Slot, ...]
    """The blocks of one layer, in order."""
    stem: str = "model"
    embedding: str = "embed_tokens"
    final_norm: str = "norm"
    norm_form: Form = "plain"

    def table(self, architecture: Architecture) -> tuple[Entry, ...]:
        """Every parameter and every tensor, once.

        Raises `InvalidInput` naming the block that the class has no place or no tensor for.
        """
        a, stem = architecture, self.stem
        entries = [
            Entry(("embedding",), ((a.vocab_size, a.width),), (f"{stem}.{self.embedding}.weight",)),
            Entry(("final_norm",), ((a.width,),), (f"{stem}.{self.final_norm}.weight",), self.norm_form),
        ]
        if not a.tied_embeddings:
            entries.append(Entry(("head",), ((a.vocab_size, a.width),), (HEAD,)))
        if len(a.blocks) % len(self.layer):
            raise InvalidInput(
                f"{len(a.blocks)} blocks; layers of {self.name} have {len(self.layer)} blocks each"
            )
        for index, block in enumerate(a.blocks):
            layer, place = divmod(index, len(self.layer))
            entries += self._block_entries(index, block, a.width, self.layer[place], f"{stem}.layers.{layer}")
        return tuple(entries)

    def _block_entries(
        self, index: int, block: Operator, width: int, slot: Slot, layer: str
    ) -> Iterator[Entry]:
        where = f"blocks[{index}] ({block.name})"
        if block.name not in slot.operators:
            raise InvalidInput(f"{where}: {self.name} has {' or '.join(slot.operators)} here")
        if block.shares:
            raise InvalidInput(f"{where}: {self.name} shares nothing between blocks")
        rows, weights = slot.operators[block.name], block.weights(width)
        named = [name for row in rows for name in row.ours.split()]
        if unlike := sorted(set(named) ^ set(weights)):
            raise InvalidInput(
                f"{where}: {self.name} has {', '.join(sorted(named))} here; differs in {', '.join(unlike)}"
            )
        yield Entry((f"norm_{index}",), ((width,),), (f"{layer}.{slot.norm}.weight",), self.norm_form)
        for row in rows:
            names = row.ours.split()
            count = weights[names[0]][0] if "{}" in row.theirs else 1
            yield Entry(
                tuple(f"ops_{index}/{name}" for name in names),
                tuple(weights[name] for name in names),
                tuple(f"{layer}.{row.theirs.format(number)}" for number in range(count)),
                row.form,
                getattr(block, row.per) if row.per else 1,
            )

    def read_weights(self, architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Our parameters, as `proxies.model.Model` takes them, from published tensors.

        Give float32: zero-centred norms become `1 + w` in the tensors' own precision. Raises `InvalidInput`
        naming a tensor that is missing, unknown or of another shape.
        """
        table, theirs = self.table(architecture), dict(tensors)
        if architecture.tied_embeddings:
            theirs.pop(HEAD, None)  # some files hold the tied matrix twice
        _check("tensor", theirs, {name: entry.shape for entry in table for name in entry.names})
        params: dict[str, Any] = {}
        for entry in table:
            weights = entry.read([theirs[name] for name in entry.names])
            for path, weight in zip(entry.paths, weights, strict=True):
                *groups, name = path.split("/")
                place = params
                for group in groups:
                    place = place.setdefault(group, {})
                place[name] = np.ascontiguousarray(weight)
        return params

    def write_weights(self, architecture: Architecture, params: Mapping[str, Any]) -> Tensors:
        """Published tensors from our parameters; undoes `read_weights`, to the last bit but for zero-centred
        norms, which round where `1 + w` does.

        Raises `InvalidInput` naming a parameter that is missing, unknown or of another shape.
        """
        table, ours = self.table(architecture), dict(_flat(params))
        shapes = {
            path: shape for entry in table for path, shape in zip(entry.paths, entry.shapes, strict=True)
        }
        _check("parameter", ours, shapes)
        tensors: Tensors = {}
        for entry in table:
            written = entry.write([ours[path] for path in entry.paths])
            tensors |= zip(entry.names, map(np.ascontiguousarray, written), strict=True)
        return tensors


HEAD = "lm_head.weight"


def _laid_as_ours(tensor: np.ndarray, form: Form) -> np.ndarray:
    match form:
        case "plain":
            return tensor
        case "matrix":
            return tensor.swapaxes(-1, -2)
        case "conv":
            return tensor[:, 0].T
        case "zero_centred":
            return tensor + 1
        case "per_head":
            return tensor.reshape(-1)
    assert_never(form)


def _laid_as_theirs(weight: np.ndarray, form: Form) -> np.ndarray:
    match form:
        case "plain" | "per_head":
            return weight
        case "matrix":
            return weight.swapaxes(-1, -2)
        case "conv":
            return weight.T[:, None]
        case "zero_centred":
            return weight - 1
    assert_never(form)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield prefix + name, np.asarray(value)


def _check(what: str, arrays: Mapping[str, np.ndarray], expected: Mapping[str, Shape]) -> None:
    """Raise `InvalidInput` where names or shapes differ."""
    if missing := [name for name in expected if name not in arrays]:
        raise InvalidInput(f"{what} {missing[0]} is missing ({len(missing)} in all)")
    if extra := [name for name in arrays if name not in expected]:
        raise InvalidInput(f"{what} {extra[0]} has no counterpart ({len(extra)} in all)")
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise InvalidInput(f"{what} {name} has shape {list(arrays[name].shape)}; expected {list(shape)}")
