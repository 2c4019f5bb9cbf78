"""Genome text reads back, and what is none is refused by block."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import (
    Genome,
    genome_text,
    parse_genome,
)
from support.space_cases import refused


@settings(deadline=None)
@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.tuples(*[st.integers(0, 120)] * n), min_size=1, max_size=40)
    )
)
def test_genome_text_reads_back(units: list[Genome]) -> None:
    genome, text = sum(units, ()), genome_text(sum(units, ()), len(units[0]))
    assert parse_genome(text) == parse_genome(f" {text}\n") == genome
    assert text.count("-") == len(units) - 1


@pytest.mark.parametrize(
    ("genome", "genes", "text"),
    [
        ((1, 1, 6, 2, 3, 1, 6, 1), 2, "11-62-31-61"),
        ((1, 12), 2, "1.12"),
        ((12, 1), 2, "12.1"),
        ((10, 10, 9, 9), 2, "10.10-99"),
        ((2, 1, 2, 1, 1, 3, 1, 1, 1, 2, 2, 1, 2, 2, 1, 3, 2, 1, 1, 2), 5, "21211-31112-21221-32112"),
        ((17, 1, 1, 1, 1, 9, 1, 2, 1, 1), 5, "17.1.1.1.1-91211"),
        ((1, 12, 3), 1, "1-12.-3"),
    ],
)
def test_genome_text_by_hand(genome: Genome, genes: int, text: str) -> None:
    assert genome_text(genome, genes) == text
    assert parse_genome(text) == genome
    for tail, behind in (((2, 1), "21"), ((3,), "3"), ((12,), "12."), ((1, 12), "1.12")):
        assert genome_text(genome + tail, genes, len(tail)) == f"{text}/{behind}"
        assert parse_genome(f"{text}/{behind}") == genome + tail


@pytest.mark.parametrize(
    ("text", "index", "problem"),
    [
        ("", 0, "''"),
        ("11-", 1, "''"),
        ("11--11", 1, "''"),
        ("11-1", 1, "'1'; expected 2 numbers as in block 0"),
        ("11-112", 1, "'112'; expected 2 numbers"),
        ("11-1.2.3", 1, "'1.2.3'; expected 2 numbers"),
        ("11-1.", 1, "'1.'; expected 2 numbers"),
        ("1.2.", 0, "'1.2.'; expected digits"),
        (".2", 0, "'.2'"),
        ("11-ab", 1, "'ab'"),
        ("11-+1", 1, "'+1'"),
        ("11 12", 0, "'11 12'"),
        ("11-1.1_0", 1, "'1.1_0'"),
        ("11-\N{ARABIC-INDIC DIGIT ONE}1", 1, "expected digits"),
        ("11-1\N{SUPERSCRIPT TWO}", 1, "expected digits"),
        ("1." + "9" * 5000, 0, "'1.999"),
        ("/21", 0, "''"),
    ],
)
def test_refused_genome_text_names_the_block(text: str, index: int, problem: str) -> None:
    message = refused(parse_genome, text)
    assert message.startswith(f"genome block {index}: ")
    assert problem in message


@pytest.mark.parametrize("text", ["11/", "11/a", "11/2-1", "11/2/1", "11/2 1"])
def test_refused_genome_text_behind_the_blocks(text: str) -> None:
    assert refused(parse_genome, text).startswith("genome behind the /: ")
