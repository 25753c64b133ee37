"""Files that no row names, because a process was killed between the two.

Only what is surely nobody's is removed: a file that is just being written has no row
yet, and what is older than the database was left by another one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Min

logger = logging.getLogger(__name__)

# A row comes within seconds, of a large import within minutes.
GRACE_S = 3600


def unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def remove(
    files: Iterable[Path],
    named: Callable[[], Iterable[Path]],
    remove_one: Callable[[Path], None] = unlink,
) -> int:
    """Remove those of the files that no row names; returns how many there were.

    Args:
        files: what was found.
        named: gives what the rows name. It is asked behind `files`, so that a row that
            has come meanwhile counts.
        remove_one: how.
    """
    born_at = _database_born_at()
    old = [path for path in files if _is_old(path, born_at)]
    kept = set(named()) if old else set()
    # Looked at once more: who writes the same file again makes it new.
    leftovers = [path for path in old if path not in kept and _is_old(path, born_at)]
    return sum(_is_removed(path, remove_one) for path in leftovers)


def _is_old(path: Path, born_at: float) -> bool:
    try:
        written_at = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return born_at <= written_at < time.time() - GRACE_S


def _database_born_at() -> float:
    """When its first migration was applied, which a copy of it says too."""
    migrations = MigrationRecorder(connection).migration_qs
    return float(migrations.aggregate(at=Min("applied"))["at"].timestamp())


def _is_removed(path: Path, remove_one: Callable[[Path], None]) -> bool:
    try:
        remove_one(path)
    except OSError as error:
        logger.error("A file that no row names could not be removed: %s", error)
        return False
    return True
