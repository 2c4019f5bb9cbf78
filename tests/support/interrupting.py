"""The command line in processes of their own, stopped by signals."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

PATIENCE_S = 400.0
LISTEN_AND_RUN = """
import signal
# A shell that starts pytest in the background has it ignore SIGINT, which children inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
from archsearch.cli.main import main
main()
"""


def start(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """`archsearch` with these arguments, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", LISTEN_AND_RUN, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def wait_until(process: "subprocess.Popen[str]", seen: Callable[[], object]) -> None:
    """Wait for something to be true; the process must not end before."""
    give_up = time.monotonic() + PATIENCE_S
    while not seen():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < give_up
        time.sleep(0.02)


def descendants(process: "subprocess.Popen[str]", words: str) -> list[psutil.Process]:
    """The children of a process, and theirs, whose command holds these words."""
    matching = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if words in " ".join(child.cmdline()):
                matching.append(child)
        except psutil.NoSuchProcess:
            continue
    return matching


def stop(process: "subprocess.Popen[str]", number: int, group: bool) -> tuple[int, str]:
    """Send a signal, as a terminal does to the whole group; exit code and stderr, after all has ended."""
    started = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    _, alive = psutil.wait_procs(started, timeout=10.0)
    assert alive == []
    return process.returncode, errors
