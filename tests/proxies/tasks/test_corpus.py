"""Which files are documents, in which order; what cannot be one is refused."""

import os
import re
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genomes.errors import InvalidInput
from proxies.tasks.corpus import standard_library
from support.texts import markers, spelled, text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.txt").write_text(markers(2))
    (tmp_path / "a.txt").write_text(markers(1))
    return tmp_path


def test_a_file_a_folder_and_a_glob_of_the_same_text_are_the_same_data(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text(markers(1))
    hashes = {
        text(place).data_hash
        for place in (tmp_path, tmp_path / "deep" / "a.txt", tmp_path / "*" / "*.txt", f"{tmp_path}/**/a.*")
    }
    assert len(hashes) == 1


def test_a_file_whose_name_looks_like_a_glob_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a[1].txt"
    file.write_text(markers(1))
    assert text(file).corpus.documents == 1


def test_hidden_and_empty_files_are_no_documents_and_binary_ones_are_counted(folder: Path) -> None:
    clean = text(folder).data_hash
    other = folder / "b"
    (other / ".git").mkdir()
    (other / ".git" / "config").write_text("hidden")
    (other / ".hidden.txt").write_text("hidden")
    (other / "empty.txt").write_text("")
    (other / "image.png").write_bytes(b"\x89PNG\0\0")
    (other / "latin.txt").write_bytes("déjà vu".encode("latin-1"))
    task = text(f"{folder}/")  # the same place by another name, as a process reads a path once
    assert task.data_hash == clean
    assert (task.corpus.documents, len(task.corpus.notes)) == (2, 1)
    assert "and 1 more: left out, no text" in task.corpus.notes[0]


def test_max_bytes_keeps_the_first_documents(folder: Path) -> None:
    task = text(folder, max_bytes=20_000)
    assert (task.corpus.documents, task.corpus.size_bytes) == (2, 20_000)
    assert spelled(task, "test") == markers(1).encode()[15_200:] + markers(2).encode()[3_800:4_000]
    (folder / "0.txt").write_text("€" * 5000, encoding="utf-8")
    task = text(folder, max_bytes=2000)
    assert (task.corpus.documents, task.corpus.size_bytes) == (1, 1998)


def test_the_standard_library_is_its_modules_and_nothing_else() -> None:
    root = Path(sysconfig.get_paths()["stdlib"])
    texts = standard_library(100_000_000).texts
    for module in ("abc.py", "email/message.py"):
        assert (root / module).read_bytes() in texts
    left_out = [
        *root.glob("_sysconfigdata*.py"),
        *root.glob("test/test_*.py"),
        *root.glob("encodings/cp*.py"),
    ]
    assert left_out
    assert not {file.read_bytes() for file in left_out} & set(texts)
    assert b"".join(texts).startswith((root / "__future__.py").read_bytes())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.txt", "does not exist"),
        ("*.missing", "matches no file"),
        ("a.txt/inside", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("nul\0inside", "null byte"),
        ("hollow", "folder without files"),
        ("empty.txt", re.escape("all of its files (1) are empty")),
        ("empties", re.escape("all of its files (2) are empty")),
        ("image.png", "image.png' is not text: NUL at byte 4"),
        ("*.png", "image.png' is not text: NUL at byte 4"),
        ("latin.txt", "latin.txt' is not text: byte 1 is not UTF-8"),
        ("cut.txt", "cut.txt' is not text: byte 4 is not UTF-8"),
        ("images", "2 of its 3 files are not text, the others are empty .first: .*1.png': NUL at byte 0"),
        ("pipe", "pipe' is not text: not a regular file"),
        ("short.txt", "its validation split has 33 tokens .in all 660 bytes in 1 doc.* legal: 34 or more"),
        ("loop", "[Ss]ymbolic link"),
    ],
)
def test_text_that_cannot_be_used_is_refused(folder: Path, name: str, why: str) -> None:
    for inner in ("hollow", "empties", "images"):
        (folder / inner).mkdir()
    (folder / "hollow" / ".hidden").write_text(markers(3))
    for empty in ("empty.txt", "empties/1", "empties/2", "images/0.txt"):
        (folder / empty).write_text("")
    for image in ("images/1.png", "images/2.png"):
        (folder / image).write_bytes(b"\0")
    (folder / "image.png").write_bytes(b"\x89PNG\0")
    (folder / "latin.txt").write_bytes("déjà vu".encode("latin-1"))
    (folder / "cut.txt").write_bytes("abc €".encode()[:-1])
    (folder / "short.txt").write_text("x" * 660)
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")
    expected = rf"(?s)task text: path = {re.escape(repr(f'{folder}/{name}'))}.*{why}"
    with pytest.raises(InvalidInput, match=expected):
        text(f"{folder}/{name}")


@contextmanager
def without_root() -> Iterator[None]:
    """Permissions do not bind root, who runs the tests in many containers."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["sealed.txt", "*.txt", ".", "closed", "closed/a.txt"])
def test_text_that_may_not_be_read_is_refused(name: str) -> None:
    with tempfile.TemporaryDirectory() as made:  # pytest's own folder is closed to others
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "closed").mkdir()
        for file in (folder / "sealed.txt", folder / "closed" / "a.txt"):
            file.write_text(markers(1))
        (folder / "sealed.txt").chmod(0)
        (folder / "closed").chmod(0)
        path = f"{folder}/{name}"
        expected = rf"task text: path = {re.escape(repr(path))} cannot be read: .*Permission denied"
        with without_root(), pytest.raises(InvalidInput, match=expected):
            text(path)
        (folder / "closed").chmod(0o755)


def test_one_file_is_one_document_whichever_way_it_is_named(folder: Path) -> None:
    clean = text(folder).data_hash
    (folder / "c.txt").symlink_to(folder / "a.txt")
    (folder / "d.txt").symlink_to("nowhere")
    (folder / "e.txt").hardlink_to(folder / "a.txt")
    task = text(f"{folder}/.")
    assert task.data_hash == clean
    assert task.corpus.notes == (f"{str(folder / 'd.txt')!r}: a link to nothing: left out, no text",)


def test_a_byte_order_mark_is_no_text(folder: Path) -> None:
    clean = text(folder).data_hash
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbf" + (folder / "a.txt").read_bytes())
    assert text(f"{folder}/").data_hash == clean


def test_what_lies_beyond_the_cap_is_said(folder: Path) -> None:
    size = sum(file.stat().st_size for file in folder.rglob("*.txt"))
    (note,) = text(folder, max_bytes=20_000).corpus.notes
    assert note.startswith(f"{size - 20_000} bytes beyond the first 20000 are left out; max_bytes")
    assert text(f"{folder}/").corpus.notes == ()


def test_many_short_documents_go_whole_to_a_split(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number:03}.txt").write_text(f"This is sentence number {number}, no more.\n")
    task = text(tmp_path, length=16)
    for split in ("train", "validation", "test"):
        sentences = spelled(task, split).decode().splitlines()
        assert all(re.fullmatch(r"This is sentence number \d+, no more\.", each) for each in sentences)
    sizes = task.corpus.split_bytes
    assert sizes["validation"] / task.corpus.size_bytes == pytest.approx(0.05, abs=0.005)
    assert sizes["test"] / task.corpus.size_bytes == pytest.approx(0.05, abs=0.005)
    (tmp_path / "300.txt").write_text("x" * 2_000_000)
    assert text(f"{tmp_path}/", length=16).data_hash != task.data_hash
