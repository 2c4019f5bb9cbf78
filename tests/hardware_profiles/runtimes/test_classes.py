"""Every published class by every runtime that can be installed here: what the table says of the two is true.

What archsearch writes is written and loaded. What it does not write yet is known to the runtime all the same,
and what a runtime does not load is unknown to it: a row that calls a class unknown fails once it is known.
"""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archsearch.interchange.hf import MODEL_CLASSES
from genomes import (
    PUBLISHED_CLASSES,
    InvalidInput,
    Loader,
    PublishedClass,
    Scale,
    deployable,
    loaded_as,
    preset,
    random_genome,
)
from genomes.class_shapes import block_facts
from genomes.published_classes import Loadable, NotLoadable
from hardware_profiles.runtimes.llama_cpp import gguf
from hardware_profiles.runtimes.llama_cpp.binding import LlamaCppSession, versions
from hardware_profiles.runtimes.llama_cpp.classes import GgufClass, gguf_class
from support import llama_cpp_cases, parity
from support.published_cases import LAYOUTS, small

INSTALLED: tuple[Loader, ...] = ("transformers", "llama.cpp")
ROWS = [
    pytest.param(published, runtime, id=f"{published.name}-{runtime}")
    for published in PUBLISHED_CLASSES
    for runtime in INSTALLED
]


def rows(kind: str) -> list:
    """Rows of the table: written by archsearch, loaded but not written, or not loaded."""

    def is_of(published: PublishedClass, runtime: Loader) -> bool:
        match published.by(runtime):
            case Loadable(written=written):
                return kind == ("written" if written else "not written")
            case NotLoadable():
                return kind == "not loaded"

    return [row for row in ROWS if is_of(*row.values)]


def test_every_class_has_a_small_layout() -> None:
    assert set(LAYOUTS) == {each.name for each in PUBLISHED_CLASSES}


@pytest.mark.parametrize("published", PUBLISHED_CLASSES, ids=lambda each: each.name)
def test_the_gguf_writer_has_exactly_the_classes_that_the_table_says(published: PublishedClass) -> None:
    match published.by("llama.cpp"):
        case Loadable(written=True):
            assert gguf_class(small(published.name)).name == published.gguf
        case Loadable():
            with pytest.raises(InvalidInput, match=f"does not write {published.name} as GGUF yet; it writes"):
                gguf_class(small(published.name))
        case NotLoadable():
            with pytest.raises(InvalidInput, match=r"archsearch knows no class of llama\.cpp"):
                gguf_class(small(published.name))


@pytest.mark.parametrize("name", ["lfm2", "nemotron-h", "qwen3-next", "everything"])
def test_what_deploys_to_llama_cpp_is_written_or_said_not_to_be_yet(name: str) -> None:
    target = Scale(width=256, head_dim=32, vocab_size=96, context=512)
    space = deployable(replace(preset(name), sharing=None).with_blocks(8), ["llama.cpp"], target)
    rng = np.random.default_rng(0)
    for _ in range(5):
        layout = space.decode(random_genome(space, rng))
        loaded = loaded_as(layout, target)["llama.cpp"]
        (published,) = (each for each in PUBLISHED_CLASSES if each.name == loaded)
        if published.written_for("llama.cpp"):
            assert gguf_class(layout.at(target)).name == published.gguf
        else:
            with pytest.raises(InvalidInput, match=f"archsearch does not write {loaded} as GGUF yet"):
                gguf_class(layout.at(target))


NARROW = [
    block | {"heads": 2, "kv_heads": 1} if block["op"] == "attention" else block
    for block in llama_cpp_cases.CLASSES["granitehybrid"]
]
"""Heads of attention that together do not fill the width."""


def test_heads_that_do_not_fill_the_width_are_granite_in_llama_cpp_alone() -> None:
    architecture = llama_cpp_cases.architecture(*NARROW)
    facts = [block_facts(block, architecture.width) for block in architecture.blocks]
    (granite,) = (each for each in PUBLISHED_CLASSES if each.gguf == "granitehybrid")
    assert list(granite.shape_in(["transformers"]).misfits(facts)) == [2]
    assert granite.shape_in(["llama.cpp"]).misfits(facts) == {}
    assert gguf_class(architecture).name == "granitehybrid"


# The real thing


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_heads_that_do_not_fill_the_width_run_in_llama_cpp(tmp_path: Path) -> None:
    gguf.write_gguf(llama_cpp_cases.architecture(*NARROW), tmp_path / "model.gguf")
    assert np.isfinite(run(tmp_path / "model.gguf")).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("published", "runtime"), rows("written"))
def test_what_is_written_is_loaded(published: PublishedClass, runtime: Loader, tmp_path: Path) -> None:
    if runtime == "llama.cpp":
        for architecture in (small(published.name), llama_cpp_cases.of_class(str(published.gguf))):
            assert gguf_class(architecture).name == published.gguf
            gguf.write_gguf(architecture, tmp_path / "model.gguf")
            assert np.isfinite(run(tmp_path / "model.gguf")).all()
    else:
        made = parity.make(published.name, parity.draw(published.name, 0), seed=0, tokens=9)
        model_class, architecture, params = parity.load(made)
        rng = np.random.default_rng(0)
        written = {
            name: tensor * (1 + 0.1 * rng.standard_normal(tensor.shape, np.float32))
            for name, tensor in model_class.write_weights(architecture, params).items()
        }
        theirs = parity.logits_of_folder(made.config, written, made.tokens)
        ours = parity.logits_at_once(
            architecture, model_class.read_weights(architecture, written), made.tokens
        )
        assert np.abs(theirs - made.logits).max() > 10 * parity.TOLERANCE
        assert np.abs(theirs - ours).max() < parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("published", "runtime"), rows("not written"))
def test_what_is_not_written_is_loaded_all_the_same(
    published: PublishedClass, runtime: Loader, tmp_path: Path
) -> None:
    entry = published.by(runtime)
    assert isinstance(entry, Loadable)
    if runtime == "llama.cpp":
        build = int(versions()["llama.cpp"].removeprefix("b"))
        assert known_to_llama_cpp(str(published.gguf), tmp_path) == (build >= entry.since)
    else:
        assert published.name not in MODEL_CLASSES
        assert parity.runs_in_transformers(published.name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("published", "runtime"), rows("not loaded"))
def test_what_is_not_loaded_is_unknown(published: PublishedClass, runtime: Loader, tmp_path: Path) -> None:
    if runtime == "llama.cpp":
        words = re.findall("[A-Z][a-z]*", published.name.removesuffix("ForCausalLM"))
        for separator in ("", "_", "-"):
            assert not known_to_llama_cpp(separator.join(words).lower(), tmp_path)
    else:
        assert not parity.runs_in_transformers(published.name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "op", "heads"),
    [
        ("lfm2", "attention", 2),
        ("mamba2", "mamba2", 4),
        ("mamba2", "mamba2", 16),
        ("granitehybrid", "mamba2", 4),
    ],
)
def test_other_widths_than_the_table_asks_do_not_run(
    name: str, op: str, heads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published,) = (each for each in PUBLISHED_CLASSES if each.gguf == name)
    asked = [part for part in published.shape_in(["llama.cpp"]).parts if part.op == op]
    assert all("widths" in part.wanted for part in asked)
    blocks = [
        block | ({"heads": heads, "kv_heads": 1} if op == "attention" else {"heads": heads})
        if block["op"] == op
        else block
        for block in llama_cpp_cases.CLASSES[name]
    ]
    forced = GgufClass(name, published.shape.layered, published.scaled)
    monkeypatch.setattr(gguf, "gguf_class", lambda _: forced)
    gguf.write_gguf(llama_cpp_cases.architecture(*blocks), tmp_path / "model.gguf")
    code = f"""if True:
        from hardware_profiles.runtimes.llama_cpp.binding import LlamaCppSession
        LlamaCppSession({str(tmp_path / "model.gguf")!r}, 8).prefill()
    """
    environment = os.environ | {"GGML_NO_BACKTRACE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and ("wrong shape" in done.stderr or done.returncode < 0), done.stderr


def run(path: Path) -> np.ndarray:
    """Logits of a prompt."""
    session = LlamaCppSession(path, 8)
    try:
        session.clear()
        session.prefill()
        return session.logits()
    finally:
        session.close()


def known_to_llama_cpp(architecture: str, folder: Path) -> bool:
    """Whether llama.cpp knows the architecture of a file that holds nothing else."""
    import gguf as package

    path = folder / f"{architecture}.gguf"
    writer = package.GGUFWriter(str(path), architecture)
    writer.add_tensor("nothing", np.zeros(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(RuntimeError, match=r"unknown model architecture|key not found in model") as refusal:
        LlamaCppSession(path, 8)
    return "unknown model architecture" not in str(refusal.value)
