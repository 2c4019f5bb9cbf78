"""A measuring process ends with the one that waits for its answer, where Linux can do that."""

import ctypes
import os
import signal
import sys
from contextlib import suppress

PARENT = "ARCHSEARCH_PARENT"
"""Environment variable that holds the process id of who started this process."""
_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG` of Linux's prctl(2)."""


def end_with_parent() -> None:
    """Have this process killed when its parent is; end it now where the parent is gone already."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
        parent = os.getppid()
        if os.environ.get(PARENT, str(parent)) != str(parent):
            sys.exit(1)
