"""Traits: each runtime that measures has its own, whatever its platform."""

from dataclasses import replace

import pytest

from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.table import JAX, RUNTIMES
from hardware_profiles.traits import traits_of
from hardware_profiles.workload import Workload


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES.keys())
def test_traits_go_by_what_a_provenance_begins_with(runtime: Runtime) -> None:
    assert traits_of(runtime.provenance) == traits_of(f"{runtime.provenance}cpu")
    assert traits_of(runtime.provenance).rooflines is (runtime is JAX)


def test_a_device_that_was_not_measured_is_priced_as_under_jax_but_for_int4() -> None:
    assert replace(traits_of(None), int4_head=None) == traits_of("jax-gpu")


@pytest.mark.parametrize(
    ("runtime", "head"),
    [(None, "q6_k"), ("llama.cpp-cpu", "q6_k"), ("jax-cpu", None), ("onnxruntime-cpu", None)],
)
def test_the_table_of_the_logits_is_stored_as_the_runtime_s_models_come(runtime, head) -> None:
    shipped = traits_of(runtime).shipped
    assert shipped(Workload(weights="int4")) == Workload(weights="int4", head=head)
    for weights in (None, "int8", "float16"):
        assert shipped(Workload(weights=weights)) == Workload(weights=weights)


def test_a_runtime_that_is_not_known_runs_what_was_measured_alone() -> None:
    assert not traits_of("another-cpu").rooflines
    assert not traits_of("another-cpu").last_token_only
