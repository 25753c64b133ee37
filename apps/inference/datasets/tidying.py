"""Removes what is left of datasets where something ended in its middle.

Files without rows, of which a dataset that is gone itself has none; what killed imports
had read so far; and uploads whose import was cancelled before it began.
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
from apps.inference.models import Example, Job, ModelVersion
from apps.inference.registering import uploads

# An import that takes longer writes to its folder all the time.
FORGOTTEN_AFTER_S = 24 * 3600
# A picture, or a part of one: whatever else lies there isn't ours.
_OURS = re.compile(r"[0-9a-f]{64}\.(jpg|png|webp)|\.[0-9a-f]{16}")


def remove_leftovers() -> int:
    """Returns how many pictures and uploads there were."""
    _remove_staged()
    return sum(map(_remove_of, _directories())) + _remove_uploads()


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


def _remove_uploads() -> int:
    return leftovers.remove(
        uploads.stored(),
        _needed_uploads,
        lambda path: uploads.remove(f"file:{path}"),
    )


def _needed_uploads() -> Iterator[Path]:
    """Of jobs that aren't over, and whatever a version says that it comes from."""
    under_way = Job.objects.filter(state__in=Job.UNDER_WAY)
    said = under_way.values_list("parameters", flat=True)
    sources = [each.get("source", "") for each in said]
    for source in (*sources, *ModelVersion.objects.values_list("source", flat=True)):
        yield Path(source.removeprefix("file:"))


def _remove_staged() -> None:
    shelf = keeping.staging_shelf()
    for left in shelf.iterdir() if shelf.is_dir() else ():
        if time.time() - left.stat().st_mtime > FORGOTTEN_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
