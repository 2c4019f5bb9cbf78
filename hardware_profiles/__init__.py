"""What it costs: named devices, workloads and a cost model for latency and memory.

`predict(architecture, device("raspberry-pi-5"), Workload(context=4096))`. Nothing here needs jax.
"""

from genomes import CACHE_DTYPES, WEIGHT_DTYPES, CacheDtype, WeightDtype
from hardware_profiles.catalogue import device, device_names, load_device, read_device
from hardware_profiles.cost import predict
from hardware_profiles.device import Device, Figure, Overhead, Peak, Power, Provenance, Row
from hardware_profiles.efficiency import Efficiency
from hardware_profiles.fit import fit_device
from hardware_profiles.machine import Machine, this_machine
from hardware_profiles.workload import (
    DTYPES,
    Dtype,
    Estimate,
    Prediction,
    Workload,
)

__all__ = [
    "CACHE_DTYPES",
    "DTYPES",
    "WEIGHT_DTYPES",
    "CacheDtype",
    "Device",
    "Dtype",
    "Efficiency",
    "Estimate",
    "Figure",
    "Machine",
    "Overhead",
    "Peak",
    "Power",
    "Prediction",
    "Provenance",
    "Row",
    "WeightDtype",
    "Workload",
    "device",
    "device_names",
    "fit_device",
    "load_device",
    "predict",
    "read_device",
    "this_machine",
]
