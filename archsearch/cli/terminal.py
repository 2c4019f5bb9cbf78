"""The terminal: results go to stdout, everything else to stderr; what ends a verb becomes an exit code."""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

out_console = Console()
error_console = Console(stderr=True)


def tell(line: str) -> None:
    """Print a line of the result."""
    out_console.print(line, highlight=False, markup=False, soft_wrap=True)


def say(line: str) -> None:
    """Print a line that is no result."""
    error_console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """Print a result for programs."""
    print(json.dumps(value, indent=1))  # noqa: T201


def exit_code(verb: Callable[[], Any]) -> int:
    """Run a verb and turn what it raises into a message and an exit code: 0 done, 1 failed, 2 wrong input."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        verb()
    except SystemExit as end:  # typer has shown bad arguments (2) and an interruption (1 or 130) itself
        return 0 if not end.code else 2 if end.code == 2 else 1
    except KeyboardInterrupt:
        error_console.print("stopped", highlight=False)
        return 1
    except BrokenPipeError:
        # Whoever read the output has enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _fail(error)
    return 0


def _fail(error: Exception) -> int:
    from genomes import InvalidInput  # here, because the help of the verbs needs no genomes

    if os.environ.get("ARCHSEARCH_DEBUG"):
        raise error
    code = 2 if isinstance(error, InvalidInput) else 1
    text = str(error) or type(error).__name__
    if code == 1 and not isinstance(error, RuntimeError | OSError):
        text = f"{type(error).__name__}: {text} (ARCHSEARCH_DEBUG=1 shows where)"
    say(f"archsearch: {text}")
    return code
