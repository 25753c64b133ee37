"""Takes over an archive of labelled pictures: all of it, or nothing and why.

Everything is read and checked first, into a folder beside the datasets; only what is
right as a whole is moved, so a dataset never holds half of an import.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction

from apps.inference.datasets import coco, folders, keeping, pictures
from apps.inference.datasets.annotations import Annotation, checked
from apps.inference.datasets.archives import Archive, opened
from apps.inference.datasets.entries import Contents, Entry
from apps.inference.datasets.pictures import Picture
from apps.inference.exceptions import DatasetError, sentence_of
from apps.inference.jobs import Progress
from apps.inference.models import Dataset, Job
from apps.inference.registering import uploads
from apps.inference.words import counted

# More of them tell nobody more.
MOST_TOLD = 50


@dataclass(frozen=True, slots=True)
class Imported:
    """How many pictures were new, were relabelled, and were there several times."""

    added: int
    changed: int
    repeated: int


def run(parameters: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The job `import`: into `dataset`, from `source` as `uploads` names files."""
    source = parameters["source"]
    dataset = keeping.find(parameters["dataset"])
    imported = import_archive(
        dataset, Path(source.removeprefix("file:")), progress, uploads.shown(source)
    )
    uploads.remove(source)
    return {
        "added": imported.added,
        "changed": imported.changed,
        "repeated": imported.repeated,
    }


def ended(job: Job) -> None:
    """Nobody will read the upload: as long as it may be begun anew, that is needed."""
    source = job.parameters["source"]
    transaction.on_commit(lambda: uploads.remove(source), robust=True)


def import_archive(
    dataset: Dataset, path: Path, progress: Progress, source: str = ""
) -> Imported:
    """Import a folder or a ZIP file: COCO's where a JSON file is in it, else folders.

    Raises:
        DatasetError: nothing was imported, with every reason.
    """
    try:
        with opened(path) as archive, _staging() as directory:
            contents = _contents(archive)
            staged = _Staged(archive, directory)
            for number, entry in enumerate(contents.entries):
                progress.tell(0.9 * number / len(contents.entries), "Reading pictures.")
                staged.take(entry)
            _refuse(contents.problems + staged.problems, len(contents.entries))
            progress.tell(0.9, "Taking them over.")
            return _take_over(dataset, staged, source or path.name)
    except OSError as error:
        raise DatasetError(f"Nothing was imported. {sentence_of(error)}") from error
    except IntegrityError as error:
        raise DatasetError("The dataset has been removed meanwhile.") from error


def _contents(archive: Archive) -> Contents:
    is_coco = any(name.casefold().endswith(".json") for name in archive.names)
    contents = coco.read(archive) if is_coco else folders.read(archive)
    if not contents.entries and not contents.problems:
        contents.problems.append("There are no pictures in it.")
    return contents


def _refuse(problems: list[str], entries: int) -> None:
    if not problems:
        return
    told = problems[:MOST_TOLD]
    if rest := len(problems) - len(told):
        told.append(f"And {rest:,} more.")
    all_of_it = f" of {counted(entries, 'picture')}" if entries else ""
    raise DatasetError("\n".join((f"Nothing{all_of_it} was imported:", *told)))


@contextmanager
def _staging() -> Iterator[Path]:
    directory = keeping.staging_shelf() / secrets.token_hex(8)
    keeping.make_private(directory.parent)
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(slots=True)
class _Staged:
    """What has been read and is right, and a sentence for each that isn't."""

    archive: Archive
    directory: Path
    taken: dict[str, _Taken] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    repeated: int = 0

    def take(self, entry: Entry) -> None:
        try:
            picture = pictures.read(self.archive.read(entry.name, pictures.MOST_BYTES))
            _refuse_size(picture, entry)
            said = checked(entry.annotations, picture.width, picture.height)
            self._add(entry, picture, said)
        except DatasetError as error:
            self.problems.append(f"{entry.name}: {error}")

    def _add(self, entry: Entry, picture: Picture, said: list[Annotation]) -> None:
        before = self.taken.get(picture.sha256)
        if before is None:
            (self.directory / picture.sha256).write_bytes(picture.encoded)
            # Its pixels are on the disk now, and need no memory.
            self.taken[picture.sha256] = _Taken(
                entry, replace(picture, encoded=b""), said
            )
        elif before.annotations != said:
            raise DatasetError(
                f"It is the same picture as {before.entry.name}, and something else is"
                " said of it."
            )
        else:
            self.repeated += 1


@dataclass(frozen=True, slots=True)
class _Taken:
    entry: Entry
    picture: Picture
    annotations: list[Annotation]


def _refuse_size(picture: Picture, entry: Entry) -> None:
    size = picture.width, picture.height
    if entry.said_size not in {None, size}:
        raise DatasetError(
            "It is {} x {} pixels, and is said to be {} x {}.".format(
                *size,
                *entry.said_size,
            )
        )


def _take_over(dataset: Dataset, staged: _Staged, source: str) -> Imported:
    """First the files, which nobody sees without a row; then all rows at once."""
    known = set(dataset.examples.values_list("sha256", flat=True))
    moved: list[Path] = []
    keeping.make_private(dataset.directory)
    try:
        for sha256, taken in staged.taken.items():
            target = dataset.directory / keeping.file_of(taken.picture)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged.directory / sha256, target)
                moved.append(target)
            target.touch()  # its row comes soon: see `leftovers`
        with transaction.atomic():
            keeping.put_rows(
                [
                    keeping.row_of(
                        dataset,
                        taken.picture,
                        taken.annotations,
                        taken.entry.split,
                        f"{source}: {taken.entry.name}",
                    )
                    for taken in staged.taken.values()
                ]
            )
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        raise
    changed = len(known & staged.taken.keys())
    return Imported(len(staged.taken) - changed, changed, staged.repeated)
