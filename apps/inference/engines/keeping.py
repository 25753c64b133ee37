"""Keeps what took an engine long to compile, so that the next process reads it instead.

A folder for each network in the user's cache, named by a digest of all that it depends
on. Losing one costs the time to compile it again and nothing else, so a full disk is
logged and no error. Knows files, not what is in them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

# Of those not used for longest, more are removed: each is as large as its weights, or
# for TensorRT, its weights in half precision as often as there are shapes of batches.
MOST_KEPT = 16

_CODE = Path(__file__).parents[1]
_BUILDERS = ("predictors/*.py", "engines/*.py", "preprocessing.py")


def key_of(*facts: object) -> str:
    """The digest of facts and of the code that builds networks.

    Whoever changes that code needn't think of what is kept.
    """
    digest = hashlib.sha256(_digest_of_code().encode())
    for fact in facts:
        digest.update(f"\n{fact}".encode())
    return digest.hexdigest()


def find(key: str) -> Path | None:
    """The folder kept under a key, whose time of use this is."""
    folder = _shelf() / key
    try:
        os.utime(folder)
    except OSError:
        return None
    return folder


def keep(key: str, write: Callable[[Path], None]) -> Path | None:
    """Have files written into a new folder, and keep them once they are whole.

    What is kept under the key already stays and is joined by files of other names.
    Returns none where the disk doesn't take them.
    """
    shelf = _shelf()
    try:
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf, ignore_cleanup_errors=True) as name:
            folder = Path(name, key)
            folder.mkdir()
            write(folder)
            for path in folder.iterdir():
                _to_disk(path)
            _add(folder, shelf / key)
        _remove_unused(shelf)
    except (OSError, RuntimeError) as error:  # libraries write with errors of their own
        logger.warning("A compiled network isn't kept: %s", error)
        return None
    return shelf / key


def forget(key: str) -> None:
    """Remove what turned out to be unreadable."""
    shutil.rmtree(_shelf() / key, ignore_errors=True)


def _shelf() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "hot-dog-emporium", "networks")


def _add(written: Path, kept: Path) -> None:
    if not kept.exists():
        written.rename(kept)
        return
    for path in written.iterdir():
        if not (kept / path.name).exists():  # somebody else may have been faster
            path.rename(kept / path.name)


def _to_disk(path: Path) -> None:
    """Or a loss of power could leave a file that has its name but not its content."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_unused(shelf: Path) -> None:
    kept = [path for path in shelf.iterdir() if len(path.name) == 64]
    kept.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[MOST_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


@cache
def _digest_of_code() -> str:
    digest = hashlib.sha256()
    for pattern in _BUILDERS:
        for path in sorted(_CODE.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()
