"""A runtime, as drivers know it: what it runs, what measures with it, what a calibration measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

from genomes import InvalidInput
from hardware_profiles.machine import this_machine
from hardware_profiles.workload import Workload


def usable_threads() -> int:
    """CPUs that this process may use."""
    return this_machine().cores


@dataclass(frozen=True)
class Runtime:
    """A runtime that fresh processes measure with."""

    name: str
    provenance: str
    """What `provenance.runtime` of its profiles begins with."""
    sessions: str
    """Its `timing.session.Sessions` as `package.module:NAME`, imported in the process that measures."""
    dtypes: tuple[str, ...]
    """Types of the arithmetic."""
    weights: tuple[str, ...]
    """What weights are stored in, where that is not the dtype."""
    caches: tuple[str, ...]
    """What states are stored in, where that is not the dtype."""
    layouts: tuple[str, ...]
    """Blocks that a calibration measures; those of an operator are fitted together."""
    whole_models: tuple[str, ...]
    """Layouts of small models that it runs, which tell what a process holds beside weights and states."""
    full_grid_types: tuple[str, ...]
    """Types of the full grid, as `read_types` reads them."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of its processes."""
    packages: tuple[str, ...] = ()
    """Packages beyond the core installation."""
    install: str = ""
    """The command that installs them."""
    largest_batch: int | None = None
    """Sequences that it is measured with side by side; None: any number."""
    further_depths: bool = True
    """Whether one process decodes at depths other than the context's too."""
    threads: Callable[[], int] = usable_threads
    """Threads used when measuring on this machine."""

    def require(self) -> None:
        """Raise `InvalidInput` saying how to install what is missing."""
        if missing := [name for name in self.packages if find_spec(name) is None]:
            raise InvalidInput(
                f"the runtime {self.name} needs {' and '.join(missing)}; install them with {self.install}"
            )

    def check(self, workload: Workload, depths: Sequence[int] = ()) -> None:
        """Raise `InvalidInput` for types, a batch or depths that the runtime is not measured with."""
        if self.largest_batch is not None and workload.batch > self.largest_batch:
            raise InvalidInput(
                f"batch = {workload.batch}; {self.name} is measured with {self.largest_batch} at most"
            )
        if depths and not self.further_depths:
            raise InvalidInput(
                f"depths = {list(depths)}; {self.name} is measured at one depth, that of the context: ask "
                "for another context"
            )
        dtype = workload.dtype
        for name, value, legal in (
            ("dtype", dtype, self.dtypes),
            ("weights", workload.weight_dtype, (dtype, *self.weights)),
            ("cache", workload.cache_dtype, (dtype, *self.caches)),
        ):
            if value not in legal:
                legal_text = ", ".join(dict.fromkeys(legal))
                raise InvalidInput(
                    f"{name} = {value!r}; with dtype = {dtype!r}, {self.name} is measured with {legal_text}"
                )
