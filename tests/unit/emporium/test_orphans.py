"""A process ends with the one that has started it, also where that was quicker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = "from emporium.orphans import end_with; end_with({parent}); print('goes on')"


def run(parent: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(parent=parent)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells a child.")
def test_one_whose_parent_is_gone_already_ends() -> None:
    gone = run(os.getpid() + 1)
    assert (gone.returncode, gone.stdout) == (-signal.SIGTERM, "")


def test_one_whose_parent_is_there_goes_on() -> None:
    assert run(os.getpid()).stdout == "goes on\n"
