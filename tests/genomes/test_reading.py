import os
import time

import pytest

from genomes import InvalidInput
from genomes.reading import (
    LARGEST_BYTES,
    LARGEST_YAML_BYTES,
    parse_json,
    parse_yaml,
    read_json,
    read_text,
    read_yaml,
)

BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("350e6", 350e6),
        ("1e-3", 1e-3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-3", -3),
        ("010", 10),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0x1f", "0x1f"),
        ("2020-13-45", "2020-13-45"),
        ("2020-01-02", "2020-01-02"),
        ("2.5e-4", 2.5e-4),
        ("yes", True),
        ("null", None),
        ("", None),
        ("[1, 2.0, a]", [1, 2.0, "a"]),
        ("1.2.3", "1.2.3"),
    ],
)
def test_yaml_has_the_numbers_of_its_core_schema(text, value):
    read = parse_yaml(text, "text")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "'a' is given twice"),
        ("a: {b: 1, b: 1}", "'b' is given twice"),
        ("a: &x 1\nb: *x\n", "*x is an alias; write its value out"),
        (BOMB, "is an alias"),
        ("a: [1", "line 1"),
        ("[" * 3000, "too deeply nested"),
        ("a: " + "9" * 5000, "5000 digits"),
        ("!!int 1_0", "'1_0' is no whole number"),
        ("!!float x", "'x' is no number"),
        ("!!timestamp x", "text: not a YAML file"),
        ("!!python/object:os.system x", "text: not a YAML file"),
        ("? [a]\n: 1", "unhashable"),
        ("a: \x00", "text: not a YAML file"),
        ("a: 1\n---\nb: 2\n", "text: not a YAML file"),
        ("!!set 3", "text: not a YAML file"),
    ],
)
def test_yaml_that_is_refused_says_where_and_why(text, said):
    began = time.process_time()
    with pytest.raises(InvalidInput) as error:
        parse_yaml(text, "text")
    assert said in str(error.value)
    assert len(str(error.value)) < 400
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ("[" * 100_000, "too deeply nested"),
        ("9" * 5000, "5000 digits"),
        ("NaN", "NaN is not finite"),
        ("[-Infinity]", "-Infinity is not finite"),
        ("1e999", "1e999 is not finite"),
        ("{", "text: not a JSON file"),
        ("", "text: not a JSON file"),
    ],
)
def test_json_that_is_refused_says_why(text, said):
    with pytest.raises(InvalidInput, match="text: not a JSON file") as error:
        parse_json(text, "text")
    assert said in str(error.value)


def test_a_byte_order_mark_is_no_text(tmp_path):
    for name, read in (("a.yaml", read_yaml), ("a.json", read_json)):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}')
        assert read(tmp_path / name) == {"a": 1}


def test_only_regular_files_of_a_sane_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"\xe9")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(LARGEST_YAML_BYTES + 1)
    for path, said in (
        ("/dev/zero", "a device or a pipe"),
        (tmp_path / "pipe", "a device or a pipe"),
        (tmp_path, "is a directory"),
        (tmp_path / "none", "No such file"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "latin", "not a file of UTF-8"),
        (tmp_path / "large", "larger than 64 MiB"),
        ("a\0b", "null"),
    ):
        with pytest.raises(InvalidInput, match=said):
            read_text(path)
    with pytest.raises(InvalidInput, match="larger than 8 MiB"):
        read_yaml(tmp_path / "large.yaml")
