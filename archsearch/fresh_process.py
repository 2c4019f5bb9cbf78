"""Fresh processes for what is measured: the driver itself stays free of jax."""

import os
from importlib.util import find_spec
from pathlib import Path


def environment() -> dict[str, str]:
    """Environment in which a process finds this very `proxies`, before what the user's own path says."""
    spec = find_spec("proxies")
    packages = list(spec.submodule_search_locations or []) if spec else []
    roots = [str(Path(package).parent) for package in packages]
    inherited = os.environ.get("PYTHONPATH", "")
    return os.environ | {"PYTHONPATH": os.pathsep.join([*roots, *([inherited] if inherited else [])])}
