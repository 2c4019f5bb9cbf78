"""What a task is: a pure function from (split, seed, index) to a batch of tokens, and its trivial answers.

Axes: N sequences in a batch, T positions in a sequence. Numpy only, so that data can be made and inspected
without jax.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import Field, asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from genomes.errors import InvalidInput, named
from proxies.tasks.baselines import Baseline, Questions, TrivialAnswers, in_row, measured, questions
from proxies.tasks.batch import Batch as Batch
from proxies.tasks.batch import Readout as Readout
from proxies.tasks.batch import Split as Split

MAX_VOCAB = 65536  # far beyond the 128 of the hardest MAD setting; keeps the tables of a batch small
_SPLIT_NUMBERS: dict[str, int] = {split: number for number, split in enumerate(get_args(Split))}
FITTED_TOKENS = 2**17  # of the training stream, read to fit trivial answers
_FITTED_ROWS = 64  # of a batch of them, few, as a batch may have tables of rows times vocabulary


class Task(Protocol):
    """What training needs of a task; every task is a frozen dataclass of plain fields, `length` first."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    name: ClassVar[str]  # in `TASKS`, e.g. "in-context-recall"
    readout: ClassVar[Readout]  # each position predicts its target, or the last one reconstructs them all
    asks: ClassVar[str]  # what is to be predicted, in a few words
    resolution: ClassVar[float]  # the smallest difference between two scores that means something

    def __hash__(self) -> int: ...

    @property
    def length(self) -> int:
        """T, tokens in a sequence."""

    @property
    def vocab_size(self) -> int:
        """Tokens lie in [0, vocab_size)."""

    @property
    def data_hash(self) -> str:
        """16 hex characters that change whenever any batch could."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the data was left out, in words."""

    def check(self) -> None:
        """Raise InvalidInput if the data cannot be had (generated data always can)."""

    def batch(self, split: Split, seed: int, index: int, size: int) -> Batch:
        """The `index`-th batch of `size` sequences: a pure function of the task and these arguments."""

    def baselines(self, batches: Sequence[Batch]) -> tuple[Baseline, ...]:
        """What trivial answers, fitted on training data, get on the judged tokens of these batches.

        One or more; scores are measured from the best (`proxies.tasks.baselines`).
        """

    def bits_per_byte(self, loss: float) -> float | None:
        """The mean loss (nats a judged token) as bits a byte of the test split; None where it is no text."""


@dataclass(frozen=True)
class Generated(ABC):
    """A task whose sequences are drawn by a rule: identified by its settings.

    A change to the rule of a task must raise its `generator_version`.
    """

    name: ClassVar[str]
    readout: ClassVar[Readout]
    asks: ClassVar[str]
    resolution: ClassVar[float] = 0.01
    generator_version: ClassVar[int]

    length: int
    vocab_size: int = 16

    @property
    def answers(self) -> range:
        """The tokens that can be judged targets, by the rule; default: all."""
        return range(self.vocab_size)

    @property
    def data_hash(self) -> str:
        """16 hex characters of sha256 over the name, the version of the rule and every setting."""
        return short_hash({"task": self.name, "version": self.generator_version, "settings": asdict(self)})

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: generated data are whole."""
        return ()

    def check(self) -> None:  # noqa: B027  (complete as it is)
        """Nothing to look for: the settings were checked when the value was made."""

    @abstractmethod
    def batch(self, split: Split, seed: int, index: int, size: int) -> Batch:
        """The `index`-th batch of `size` sequences: a pure function of the task and these arguments."""

    def baselines(self, batches: Sequence[Batch]) -> tuple[Baseline, ...]:
        """What the trivial answers that any task has get on these batches (`proxies.tasks.baselines`)."""
        with named(f"task {self.name}"):
            return measured(_trivial_answers(self), tuple(batches))

    def bits_per_byte(self, loss: float) -> float | None:  # noqa: ARG002  (the loss is for text)
        """None: these are no bytes of a text."""
        return None


@lru_cache(maxsize=8)
def _trivial_answers(task: Generated) -> TrivialAnswers:
    training = training_questions(task, task.answers)
    return in_row(np.bincount(training.target, minlength=task.vocab_size), training)


def training_questions(task: Task, answers: range) -> Questions:
    """What the first `FITTED_TOKENS` tokens of the training stream ask, in whole rows."""
    rows = -(-FITTED_TOKENS // task.length)
    sizes = [_FITTED_ROWS] * (rows // _FITTED_ROWS) + [rows % _FITTED_ROWS]
    batches = [task.batch("train", 0, index, size) for index, size in enumerate(sizes) if size]
    return questions(batches, task.readout, answers)


def short_hash(content: dict[str, object]) -> str:
    """16 hex characters of sha256 over plain values, independent of their order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def require_int(
    task: str, field: str, value: Any, low: int, high: int | None = None, reason: str = ""
) -> None:
    """Raise InvalidInput unless `value` is a true int (no bool, no float) in [low, high]."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and low <= value and (high is None or value <= high):
        return
    legal = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    raise InvalidInput(f"task {task}: {field} = {value!r}; legal: {legal}{reason and f' ({reason})'}")


def require_halves(task: str, vocab_size: object) -> None:
    """Raise InvalidInput unless `vocab_size` can be halved into 2 or more keys and as many values."""
    legal = "even: half of the tokens make keys, half make values"
    require_int(task, "vocab_size", vocab_size, 4, MAX_VOCAB, legal)
    if isinstance(vocab_size, int) and vocab_size % 2:
        raise InvalidInput(f"task {task}: vocab_size = {vocab_size}; legal: an even integer ({legal})")


def stream(task: str, split: Split, seed: int, index: int, size: int) -> np.random.Generator:
    """The random stream of one batch; no two (split, index, seed) share one while seed < 2^64.

    The index is one 32-bit word and precedes the seed: SeedSequence joins the 32-bit words of its integers
    and pads with zeros, so that (seed, index) = (5 + 2^32, 0) and (5, 1) would meet in the other order.
    """
    if split not in _SPLIT_NUMBERS:
        raise InvalidInput(f"task {task}: split = {split!r}; legal: {', '.join(_SPLIT_NUMBERS)}")
    if seed < 0:
        raise InvalidInput(f"task {task}: seed = {seed}; legal: an integer of at least 0")
    if not 0 <= index < 2**32:
        raise InvalidInput(f"task {task}: index = {index}; legal: an integer from 0 to {2**32 - 1}")
    if size < 1:
        raise InvalidInput(f"task {task}: size = {size}; legal: an integer of at least 1")
    return np.random.default_rng([_SPLIT_NUMBERS[split], index, seed])


def seen_before(symbols: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Where a row holds a symbol that it already held further left; symbols (N D) in [0, count)."""
    rows, places = symbols.shape
    order = np.arange(places)
    first = np.full((rows, count), places)
    np.minimum.at(first, (np.arange(rows)[:, None], symbols), order)
    return np.asarray(np.take_along_axis(first, symbols, axis=1) < order)
