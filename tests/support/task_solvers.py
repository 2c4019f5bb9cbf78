"""Plain solvers of the generated tasks: what a reader of a beginning can know of the next token."""

from collections.abc import Callable, Iterator


def recall_answers(read: list[int], vocab_size: int) -> Iterator[int | None]:
    known: dict[int, int] = {}
    for place, token in enumerate(read):
        if token < vocab_size // 2:
            yield known.get(token)
        else:
            known[read[place - 1]] = token
            yield None


def fuzzy_answers(read: list[int], vocab_size: int) -> Iterator[int | None]:
    """Reads one motif at a time; a key is over when it is one of those met before."""
    known: dict[tuple[int, ...], list[int]] = {}
    key: list[int] = []
    value: list[int] = []
    for token in read:
        if token < vocab_size // 2:
            if value:  # the entry before ended with the token before
                known.setdefault(tuple(key), value)
                key, value = [], []
            key.append(token)
        else:
            value.append(token)
        answer = known.get(tuple(key), [])
        assert value == answer[: len(value)] or tuple(key) not in known
        yield answer[len(value)] if len(value) < len(answer) else None


def copying_answers(read: list[int], vocab_size: int) -> Iterator[int | None]:
    content: list[int] = []
    left: list[int] | None = None
    for token in read:
        if token == vocab_size - 1:
            left = list(content)
        elif left is None and token != vocab_size - 2:
            content.append(token)
        yield left.pop(0) if left is not None else None


SOLVERS: dict[str, Callable[[list[int], int], Iterator[int | None]]] = {
    "in-context-recall": recall_answers,
    "fuzzy-recall": fuzzy_answers,
    "selective-copying": copying_answers,
}
