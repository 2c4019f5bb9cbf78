"""Fit what a runtime reaches of a device's peaks to published timings of whole models."""

from collections.abc import Sequence
from math import exp, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import genomes
from genomes import InvalidInput
from hardware_profiles.device import Device
from hardware_profiles.efficiency import Efficiency, PeakShare, Spread
from hardware_profiles.published import Comparison, Timing, compare
from hardware_profiles.roofline import rates, seconds
from hardware_profiles.work import Work, decode_work, prefill_work

STEPS = 50
TOLERANCE = 1e-6
NUDGE = 1e-4
SMALLEST = 1e-4
"""Least share of a peak that is believed."""

_Shares = list[float]
"""Shares of compute, of bandwidth, and of compute in what grows with the tokens seen."""


def fit_efficiencies(
    device: Device,
    fitted: Sequence[Timing],
    held_out: Sequence[Timing],
    *,
    runtime: str,
    context_apart: bool = True,
) -> Device:
    """The device with shares of its peaks that give `fitted` back best, in least squares of the logarithms.

    Two shares are fitted, of compute and of bandwidth, and with `context_apart` a third, of compute in what
    grows with the tokens seen: attention scores are small products and softmax, which runtimes seldom run at
    the rate of large products. The spreads are the largest errors on `held_out`. All timings are of one
    deployment. Raises `InvalidInput` without timings of both phases, or where they mix deployments.
    """
    deployments = {(t.workload.dtype, t.workload.weights) for t in (*fitted, *held_out)}
    for what, timings in (("fitted", fitted), ("held out", held_out)):
        if {t.phase for t in timings} != {"prefill", "decode"}:
            raise InvalidInput(f"device {device.name}: {what} timings; expected prefill and decode")
    if len(deployments) != 1:
        raise InvalidInput(
            f"device {device.name}: timings of several dtypes: {sorted(map(str, deployments))}"
        )
    workload = fitted[0].workload
    work = [_work(timing) for timing in fitted]
    measured = np.log([timing.latency_s for timing in fitted])
    models = ", ".join(sorted({timing.model for timing in fitted}))

    def efficiency(shares: _Shares, spreads: tuple[Spread, Spread] | None = None) -> Efficiency:
        source = f"fitted to {models}: {fitted[0].source}"
        none = Spread(faster=1, slower=1, source=source)
        prefill, decode = spreads or (none, none)
        return Efficiency.model_validate(
            {
                "runtime": runtime,
                "dtype": workload.dtype,
                "weights": workload.weight_dtype,
                "compute": PeakShare(value=shares[0], source=source),
                "bandwidth": PeakShare(value=shares[1], source=source),
                "context": PeakShare(value=shares[2], source=source) if context_apart else None,
                "prefill": prefill,
                "decode": decode,
            }
        )

    def predicted(logs: NDArray[np.float64]) -> NDArray[np.float64]:
        trial = _with(device, efficiency([_legal(exp(x)) for x in logs]))
        at = [rates(trial, workload.dtype, timing.phase)[0] for timing in fitted]
        return np.array([log(seconds(items, each)) for items, each in zip(work, at, strict=True)])

    logs = np.log([0.5] * (3 if context_apart else 2))
    for _ in range(STEPS):
        now = predicted(logs)
        slopes = np.stack([(now - predicted(logs - d)) / NUDGE for d in NUDGE * np.eye(len(logs))], axis=1)
        step = np.linalg.lstsq(slopes, measured - now, rcond=None)[0].clip(-1, 1)
        logs = (logs + step).clip(log(SMALLEST), 0)
        if abs(step).max() < TOLERANCE:
            break
    shares = [float(f"{_legal(exp(x)):.3g}") for x in logs]
    alone = _with(device, efficiency(shares))
    judged = compare(alone, held_out)
    return _with(device, efficiency(shares, (_spread(judged, "prefill"), _spread(judged, "decode"))))


def _with(device: Device, efficiency: Efficiency) -> Device:
    return device.model_copy(update={"calibration": "fitted-to-published", "efficiency": efficiency})


def _legal(share: float) -> float:
    return min(max(share, SMALLEST), 1.0)


def _work(timing: Timing) -> list[Work]:
    phase_work = prefill_work if timing.phase == "prefill" else decode_work
    return list(phase_work(genomes.model(timing.model), timing.workload))


def _spread(judged: Sequence[Comparison], phase: Literal["prefill", "decode"]) -> Spread:
    """The largest factors on time, rounded up to a hundredth."""
    comparisons = [c for c in judged if c.timing.phase == phase]
    factors = [c.timing.latency_s / c.latency_s.value for c in comparisons]
    models = ", ".join(sorted({c.timing.model for c in comparisons}))
    return Spread(
        faster=_up(max(1, 1 / min(factors))),
        slower=_up(max(1, *factors)),
        source=f"largest errors on {models}: {comparisons[0].timing.source}",
    )


def _up(value: float) -> float:
    return -(-round(value * 1e6) // 10**4) / 100
