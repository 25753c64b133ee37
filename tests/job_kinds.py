"""Kinds of jobs for tests: each ends in another way."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from django.db import connection

from apps.inference.exceptions import InferenceError
from apps.inference.jobs import Progress

Parameters = dict[str, Any]


def waits(parameters: Parameters, progress: Progress) -> dict[str, Any]:
    """Until the file `until` is there; each beginning adds a line to `begun`."""
    with Path(parameters["begun"]).open("a") as begun:
        begun.write(f"{os.getpid()} {os.nice(0)}\n")
    until = Path(parameters["until"])
    while not until.exists():
        progress.tell(0.25, "Waiting for a file.")
        time.sleep(0.02)
    return {"said": until.read_text()}


def deaf(parameters: Parameters, progress: Progress) -> dict[str, Any]:
    progress.tell(0.5, "Not listening.")
    time.sleep(3600)
    return {}


def refuses(parameters: Parameters, progress: Progress) -> dict[str, Any]:
    raise InferenceError("The pictures are of something else.")


def breaks(parameters: Parameters, progress: Progress) -> dict[str, Any]:
    raise ValueError("told to break")


def dies(parameters: Parameters, progress: Progress) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def fills_the_disk(parameters: Parameters, progress: Progress) -> dict[str, Any]:
    with Path("/dev/full").open("w") as file:
        file.write("one byte too many")
    return {}


def is_cut_off(parameters: Parameters, progress: Progress) -> dict[str, Any]:
    connection.connection.close()
    return {}
