"""How much of the machine a process has used so far, and which machine it is.

Linux tells in `/proc`; elsewhere a process's usage is not known.
"""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "aiortc", "av", "Django", "channels", "celery", "redis")


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_s: float
    rss_mb: float


def usage(pid: int) -> Usage | None:
    """CPU time of all threads since the start, and the memory held now."""
    process = Path("/proc") / str(pid)
    if not process.exists():
        return None
    # The second field is a name in brackets, which may hold anything.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    resident_pages = int((process / "statm").read_text().split()[1])
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        rss_mb=resident_pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    )


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
