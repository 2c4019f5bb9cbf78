"""The documents of a text corpus: which files they are, in which order, and what cannot be one.

A document is a non-empty file of UTF-8 text without NUL bytes. Order and content depend on the names and
bytes of the files alone, so that the same corpus gives the same data on every machine.
"""

import codecs
import glob
import os
import stat
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genomes.errors import InvalidInput

_LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "encodings", "pydoc_data"}
    | {"site-packages", "dist-packages"}
)


@dataclass(frozen=True)
class Documents:
    """Texts in order, and what was left out."""

    texts: tuple[bytes, ...]  # each non-empty, valid UTF-8
    skipped: tuple[str, ...]  # files of the folder that are not text, and why
    beyond_bytes: int  # size of what lies beyond the cap

    @property
    def notes(self) -> list[str]:
        """What was left out, in words."""
        notes = []
        if self.skipped:
            more = f" and {len(self.skipped) - 1} more" if len(self.skipped) > 1 else ""
            notes.append(f"{self.skipped[0]}{more}: left out, no text")
        if self.beyond_bytes:
            read = sum(map(len, self.texts))
            notes.append(
                f"{self.beyond_bytes} bytes beyond the first {read} are left out; max_bytes says how many "
                "are read"
            )
        return notes


class _NotText(Exception):
    """Why a file that can be read is not a document."""


def standard_library(max_bytes: int) -> Documents:
    """The modules of this Python's standard library, sorted by relative path, the first `max_bytes` of them.

    Left out: tests, the IDE, generated tables (code pages, help topics), and what differs from one build or
    machine to the next (site-packages, _sysconfigdata, config-*, sitecustomize).
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [file for file in _folder(root, str(root), _LEFT_OUT) if _is_library_module(file)]
    return _read_all(files, str(root), max_bytes, pass_over=True)


def documents_at(path: str, max_bytes: int) -> Documents:
    """The documents of a file, a folder (with all below it) or a glob, sorted, the first `max_bytes` of them.

    Hidden files are left out of folders. A file of a folder that is not text is passed over and counted; one
    that was named, or matched by the glob, is an error. The document at the cap is cut at a whole character.
    """
    try:
        place = Path(path).expanduser()
        mode = place.stat().st_mode
    except FileNotFoundError:
        return _read_all(_matches(path), path, max_bytes, pass_over=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidInput(f"task text: path = {path!r} cannot be read: {error}") from None
    if stat.S_ISDIR(mode):
        return _read_all(_folder(place, path), path, max_bytes, pass_over=True)
    return _read_all([place], path, max_bytes, pass_over=False)


def _is_library_module(file: Path) -> bool:
    """Whether a file below the library is a module that every build of this Python has."""
    if file.suffix != ".py" or file.name in ("sitecustomize.py", "usercustomize.py"):
        return False
    return not (file.name.startswith("_sysconfigdata") or file.parent.name.startswith("config-"))


def _matches(path: str) -> list[Path]:
    """The files that a glob matches; the path itself is known not to exist."""
    looked = f"(looked for {str(Path(path).expanduser().absolute())!r})"
    if not set("*?[") & set(path):
        raise InvalidInput(
            f"task text: path = {path!r} does not exist {looked}; legal: a file, folder or glob"
        )
    matches = glob.glob(str(Path(path).expanduser()), recursive=True)  # noqa: PTH207  (may be absolute)
    try:
        files = sorted((Path(match) for match in matches if not Path(match).is_dir()), key=Path.as_posix)
    except OSError as error:
        raise InvalidInput(f"task text: path = {path!r} cannot be read: {error}") from None
    if not files:
        raise InvalidInput(f"task text: path = {path!r} matches no file {looked}")
    return files


def _folder(root: Path, path: str, left_out: frozenset[str] = frozenset()) -> list[Path]:
    """All files below a folder by relative path: no hidden ones, no folder left out, no linked folder."""

    def refuse(error: OSError) -> None:
        raise InvalidInput(f"task text: path = {path!r} cannot be read: {error}") from None

    files: list[Path] = []
    for folder, inner, names in os.walk(root, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".") and name not in left_out]
        files += (Path(folder, name) for name in names if not name.startswith("."))
    if not files:
        raise InvalidInput(f"task text: path = {path!r} is a folder without files (hidden ones do not count)")
    return sorted(files, key=lambda file: file.relative_to(root).as_posix())


def _read_all(files: Sequence[Path], path: str, max_bytes: int, *, pass_over: bool) -> Documents:
    """The documents among the files until `max_bytes` are reached."""
    texts: list[bytes] = []
    skipped: list[str] = []
    seen: set[tuple[int, int]] = set()
    left, beyond = max_bytes, 0
    for file in files:
        try:
            status = file.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue  # one file is one document, whichever way it is named
            seen.add((status.st_dev, status.st_ino))
            if left <= 0:
                beyond += status.st_size
                continue
            text, rest = _read(file, left)
        except FileNotFoundError as error:
            if not pass_over:
                raise InvalidInput(f"task text: path = {path!r} cannot be read: {error}") from None
            skipped.append(f"{str(file)!r}: a link to nothing")
            continue
        except _NotText as reason:
            if not pass_over:
                wrong = f"task text: path = {path!r}: file {str(file)!r} is not text: {reason}"
                raise InvalidInput(f"{wrong}; legal: UTF-8 text") from None
            skipped.append(f"{str(file)!r}: {reason}")
            continue
        except OSError as error:
            raise InvalidInput(f"task text: path = {path!r} cannot be read: {error}") from None
        beyond += rest
        left = 0 if rest else left - len(text)
        if text:
            texts.append(text)
    if texts:
        return Documents(tuple(texts), tuple(skipped), beyond)
    if skipped:
        count = f"{len(skipped)} of its {len(files)} files are not text, the others are empty"
        raise InvalidInput(f"task text: path = {path!r} holds no text: {count} (first: {skipped[0]})")
    raise InvalidInput(f"task text: path = {path!r} holds no text: all of its files ({len(files)}) are empty")


def _read(file: Path, limit: int) -> tuple[bytes, int]:
    """The first `limit` bytes, less the character that they would cut, and how many bytes follow.

    A byte order mark is no text.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise _NotText("not a regular file")  # reading a pipe would wait for ever
    with file.open("rb") as opened:
        data = opened.read(limit + 1)
    whole = len(data) <= limit
    size = max(len(data), file.stat().st_size)
    data = data[:limit]
    if b"\0" in data:
        raise _NotText(f"NUL at byte {data.index(0)}, as in binary files and UTF-16")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data, final=whole)
    except UnicodeDecodeError as error:
        raise _NotText(f"byte {error.start} is not UTF-8") from None
    data = data[: len(data) - len(decoder.getstate()[0])]
    return data.removeprefix(codecs.BOM_UTF8), 0 if whole else size - len(data)
