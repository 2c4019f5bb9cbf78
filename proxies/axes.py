"""The axis legend, and the array types spelled with it.

B batch, T tokens, D width, H heads, J key/value heads, K key size of a head, V value size of a head,
C channels, S slots of a cache, N state size, G groups.
"""

from collections.abc import Mapping

from jax import Array
from jaxtyping import Float, Int

Hidden = Float[Array, "B T D"]
Queries = Float[Array, "B T H K"]
Keys = Float[Array, "B T J K"]
Values = Float[Array, "B T J V"]
Channels = Float[Array, "B T C"]
Tokens = Int[Array, "B T"]
Position = Int[Array, ""] | int
"""Number of tokens already read: the position of the first new one."""

HeadStates = Float[Array, "B H K V"]
"""One matrix a head, which recurrences carry from token to token."""

State = Mapping[str, Array]
"""What an operator keeps between tokens, by name; shapes as `Operator.state`, after a batch axis."""

Features = dict[str, Array]
"""What an operator computes of each token and other blocks may share, by name; the first axes are `B T`."""

__all__ = [
    "Array",
    "Channels",
    "Features",
    "Float",
    "HeadStates",
    "Hidden",
    "Int",
    "Keys",
    "Position",
    "Queries",
    "State",
    "Tokens",
    "Values",
]
