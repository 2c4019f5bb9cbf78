"""What it costs: named devices, workloads and a cost model for latency and memory; and what it really takes.

`predict(architecture, device("raspberry-pi-5"), Workload(context=4096))` prices an architecture;
`measure(architecture, Workload(context=4096))` runs it here. Nothing here needs jax: measuring programs are
processes of their own. What measures is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from genomes import CACHE_DTYPES, WEIGHT_DTYPES, CacheDtype, WeightDtype
from hardware_profiles.catalogue import device, device_names, load_device, read_device
from hardware_profiles.cost import predict, price
from hardware_profiles.device import Device, Figure, Overhead, Peak, Power, ProbeRow, Provenance
from hardware_profiles.efficiency import Efficiency
from hardware_profiles.fit import fit_device
from hardware_profiles.machine import Machine, this_machine
from hardware_profiles.workload import DTYPES, FIGURES, Dtype, Estimate, FigureName, Prediction, Workload

if TYPE_CHECKING:
    from hardware_profiles.measuring.calibrate import calibrate
    from hardware_profiles.measuring.measure import measure
    from hardware_profiles.measuring.validate import validate

_MEASURING = {
    "calibrate": "hardware_profiles.measuring.calibrate",
    "measure": "hardware_profiles.measuring.measure",
    "validate": "hardware_profiles.measuring.validate",
}
"""Modules of the verbs that measure; a price needs none of them."""

__all__ = [
    "CACHE_DTYPES",
    "DTYPES",
    "FIGURES",
    "WEIGHT_DTYPES",
    "CacheDtype",
    "Device",
    "Dtype",
    "Efficiency",
    "Estimate",
    "Figure",
    "FigureName",
    "Machine",
    "Overhead",
    "Peak",
    "Power",
    "Prediction",
    "ProbeRow",
    "Provenance",
    "WeightDtype",
    "Workload",
    "calibrate",
    "device",
    "device_names",
    "fit_device",
    "load_device",
    "measure",
    "predict",
    "price",
    "read_device",
    "this_machine",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _MEASURING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MEASURING[name]), name)
