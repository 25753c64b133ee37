"""Removes what killed processes have left of datasets: imports, and files without rows.

A dataset that is gone itself counts as one without rows.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.conf import settings

from apps.inference import leftovers
from apps.inference.datasets import keeping
from apps.inference.models import Example

# An import that takes longer writes to its folder all the time.
FORGOTTEN_AFTER_S = 24 * 3600
# A picture, or a part of one: whatever else lies there isn't ours.
_OURS = re.compile(r"[0-9a-f]{64}\.(jpg|png|webp)|\.[0-9a-f]{16}")


def remove_leftovers() -> int:
    """Returns how many files there were in datasets."""
    _remove_staged()
    return sum(map(_remove_of, _directories()))


def _directories() -> list[Path]:
    shelf = Path(settings.DATASETS_DIR)
    if not shelf.is_dir():
        return []
    return [
        path
        for path in shelf.iterdir()
        if path.is_dir() and path != keeping.staging_shelf()
    ]


def _remove_of(directory: Path) -> int:
    return leftovers.remove(_files(directory), partial(_named, directory))


def _files(directory: Path) -> Iterator[Path]:
    for path in directory.glob("[0-9a-f][0-9a-f]/*"):
        if _OURS.fullmatch(path.name):
            yield path


def _named(directory: Path) -> Iterator[Path]:
    examples = Example.objects.filter(dataset__name=directory.name)
    for file in examples.values_list("file", flat=True).iterator():
        yield directory / file


def _remove_staged() -> None:
    shelf = keeping.staging_shelf()
    for left in shelf.iterdir() if shelf.is_dir() else ():
        if time.time() - left.stat().st_mtime > FORGOTTEN_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
