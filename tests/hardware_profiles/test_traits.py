"""Traits: each runtime that measures has its own, whatever its platform."""

import pytest

from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.table import JAX, RUNTIMES
from hardware_profiles.traits import traits_of


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES.keys())
def test_traits_go_by_what_a_provenance_begins_with(runtime: Runtime) -> None:
    assert traits_of(runtime.provenance) == traits_of(f"{runtime.provenance}cpu")
    assert traits_of(runtime.provenance).rooflines is (runtime is JAX)


def test_a_device_that_was_not_measured_is_priced_as_under_jax() -> None:
    assert traits_of(None) == traits_of("jax-gpu")


def test_a_runtime_that_is_not_known_runs_what_was_measured_alone() -> None:
    assert not traits_of("another-cpu").rooflines
    assert not traits_of("another-cpu").last_token_only
