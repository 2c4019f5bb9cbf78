"""Energy from measured power: of a step, and of a profile as a whole."""

from collections.abc import Mapping, Sequence
from statistics import median

from hardware_profiles.cases import PHASES, Phase
from hardware_profiles.device import Power


def joules(power_w: float | None, latency_s: float) -> float | None:
    """Energy of a step at a mean power; None where that is not known."""
    return None if power_w is None else power_w * latency_s


def power_figure(models: Sequence[Mapping[Phase, float | None]]) -> Power | None:
    """A profile's power from what models drew in each phase: the median while decoding, and the range of all;
    None where nobody could tell.
    """
    every = [power for phase in PHASES for drawn in models if (power := drawn.get(phase)) is not None]
    decoding = [power for drawn in models if (power := drawn.get("decode")) is not None]
    if not decoding:
        return None
    source = "measured: NVML, mean while decoding small models; the range is that of their prompts and tokens"
    return Power(value=median(decoding), low=min(every), high=max(every), source=source)
