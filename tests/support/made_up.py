"""Profiles as a calibration would give them, of made-up times."""

from dataclasses import replace
from typing import Any

from hardware_profiles import Device
from hardware_profiles.cases import Measured
from hardware_profiles.measuring import profile as runtime_profile
from hardware_profiles.measuring.grid import Grid, cases
from hardware_profiles.measuring.rows import Origin
from hardware_profiles.runtimes.base import Runtime


def profile(runtime: Runtime, grid: Grid, origin: dict[str, Any]) -> Device:
    """One of this machine, with all operators of a runtime other than jax at width 256."""
    rows = [
        Measured(
            case=case,
            prefill_s=1e-3,
            decode_s=1e-4,
            prefill_spread=0.0,
            decode_spread=0.0,
            working_bytes=1e6,
            drift={"prefill": 1.0, "decode": 1.0},
        )
        for case in cases(replace(grid, widths=(256,)), runtime.layouts, runtime)
    ]
    return runtime_profile.device("made-up", rows, Origin.read(origin), None)
