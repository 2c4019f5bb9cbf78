"""Ray clusters of this machine, started by `ray start` as users start them."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

RAY = Path(sys.executable).parent / "ray"


def ray(folder: Path, *arguments: str) -> str:
    """Run `ray`, which must succeed, and give what it printed; no pipe, which its daemons would hold open."""
    path = folder / "ray.log"
    with path.open("w") as log:
        done = subprocess.run([RAY, *arguments], stdout=log, stderr=log, timeout=120, check=False)
    assert done.returncode == 0, path.read_text()
    return path.read_text()


@contextlib.contextmanager
def started(folder: Path) -> Iterator[str]:
    """A cluster of one node with two CPUs; what `ray start` printed. Its processes are ended, no others."""
    before = {process.pid for process in psutil.process_iter()}
    try:
        yield ray(folder, "start", "--head", "--num-cpus=2", "--port=0", "--disable-usage-stats")
    finally:
        for process in psutil.process_iter(["cmdline"]):
            if process.pid not in before and "ray" in " ".join(process.info["cmdline"] or []):
                process.kill()
