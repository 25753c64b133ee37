"""What the disk says to a download, in sentences."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from apps.inference.exceptions import SourceDiskError

# The last stands for a limit on the size of files (`ulimit -f`).
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def refuse_too_large(name: str, needed: int, directory: Path) -> None:
    """Refuse before the first byte what the disk has no room for.

    Raises:
        SourceDiskError
    """
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise SourceDiskError(
            f"{name} needs {as_size(needed)} more, and the disk of {directory} has"
            f" {as_size(free)} left."
        )


def unwritten(name: str, directory: Path, error: OSError) -> SourceDiskError:
    if error.errno in _FULL:
        return SourceDiskError(
            f"The disk of {directory} ran full while {name} came in; what there was of"
            " it is removed."
        )
    return SourceDiskError(f"{directory} can't be written to: {error.strerror}.")


def as_size(count: int) -> str:
    """Write a number of bytes for people."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
