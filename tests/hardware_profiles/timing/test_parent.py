"""A measuring process that is started by nobody, by its parent, and by one that is gone."""

import os
import subprocess
import sys

import pytest

from hardware_profiles.timing.parent import PARENT

CODE = "from hardware_profiles.timing.parent import end_with_parent as end; end(); print('goes on')"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
@pytest.mark.parametrize(
    ("parent", "code"), [(None, 0), (os.getpid(), 0), (2**22 + 1, 1)], ids=["unsaid", "this process", "gone"]
)
def test_a_process_goes_on_unless_its_parent_is_gone(parent: int | None, code: int) -> None:
    variables = {} if parent is None else {PARENT: str(parent)}
    inherited = {name: value for name, value in os.environ.items() if name != PARENT}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code and done.stdout == ("goes on\n" if code == 0 else "")
