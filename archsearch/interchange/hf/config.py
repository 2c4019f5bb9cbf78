"""A published `config.json`, read key by key."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from genomes import InvalidInput

Meaning = TypeVar("Meaning")


class Rope(NamedTuple):
    """Base of the rotary frequencies, and the share of a head's channels that turn."""

    theta: float
    share: float

    def rotary_dim(self, head_dim: int) -> int | None:
        """Channels that turn; None for all."""
        turned = int(head_dim * self.share)
        return None if turned == head_dim else turned


class Config:
    """Typed access to the keys that say what is computed; all others are left alone.

    Every method raises `InvalidInput` naming the key, its value and what is legal.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def find(self, *names: str, default: Any = None) -> Any:
        """The first of these keys that is there and not null; names of older versions come last."""
        return next((self.values[name] for name in names if self.values.get(name) is not None), default)

    def size(self, *names: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self.find(*names, default=default)
        if type(value) is not int or value < 1:
            raise InvalidInput(f"config: {names[0]} = {value!r}; expected a whole number of at least 1")
        return value

    def number(self, name: str, default: float) -> float:
        """A number above 0."""
        value = self.find(name, default=default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise InvalidInput(f"config: {name} = {value!r}; expected a number above 0")
        return float(value)

    def flag(self, *names: str, default: bool) -> bool:
        """True or false."""
        value = self.find(*names, default=default)
        if not isinstance(value, bool):
            raise InvalidInput(f"config: {names[0]} = {value!r}; expected true or false")
        return value

    def only(self, name: str, legal: Any) -> None:
        """Accept nothing but `legal`, which is also the default: no architecture says anything else."""
        value = self.find(name, default=legal)
        if value != legal:
            raise InvalidInput(f"config: {name} = {value!r} has no counterpart; legal: {legal!r}")

    def rope(self, theta: float = 10000.0, share: float = 1.0) -> Rope:
        """Rotary positions, in the new form (`rope_parameters`) or the old, with these defaults."""
        new = self.find("rope_parameters", "rope_scaling", default={})
        kind = new.get("rope_type", new.get("type", "default"))
        if kind != "default":
            raise InvalidInput(f"config: rope_type = {kind!r} has no counterpart; legal: 'default'")
        old = {"rope_theta": theta, "partial_rotary_factor": share}
        rope = Config(old | {name: self.values[name] for name in old if name in self.values} | dict(new))
        return Rope(rope.number("rope_theta", theta), rope.number("partial_rotary_factor", share))

    def layer_types(self, meanings: Mapping[str, Meaning], default: list[str] | None = None) -> list[Meaning]:
        """What each layer is, `meanings` telling the words of `layer_types`."""
        words = self.find("layer_types", "layers_block_type", default=default)
        if not isinstance(words, list):
            raise InvalidInput(f"config: layer_types = {words!r}; expected a list")
        for index, word in enumerate(words):
            if word not in meanings:
                legal = ", ".join(meanings)
                raise InvalidInput(
                    f"config: layer_types[{index}] = {word!r} has no counterpart; legal: {legal}"
                )
        return [meanings[word] for word in words]
