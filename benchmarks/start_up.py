"""How long the command line takes to start: CPU time of whole processes, for verbs that compute little.

    python benchmarks/start_up.py [--rounds 5] [--out FILE]

Each verb runs in fresh processes; the median of user and system time together is printed as a table and
written as JSON. `--help` must stay below half a second; `tests/house/test_start_up.py` holds why it does:
help imports nothing heavy.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from hardware_profiles import this_machine

OUT = Path(__file__).parent / "results" / "start_up.json"
VERBS = {
    "--help": ["--help"],
    "run --help": ["run", "--help"],
    "devices": ["devices"],
    "spaces": ["spaces"],
    "architectures": ["architectures"],
    "predict": ["predict", "lfm2-350m", "--device", "raspberry-pi-5", "--json"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one process of the command line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "archsearch.cli", *arguments], check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def modules(arguments: list[str]) -> int:
    """Number of modules that a process of the command line has imported at its end."""
    code = (
        "import contextlib, os, sys\n"
        f"sys.argv = ['archsearch', *{arguments!r}]\n"
        "from archsearch.cli.main import main\n"
        "with contextlib.suppress(SystemExit), open(os.devnull, 'w') as nowhere:\n"
        "    with contextlib.redirect_stdout(nowhere):\n"
        "        main()\n"
        "print(len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout)


def row(verb: str, rounds: int) -> dict[str, Any]:
    """The start of one verb; the first process, which may have to compile Python files, does not count."""
    arguments = VERBS[verb]
    cpu_seconds(arguments)
    times = [cpu_seconds(arguments) for _ in range(rounds)]
    return {
        "verb": verb,
        "cpu_s": round(statistics.median(times), 3),
        "least_s": round(min(times), 3),
        "most_s": round(max(times), 3),
        "modules": modules(arguments),
    }


def main() -> None:
    """Measure all verbs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    print(f"{'verb':14} {'CPU s':>7} {'least':>7} {'most':>7} {'modules':>8}")
    rows = []
    for verb in VERBS:
        rows.append(row(verb, options.rounds))
        r = rows[-1]
        print(f"{verb:14} {r['cpu_s']:7.2f} {r['least_s']:7.2f} {r['most_s']:7.2f} {r['modules']:8}")
    machine = this_machine()
    record = {"cpu": machine.processor, "python": sys.version.split()[0], "rounds": options.rounds}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record | {"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
