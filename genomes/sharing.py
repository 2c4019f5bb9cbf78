"""What blocks may share, one set of rules for layouts and architectures."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence

from genomes.errors import InvalidInput
from genomes.operators.base import Share, What

_PARTS: Mapping[What, frozenset[What]] = {
    "weights": frozenset({"weights"}),
    "cache": frozenset({"cache", "keys", "values"}),
    "keys": frozenset({"cache", "keys"}),
    "values": frozenset({"cache", "values"}),
}
"""What a donor must not share itself, by what it gives: a cache is made of keys and values."""


def check_shares(
    alike: Sequence[Hashable],
    shares: Sequence[tuple[Share, ...]],
    shareable: Sequence[Collection[str]],
    names: Sequence[str],
) -> None:
    """Raise `InvalidInput` on the first block whose shares are not legal.

    A donor is an earlier block, like it (`alike` is equal) and owns what it gives. All arguments have one
    entry a block; `shareable` says what its operator can share, weights included. A block that takes the
    weights of one that shares keys, values or cache shares these too, from any donor: it would find no
    weights for them.
    """
    for index, (own, name) in enumerate(zip(shares, names, strict=True)):
        where = f"blocks[{index}] ({name})"
        taken = [share.what for share in own]
        if len(set(taken)) < len(taken):
            raise InvalidInput(f"{where}: shares {next(w for w in taken if taken.count(w) > 1)} twice")
        if "cache" in taken and {"keys", "values"} & set(taken):
            raise InvalidInput(f"{where}: shares cache together with keys or values; the cache is both")
        for what, donor in ((share.what, share.donor) for share in own):
            if what not in shareable[index]:
                legal = ", ".join(shareable[index]) or "nothing"
                raise InvalidInput(f"{where}: has no {what} to share; it can share: {legal}")
            if donor >= index:
                earlier = f"legal: 0 to {index - 1}" if index else "no block stands before it"
                raise InvalidInput(f"{where}: {what} of block {donor}, not an earlier block; {earlier}")
            if alike[donor] != alike[index]:
                raise InvalidInput(
                    f"{where}: {what} of block {donor} ({names[donor]}), an unlike block; only equal blocks "
                    "share"
                )
            for theirs in shares[donor]:
                if theirs.what in _PARTS[what]:
                    raise InvalidInput(
                        f"{where}: {what} of block {donor}, which itself shares {theirs.what} with block "
                        f"{theirs.donor}; share with block {theirs.donor} instead"
                    )
                if what == "weights" and _needs(theirs.what, taken):
                    raise InvalidInput(
                        f"{where}: weights of block {donor}, which has no weights for {theirs.what} itself; "
                        f"share {theirs.what} too"
                    )


def place_shares(shares: Sequence[tuple[Share, ...]], indices: Sequence[int]) -> list[tuple[Share, ...]]:
    """The shares of blocks that are copies of others; `indices` says of which.

    Copy c shares with copy c of its donor, or with the last one where that has fewer. Of a donor without
    copies, the first that shared with it becomes the owner, and the rest share with this one. No block takes
    weights that its donor lacks: it owns its own instead. Shares are read in the order of `What`.
    """
    copies: dict[int, list[int]] = defaultdict(list)
    heirs: dict[tuple[What, int], list[int]] = defaultdict(list)
    placed: list[tuple[Share, ...]] = []
    for position, index in enumerate(indices):
        copies[index].append(position)
        kept: list[Share] = []
        for what, donor in ((share.what, share.donor) for share in reversed(shares[index])):
            taken = {share.what for share in kept}
            for owner in copies[donor][: len(copies[index])][-1:] or heirs[what, donor]:
                if what != "weights" or not any(_needs(share.what, taken) for share in placed[owner]):
                    kept.insert(0, Share(what=what, donor=owner))
                    break
            else:
                heirs[what, donor].append(position)
        placed.append(tuple(kept))
    return placed


def _needs(what: What, taken: Collection[What]) -> bool:
    """Whether a block that takes these has to make `what` itself."""
    return what not in taken and not (what in ("keys", "values") and "cache" in taken)
