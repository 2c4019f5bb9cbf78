"""What it costs: named devices, workloads and a cost model for latency and memory.

`predict(architecture, device("raspberry-pi-5"), Workload(context=4096))`. Nothing here needs jax.
"""

from hardware_profiles.catalogue import device, device_names, load_device, read_device
from hardware_profiles.cost import predict
from hardware_profiles.device import Device, Figure, Overhead, Peak, Provenance, Row
from hardware_profiles.fit import fit_device
from hardware_profiles.machine import Machine, this_machine
from hardware_profiles.workload import DTYPES, Dtype, Estimate, Prediction, Workload

__all__ = [
    "DTYPES",
    "Device",
    "Dtype",
    "Estimate",
    "Figure",
    "Machine",
    "Overhead",
    "Peak",
    "Prediction",
    "Provenance",
    "Row",
    "Workload",
    "device",
    "device_names",
    "fit_device",
    "load_device",
    "predict",
    "read_device",
    "this_machine",
]
