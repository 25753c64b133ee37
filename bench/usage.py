"""How much of the machine a process has used so far, and which machine it is."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("torch", "aiortc", "av", "Django", "channels", "celery", "redis")


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_s: float
    rss_mb: float


def usage(pid: int) -> Usage:
    """CPU time since the start and the memory held now, of a process and its children.

    Of this process, its own alone: its children are what it measures.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    leader = psutil.Process(pid)
    children = [] if pid == os.getpid() else leader.children(recursive=True)
    usages = [_own_usage(each) for each in (leader, *children)]
    return Usage(
        cpu_s=sum(each.cpu_s for each in usages),
        rss_mb=sum(each.rss_mb for each in usages),
    )


def _own_usage(process: psutil.Process) -> Usage:
    with process.oneshot():
        times = process.cpu_times()
        return Usage(times.user + times.system, process.memory_info().rss / 1e6)


def describe_machine() -> dict[str, object]:
    """What a reader must know to compare figures; `load` is before the bench."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": [round(load, 2) for load in os.getloadavg()],
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (
        line.partition(": ")[2] for line in lines if line.startswith("model name")
    )
    return next(models, platform.processor())


def _commit() -> str | None:
    """The commit, marked when what runs differs from it; None outside of git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
