"""Next-token prediction on text: the standard library of this Python, or the user's own files.

Its loss is also given in bits a byte of the held-out text, which can be compared between tokenizers.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from genomes.errors import InvalidInput, cut, refused
from proxies.tasks.base import (
    Batch,
    Readout,
    Split,
    require_int,
    short_hash,
    stream,
    training_questions,
)
from proxies.tasks.baselines import Baseline, TrivialAnswers, measured, row_counters, unchanging
from proxies.tasks.bigrams import bigram
from proxies.tasks.corpus import documents_at, standard_library

STDLIB = "python-stdlib"
STDLIB_MAX_BYTES = 4_000_000
PATH_MAX_BYTES = 20_000_000
SPLIT_RULE = "bytes of each document, at whole characters: train to 90%, validation to 95%, test"
WHOLE_RULE = "whole documents: 90% of the bytes train, 5% validation, 5% test"
SHORT_BYTES, MANY = 4096, 40
"""Documents are short where their mean is below the first and there are as many as the second."""
MAX_VOCAB = 4_194_304
_CHECKED = 1 << 16  # characters of a text by which a tokenizer is tried
_Encode = Callable[[bytes], NDArray[np.integer]]
_BLOCK = 1 << 20  # characters given to a tokenizer at a time, up to the end of a line


@dataclass(frozen=True, eq=False)
class Corpus:
    """A corpus cut and tokenized; `tokens` are read-only."""

    tokens: dict[Split, NDArray[np.integer]]
    split_bytes: dict[Split, int]
    vocab_size: int
    documents: int
    notes: tuple[str, ...]  # what was left out, in words
    split_rule: str
    digest: str  # of the bytes of every document in order, and of the tokenizer

    @property
    def size_bytes(self) -> int:
        """Bytes of text in all splits together."""
        return sum(self.split_bytes.values())


@dataclass(frozen=True)
class Text:
    """Windows of `length` tokens at random places of a split, each position predicting the next token.

    Each document is cut at 90% and 95% of its bytes: its beginning trains, its end tests, and the parts of
    one split are joined in the order of the documents. Where documents are many and short (40 or more, of
    less than 4 kB in the mean) each goes whole to one split. No window holds text of two splits. Without a
    `tokenizer` the bytes are the tokens. `max_bytes` (default: 4 MB of the standard library, 20 MB of a
    path) keeps the first documents in sorted order. Files are read once in a process, when first needed.
    """

    name: ClassVar[str] = "text"
    readout: ClassVar[Readout] = "next_token"
    asks: ClassVar[str] = "the next token of text: a byte, or a tokenizer's"
    resolution: ClassVar[float] = 0.01
    generator_version: ClassVar[int] = 1

    length: int
    source: str | None = None  # "python-stdlib", which is also meant when neither source nor path is given
    path: str | None = None  # a file, a folder (read with all below it) or a glob
    tokenizer: str | None = None  # a tokenizer.json of the `tokenizers` library
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        require_int(self.name, "length", self.length, 1)
        if self.max_bytes is not None:
            require_int(self.name, "max_bytes", self.max_bytes, 1024)
        for field, value in (("path", self.path), ("tokenizer", self.tokenizer)):
            if value is not None and not (isinstance(value, str) and value):
                raise InvalidInput(f"task text: {field} = {value!r}; legal: the name of a file")
        if self.source is not None and self.path is not None:
            raise InvalidInput(
                f"task text: source = {self.source!r} with path = {self.path!r}; legal: one of them"
            )
        if self.source not in (None, STDLIB):
            raise InvalidInput(f"task text: source = {self.source!r}; legal: {STDLIB!r}, or a path instead")

    @property
    def corpus(self) -> Corpus:
        """The text itself; raises InvalidInput if it cannot be had or a split is shorter than two windows."""
        cap = self.max_bytes or (STDLIB_MAX_BYTES if self.path is None else PATH_MAX_BYTES)
        corpus = _load(self.path, self.tokenizer, cap)
        for split, tokens in corpus.tokens.items():
            if len(tokens) < self.length + 2:
                place = f"source = {STDLIB!r}" if self.path is None else f"path = {self.path!r}"
                raise InvalidInput(
                    f"task text: {place} holds too little text for length = {self.length}: its {split} "
                    f"split has {len(tokens)} tokens (in all {corpus.size_bytes} bytes in "
                    f"{corpus.documents} documents, each cut 90 / 5 / 5); legal: {self.length + 2} or more; "
                    f"use more text or a smaller length"
                )
        return corpus

    @property
    def vocab_size(self) -> int:
        """256 for bytes, else one more than the highest number of the tokenizer."""
        return 256 if self.tokenizer is None else self.corpus.vocab_size

    @property
    def data_hash(self) -> str:
        """16 hex characters of sha256 over the text, how it is cut and tokenized, and the length."""
        rule = {"split": self.corpus.split_rule, "corpus": self.corpus.digest, "length": self.length}
        return short_hash({"task": self.name, "version": self.generator_version, **rule})

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the files was left out, in words."""
        return self.corpus.notes

    def check(self) -> None:
        """Read the text now; raise InvalidInput if it cannot be had."""
        _ = self.corpus

    def batch(self, split: Split, seed: int, index: int, size: int) -> Batch:
        """The `index`-th batch of `size` windows: a pure function of the corpus and these arguments."""
        rng = stream(self.name, split, seed, index, size)
        tokens = self.corpus.tokens[split]
        starts = rng.integers(0, len(tokens) - self.length, size)
        windows = tokens[starts[:, None] + np.arange(self.length + 1)].astype(np.int32)
        return Batch(windows[:, :-1], windows[:, 1:], np.ones((size, self.length), np.float32))

    def baselines(self, batches: Sequence[Batch]) -> tuple[Baseline, ...]:
        """What trivial answers get on these batches, unigrams and bigrams among them."""
        return measured(_trivial_answers(self), tuple(batches))

    def bits_per_byte(self, loss: float) -> float:
        """Loss (nats a token) / ln 2 * tokens a byte of the test split."""
        tokens_per_byte = 1.0
        if self.tokenizer is not None:
            corpus = self.corpus
            tokens_per_byte = len(corpus.tokens["test"]) / corpus.split_bytes["test"]
        return loss / math.log(2) * tokens_per_byte


@lru_cache(maxsize=4)
def _trivial_answers(task: Text) -> TrivialAnswers:
    tokens = task.corpus.tokens["train"]
    training = training_questions(task, range(task.vocab_size))
    counts = np.bincount(tokens, minlength=task.vocab_size)
    unigram = unchanging("unigram", counts, task.vocab_size)
    known = (unigram, bigram(tokens, counts, unigram), *row_counters(unigram, training))
    return TrivialAnswers(training.readout, training.answers, known)


def forget() -> None:
    """Read files anew when they are next needed: they may have changed."""
    _load.cache_clear()
    _trivial_answers.cache_clear()


@lru_cache(maxsize=4)
def _load(path: str | None, tokenizer: str | None, max_bytes: int) -> Corpus:
    documents = standard_library(max_bytes) if path is None else documents_at(path, max_bytes)
    digest = hashlib.sha256()
    vocab_size = 256
    encode: _Encode = _byte_tokens
    if tokenizer is not None:
        vocab_size, content, encode = _tokenizer(tokenizer)
        digest.update(b"tokenizer %d:" % len(content) + content)
    tokens: dict[Split, NDArray[np.integer]] = {}
    split_bytes: dict[Split, int] = {}
    for text in documents.texts:
        digest.update(b"%d:" % len(text) + text)
    short = len(documents.texts) >= MANY and sum(map(len, documents.texts)) < SHORT_BYTES * len(
        documents.texts
    )
    cuts = _dealt(documents.texts) if short else list(map(_cut, documents.texts))
    for split, parts in zip(get_args(Split), zip(*cuts, strict=True), strict=True):
        tokens[split] = np.concatenate([encode(part) for part in parts])
        tokens[split].flags.writeable = False
        split_bytes[split] = sum(map(len, parts))
    return Corpus(
        tokens,
        split_bytes,
        vocab_size,
        len(documents.texts),
        tuple(documents.notes) if path is not None else (),
        WHOLE_RULE if short else SPLIT_RULE,
        digest.hexdigest(),
    )


def _dealt(texts: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """Each document whole in one split, that which is farthest behind its share of the bytes."""
    shares, sizes, total = (0.9, 0.05, 0.05), [0, 0, 0], 0
    dealt = []
    for text in texts:
        total += len(text)
        behind = [share * total - size for share, size in zip(shares, sizes, strict=True)]
        place = behind.index(max(behind))
        sizes[place] += len(text)
        dealt.append(tuple(text if index == place else b"" for index in range(3)))
    return dealt


def _cut(text: bytes) -> tuple[bytes, ...]:
    """One document as train, validation and test; every cut moves left to the start of a character."""
    ends = [len(text) * 90 // 100, len(text) * 95 // 100]
    for number, end in enumerate(ends):
        while end and text[end] & 0xC0 == 0x80:  # a continuation byte of UTF-8
            end -= 1
        ends[number] = end
    return text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :]


def _byte_tokens(text: bytes) -> NDArray[np.integer]:
    return np.frombuffer(text, np.uint8)


def _tokenizer(path: str) -> tuple[int, bytes, _Encode]:
    """Vocabulary size and content of a tokenizer.json, and a function from text to its tokens."""
    from tokenizers import Tokenizer  # only those who name a tokenizer wait for the import

    try:
        place = Path(path).expanduser()
        if place.exists() and not place.is_file():
            raise OSError("it is not a file")
        content = place.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        wrong = f"task text: tokenizer = {path!r} cannot be read: {error}"
        raise InvalidInput(f"{wrong}; legal: a tokenizer.json") from None
    with _refusing(f"task text: tokenizer = {path!r} is not a tokenizer.json of the tokenizers library"):
        loaded = Tokenizer.from_str(content.decode())
        vocab_size = 1 + max(loaded.get_vocab(with_added_tokens=True).values())
    if vocab_size > MAX_VOCAB:
        raise refused(f"task text: tokenizer = {path!r}: vocabulary", vocab_size, f"at most {MAX_VOCAB}")
    loaded.no_truncation()
    loaded.no_padding()

    def encode(text: bytes) -> NDArray[np.integer]:
        # One block after the other, in this thread: the threads of a trial belong to its training.
        with _refusing(f"task text: tokenizer = {path!r} cannot encode the text"):
            first = text.decode()[:_CHECKED]
            once, again = (loaded.encode(first, add_special_tokens=False).ids for _ in range(2))
            if once != again:
                raise ValueError("it gives the same text other tokens each time")
            if first.strip() and not once:
                raise ValueError("it makes no tokens of it")
            parts = [loaded.encode(block, add_special_tokens=False).ids for block in _blocks(text.decode())]
        return np.concatenate([np.zeros(0, np.int32), *(np.array(ids, np.int32) for ids in parts)])

    return vocab_size, content, encode


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn what a tokenizer raises, its panics included, into `InvalidInput`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        raise InvalidInput(f"{what}: {cut(str(error))}") from None


def _blocks(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield text[start:end]
        start = end
