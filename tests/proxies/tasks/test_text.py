"""The text task: which text is read, how it is cut and scored, and how unusable text is refused."""

import math
import re
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from genomes.errors import InvalidInput
from proxies.tasks import Split, Text, make_task
from support.texts import markers, spelled, text

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.txt").write_text(markers(2))
    (tmp_path / "a.txt").write_text(markers(1))
    return tmp_path


def test_a_folder_is_read_in_order_and_cut_document_by_document(folder: Path) -> None:
    task = text(folder)
    one, two = markers(1).encode(), markers(2).encode()
    assert len(one) == len(two) == 16_000
    assert spelled(task, "train") == one[:14_400] + two[:14_400]
    assert spelled(task, "validation") == one[14_400:15_200] + two[14_400:15_200]
    assert spelled(task, "test") == one[15_200:] + two[15_200:]
    assert (task.corpus.documents, task.corpus.size_bytes, task.corpus.notes) == (2, 32_000, ())


def test_windows_are_contiguous_text_of_their_own_split(folder: Path) -> None:
    task = text(folder)
    parts = {split: spelled(task, split) for split in SPLITS}
    starts: dict[str, set[int]] = {}
    for split in SPLITS:
        batch = task.batch(split, 0, 0, 200)
        for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
            window = bytes(tokens.tolist()) + bytes([int(targets[-1])])
            assert window in parts[split]
            assert all(window not in parts[other] for other in SPLITS if other != split)
            starts.setdefault(split, set()).add(parts[split].index(window))
    assert all(len(found) > 100 for found in starts.values())


def test_windows_reach_both_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(markers(1, 100))  # validation and test hold 40 bytes each
    task = text(tmp_path, length=37)
    part = spelled(task, "test")
    batch = task.batch("test", 0, 0, 50)
    assert {part.index(bytes(row.tolist())) for row in batch.tokens} == {0, 1, 2}
    assert {int(target) for target in batch.targets[:, -1]} == {*part[37:40]}


def test_a_cut_never_splits_a_character(tmp_path: Path) -> None:
    for number in range(1, 5):
        (tmp_path / f"{number}.txt").write_text("x" * number + "€" * 3000, encoding="utf-8")
    task = text(tmp_path)
    for split in SPLITS:
        spelled(task, split).decode()
    together = sum(len(spelled(task, split)) for split in SPLITS)
    assert together == sum(file.stat().st_size for file in tmp_path.iterdir())


def test_the_hash_follows_the_bytes(tmp_path: Path) -> None:
    hashes = []
    for name, content in [
        ("same", {"a": markers(1), "b": markers(2)}),
        ("moved", {"a": markers(1), "b": markers(2)}),
        ("byte", {"a": markers(1)[:-2] + "x\n", "b": markers(2)}),
        ("order", {"a": markers(2), "b": markers(1)}),
        ("border", {"a": markers(1) + markers(2)[:8], "b": markers(2)[8:]}),
    ]:
        (tmp_path / name).mkdir()
        for file, content_of_file in content.items():
            (tmp_path / name / file).write_text(content_of_file)
        hashes.append(text(tmp_path / name).data_hash)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_the_standard_library_is_the_default_source() -> None:
    task = make_task("text", 64, {})
    named = make_task("text", 64, {"source": "python-stdlib"})
    assert isinstance(task, Text)
    assert named.data_hash == task.data_hash
    assert task.corpus.size_bytes <= 4_000_000
    assert task.corpus.documents > 100
    assert b"import" in spelled(task, "train")


def test_the_loss_is_given_in_bits_a_byte(folder: Path) -> None:
    task = text(folder)
    assert task.vocab_size == 256
    assert task.bits_per_byte(math.log(256)) == pytest.approx(8)
    assert task.bits_per_byte(math.log(2)) == pytest.approx(1)


@pytest.fixture
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token for each digit pair, digit or other character of the markers; asks to be cut and padded."""
    words = [f"{pair:02d}" for pair in range(100)] + [str(digit) for digit in range(10)] + [".", "\n"]
    made = Tokenizer(models.WordLevel({word: 3 * number for number, word in enumerate(words)}))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"\d\d|\d|\.|\n"), "isolated")
    made.enable_truncation(5)
    made.enable_padding(length=20_000)
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made.save(str(file))
    return file


def test_a_tokenizer_replaces_the_bytes(folder: Path, tokenizer: Path) -> None:
    task = text(folder, tokenizer=str(tokenizer))
    assert task.vocab_size == 3 * 111 + 1
    words = {number: word for word, number in Tokenizer.from_file(str(tokenizer)).get_vocab().items()}
    read = "".join(words[int(token)] for token in task.corpus.tokens["test"])
    assert read.encode() == spelled(text(folder), "test")  # nothing cut, padded or added
    assert task.batch("train", 0, 0, 50).targets.max() < task.vocab_size
    assert task.data_hash != text(folder).data_hash
    # a line of 8 bytes "1.00042\n" has 6 tokens: 1 . 00 04 2 \n
    assert task.bits_per_byte(math.log(2)) == pytest.approx(6 / 8)


def test_a_long_text_is_tokenized_whole(tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "long.txt").write_text("".join(f"7.{line:06d}\n" for line in range(260_000)))  # 2.3 MB
    task = text(tmp_path, tokenizer=str(tokenizer), max_bytes=2_340_000)
    assert [len(task.corpus.tokens[split]) for split in SPLITS] == [234_000 * 6, 13_000 * 6, 13_000 * 6]


def test_source_and_path_together_are_refused(folder: Path) -> None:
    with pytest.raises(
        InvalidInput, match=f"source = 'python-stdlib' with path = '{folder}'; legal: one of them"
    ):
        text(folder, source="python-stdlib")


def test_text_that_just_suffices_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 680)
    assert text(tmp_path, length=32).batch("validation", 0, 0, 4).tokens.shape == (4, 32)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: .*No such file"),
        ("", "is not a tokenizer.json of the tokenizers library"),
        ("{}", "is not a tokenizer.json of the tokenizers library"),
        (b"\xff\xfe", "is not a tokenizer.json of the tokenizers library"),
    ],
)
def test_a_broken_tokenizer_is_refused(
    folder: Path, tmp_path: Path, content: str | bytes | None, why: str
) -> None:
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput, match=f"task text: tokenizer = {re.escape(repr(str(file)))} {why}"):
        text(folder / "a.txt", tokenizer=str(file))


def test_a_folder_is_no_tokenizer(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be read: it is not a file; legal: a tokenizer.json"):
        text(folder, tokenizer=str(folder))


def test_a_tokenizer_that_does_not_know_the_text_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "a.txt").write_text("letters\n" * 1000)
    with pytest.raises(InvalidInput, match=f"tokenizer = '{tokenizer}' cannot encode the text: .*UNK"):
        text(tmp_path, tokenizer=str(tokenizer))


def test_a_tokenizer_that_is_random_or_makes_nothing_of_the_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(markers(2))
    letters = sorted(set(markers(2)))
    merges = [(a, b) for a in letters for b in letters]
    words = [*letters, *(a + b for a, b in merges)]
    vocab = {word: number for number, word in enumerate(dict.fromkeys(words))}
    for model, why in (
        (models.BPE(vocab, merges, dropout=0.5), "other tokens each time"),
        (models.BPE({"z": 0}, []), "it makes no tokens of it"),
    ):
        Tokenizer(model).save(str(tmp_path / f"{len(why)}.json"))
        with pytest.raises(InvalidInput, match=why):
            text(tmp_path / "a.txt", tokenizer=str(tmp_path / f"{len(why)}.json"))


def test_a_tokenizer_that_panics_is_refused(tmp_path: Path, tokenizer: Path, monkeypatch) -> None:
    """A panic of the library derives from BaseException alone."""

    class PanicException(BaseException):
        pass

    class Panicking:
        def __getattr__(self, name: str):
            raise PanicException("index out of bounds")

    monkeypatch.setattr(Tokenizer, "from_str", lambda _: Panicking())
    (tmp_path / "a.txt").write_text(markers(2))
    with pytest.raises(InvalidInput, match="index out of bounds"):
        text(tmp_path, tokenizer=str(tokenizer))
