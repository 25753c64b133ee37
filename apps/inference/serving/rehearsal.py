"""Loads a version in a process of its own, before a worker that serves loads it too.

To build a network takes seconds, most of them under Python's lock: live frames would
wait for them. Here others do it, behind everybody else, and what the engine keeps of it
the worker reads in hundredths of a second. Nor does a network that kills whoever builds
it kill the worker.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from apps.inference.exceptions import InferenceError
from apps.inference.models import ModelVersion

logger = logging.getLogger(__name__)

REFUSED = 3  # the exit status with which the command says why in one sentence
LIMIT_S = 1800.0  # TensorRT takes minutes
# A tenth of a busy processor, and for a minute only: nobody waits for ever.
NICENESS = 10
STANDS_BEHIND_S = 60.0
_PATIENCE_S = 0.2


def rehearse(version: ModelVersion, is_over: Callable[[], bool]) -> None:
    """Returns once the version has been loaded, or nobody waits for that any more.

    Raises:
        InferenceError: it can't be, with a sentence for the operator.
    """
    with subprocess.Popen(
        command(version),
        cwd=settings.BASE_DIR,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # for `stand_behind_live_frames`
    ) as process:
        try:
            said = _wait(process, is_over)
        finally:
            process.kill()
    if said is None or process.returncode == 0:
        return
    if process.returncode == REFUSED:
        raise InferenceError(said.splitlines()[-1].removeprefix("CommandError: "))
    logger.error(
        "%s could not be rehearsed (%s):\n%s", version, process.returncode, said
    )
    if process.returncode < 0:
        raise InferenceError("It kills whoever loads it; perhaps memory is short.")
    raise InferenceError("Loading it failed; the worker's log says why.")


def command(version: ModelVersion) -> list[str]:
    return [sys.executable, "manage.py", "models", "rehearse", str(version.pk)]


def stand_behind_live_frames(niceness: int = NICENESS) -> None:
    """Leave the processor to who answers, for this process and what it starts.

    Linux shares a processor between sessions of processes first, and niceness counts
    only within one: `man 7 sched`, the autogroup feature.
    """
    os.nice(niceness)
    autogroup = Path("/proc/self/autogroup")
    has_its_own = os.getsid(0) == os.getpid()
    if has_its_own and autogroup.exists():
        autogroup.write_text(str(niceness))


def stand_beside_live_frames(pid: int) -> None:
    """Give a process that stood behind, and leads its own session, its full share.

    Anybody may lift the niceness of a session that is theirs, only the privileged that
    of a process; but where sessions count, that of a process alone in one doesn't.
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("0")
    with suppress(OSError):
        os.setpriority(os.PRIO_PGRP, pid, 0)


def _wait(process: subprocess.Popen[str], is_over: Callable[[], bool]) -> str | None:
    """What it said on stderr until its end; nothing where nobody waits any more."""
    begun, stands_behind = time.monotonic(), True
    while True:
        try:
            return process.communicate(timeout=_PATIENCE_S)[1]
        except subprocess.TimeoutExpired:
            if is_over():
                return None
        took = time.monotonic() - begun
        if took > LIMIT_S:
            raise InferenceError("Loading it takes longer than half an hour.")
        if stands_behind and took > STANDS_BEHIND_S:
            stand_beside_live_frames(process.pid)
            stands_behind = False
