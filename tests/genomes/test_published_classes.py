"""The table of published classes says of each runtime whether it loads a class, and who writes it."""

import pytest

from genomes import LOADERS, PUBLISHED_CLASSES, PublishedClass
from genomes.published_classes import FOLLOWED, Loadable, NotLoadable
from support import ROOT


def test_names_are_unique() -> None:
    for names in (
        [each.name for each in PUBLISHED_CLASSES],
        [each.gguf for each in PUBLISHED_CLASSES if each.gguf],
    ):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("published", PUBLISHED_CLASSES, ids=lambda each: each.name)
def test_every_runtime_is_accounted_for(published: PublishedClass) -> None:
    for runtime in LOADERS:
        match published.by(runtime):
            case Loadable(needs=needs, asks=asks):
                ops = {part.op for part in published.shape_in([runtime]).parts}
                assert {*needs, *asks} <= ops
            case NotLoadable(reason=reason):
                assert reason and not published.written_for(runtime) and not published.loads_in([runtime])
    assert isinstance(published.by("llama.cpp"), Loadable) == (published.gguf is not None)


@pytest.mark.parametrize("published", PUBLISHED_CLASSES, ids=lambda each: each.name)
def test_vllm_and_sglang_follow_the_class_list_of_transformers(published: PublishedClass) -> None:
    assert FOLLOWED == {"vllm": "transformers", "sglang": "transformers"}
    for runtime, followed in FOLLOWED.items():
        if runtime in published.runtimes:
            assert isinstance(published.by(runtime), NotLoadable)
        else:
            assert published.by(runtime) is published.by(followed)


def test_restrictions_of_runtimes_add_up() -> None:
    (lfm2,) = (each for each in PUBLISHED_CLASSES if each.name == "Lfm2ForCausalLM")
    assert lfm2.shape_in(["transformers"]) == lfm2.shape
    both = lfm2.shape_in(["transformers", "llama.cpp"])
    assert both.needs == ("attention", "short_conv")
    assert [part.wanted.get("widths") for part in both.mixers] == [None, 1]


@pytest.mark.parametrize("published", PUBLISHED_CLASSES, ids=lambda each: each.name)
def test_the_page_says_what_is_written(published: PublishedClass) -> None:
    page = (ROOT / "docs" / "spaces.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {published.name} |"))
    _, _, gguf, folder, llama_cpp, _ = (cell.strip() for cell in row.split("|"))
    assert gguf == (f"`{published.gguf}`" if published.gguf else "")
    for runtime, cell in (("transformers", folder), ("llama.cpp", llama_cpp)):
        match published.by(runtime):
            case Loadable(written=True):
                assert "not" not in cell and "written" in cell
            case Loadable():
                assert cell.startswith("loaded") and cell.endswith("not written yet")
            case NotLoadable():
                assert cell == "not loaded"
