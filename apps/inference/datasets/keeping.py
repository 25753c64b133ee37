"""Where examples lie, and which of them are held out: one file and one row for each.

A file is named by its checksum, so it is never written over by another picture; it is
there before its row is, and leaves after it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError, Q
from numpy.typing import NDArray

from apps.inference.datasets import pictures
from apps.inference.datasets.annotations import Annotation, checked, labels_of
from apps.inference.datasets.pictures import Picture
from apps.inference.exceptions import DatasetError, InUseError, sentence_of
from apps.inference.models import Dataset, Deployment, Example, Job

Split = Example.Split
HELD_OUT_PERCENT = 20
UNLABELLED = "(nothing)"
_LONGEST_SOURCE = 300


def create(name: str, description: str = "") -> Dataset:
    """Raises: DatasetError, if it can't be called so."""
    dataset = Dataset(name=name, description=description)
    try:
        dataset.full_clean()
    except ValidationError as error:
        raise DatasetError(" ".join(error.messages)) from error
    dataset.save()
    return dataset


def find(name: str) -> Dataset:
    """Raises: DatasetError, if there is none of that name."""
    try:
        return Dataset.objects.get(name=name)
    except Dataset.DoesNotExist as error:
        raise DatasetError(
            f"No dataset is called {name!r}; `datasets list` shows all."
        ) from error


def add_picture(
    dataset: Dataset,
    encoded: bytes,
    annotations: Sequence[Annotation],
    *,
    split: str | None = None,
    source: str = "",
) -> Example:
    """Keep a picture with what is to be seen on it; the same again is only relabelled.

    Args:
        dataset: where it belongs.
        encoded: a JPEG, PNG or WebP file.
        annotations: as `Example` describes them, in upright pixels.
        split: which it is for; by its checksum, if nobody says.
        source: where it is from, in words.

    Raises:
        InferenceError: it can't be kept, and why; nothing is changed then.
    """
    picture = pictures.read(encoded)
    said = checked([*annotations], picture.width, picture.height)
    path = dataset.directory / file_of(picture)
    was_there = path.exists()
    try:
        write(path, picture.encoded)
        put_rows([row_of(dataset, picture, said, split, source)])
        return Example.objects.get(dataset=dataset, sha256=picture.sha256)
    except BaseException as error:
        if not was_there:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DatasetError(sentence_of(error)) from error
        raise


def examples(
    dataset: Dataset, split: str
) -> Iterator[tuple[NDArray[np.uint8], list[Annotation]]]:
    """Every picture of a split, uint8 RGB [H, W, 3], and its annotations; one order.

    Raises:
        DatasetError: the file of one is gone or damaged.
    """
    for example in rows(dataset, split):
        try:
            image = pictures.rgb(dataset.directory / example.file)
        except pictures.DAMAGED as error:
            raise DatasetError(
                f"The picture {example.file} of {dataset} can't be read any more."
            ) from error
        yield image, example.annotations


def rows(dataset: Dataset, split: str) -> Iterator[Example]:
    return dataset.examples.filter(split=split).order_by("sha256").iterator()


def checksum(dataset: Dataset, split: str) -> str:
    """Another one whenever a picture or a label of the split is."""
    digest = hashlib.sha256()
    for example in rows(dataset, split):
        said = json.dumps(example.annotations, sort_keys=True)
        digest.update(f"{example.sha256} {said}\n".encode())
    return digest.hexdigest()


def split_of(sha256: str) -> Split:
    """A fifth is held out, always the same whatever else is added."""
    is_held_out = int(sha256[:8], 16) % 100 < HELD_OUT_PERCENT
    return Split.HELD_OUT if is_held_out else Split.TRAIN


def file_of(picture: Picture) -> str:
    """Below the dataset's directory, in a folder of no more than a few hundred."""
    return f"{picture.sha256[:2]}/{picture.sha256}{picture.suffix}"


def write(path: Path, encoded: bytes) -> None:
    """All of it or nothing, whatever happens meanwhile."""
    if path.exists():
        path.touch()  # its row may come only now: see `leftovers`
        return
    make_private(path.parents[1])
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}")
    try:
        part.write_bytes(encoded)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def make_private(directory: Path) -> None:
    """Pictures of people are for the processes' user and nobody else."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def row_of(
    dataset: Dataset,
    picture: Picture,
    annotations: list[Annotation],
    split: str | None,
    source: str,
) -> Example:
    """An example that isn't written yet; its split is empty where nobody says one."""
    return Example(
        dataset=dataset,
        sha256=picture.sha256,
        file=file_of(picture),
        width=picture.width,
        height=picture.height,
        annotations=annotations,
        split=split or "",
        source=source[:_LONGEST_SOURCE],
    )


def put_rows(rows: Sequence[Example]) -> None:
    """Add what is new and relabel the rest, whose split stays where none is said."""
    fields = ["file", "width", "height", "annotations", "source"]
    said = [row for row in rows if row.split]
    others = [row for row in rows if not row.split]
    for row in others:
        row.split = split_of(row.sha256)
    for group, changed in ((said, [*fields, "split"]), (others, fields)):
        Example.objects.bulk_create(
            group,
            update_conflicts=True,
            unique_fields=["dataset", "sha256"],
            update_fields=changed,
            batch_size=500,
        )


def why_it_stays(dataset: Dataset) -> str:
    """What keeps it from being removed: figures say nothing without their data."""
    if count := dataset.evaluations.count():
        return f"{dataset} stays: versions were evaluated on it, {count} times."
    gated = Deployment.objects.filter(gate_dataset=dataset)
    if names := ", ".join(gated.values_list("name", flat=True)):
        return f"{dataset} stays: {names} asks for figures on it."
    # Some kinds name it, others its number.
    of_this = Q(parameters__dataset=dataset.pk) | Q(parameters__dataset=dataset.name)
    under_way = Job.objects.filter(of_this, state__in=Job.UNDER_WAY)
    if names := ", ".join(map(str, under_way)):
        return (
            f"{dataset} stays: it is needed by {names}. Wait until that has ended, or"
            " cancel it."
        )
    return ""


def remove(dataset: Dataset) -> None:
    """With all its pictures.

    Raises:
        InUseError: it stays, and why.
    """
    if reason := why_it_stays(dataset):
        raise InUseError(reason)
    directory, name = dataset.directory, dataset.name
    with transaction.atomic():
        try:
            dataset.delete()
        except ProtectedError as error:  # meanwhile, or by another app
            raise InUseError(f"{name} is named by records, so it stays.") from error
        transaction.on_commit(lambda: shutil.rmtree(directory, ignore_errors=True))


@transaction.atomic
def remove_example(example: Example) -> None:
    path = example.path
    example.delete()
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


@transaction.atomic
def take_out(dataset: Dataset, numbers: Sequence[int]) -> int:
    """Remove the examples of these numbers; returns how many there were.

    Raises:
        DatasetError: one isn't the dataset's, and nothing is removed.
    """
    chosen = {each.pk: each for each in dataset.examples.filter(pk__in=numbers)}
    if strange := [str(number) for number in numbers if number not in chosen]:
        raise DatasetError(
            f"{dataset} has no picture {strange[0]}; `datasets show` lists all."
        )
    for example in chosen.values():
        remove_example(example)
    return len(chosen)


def remove_picture(sha256: str) -> None:
    """From every dataset: one may have it from an export of another."""
    same = Example.objects.filter(sha256=sha256)
    for each in same.select_related("dataset"):
        remove_example(each)


def staging_shelf() -> Path:
    """Beside the datasets, whose names have no dot; on one disk with them."""
    return Path(settings.DATASETS_DIR) / ".staging"


def label_counts(dataset: Dataset, most: int) -> list[tuple[str, int, int]]:
    """On how many pictures each label is: to train with, and held out; most first.

    Of more pictures than `most`, so many are looked at: the first by their checksums,
    which are as good as drawn by lot.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    drawn = dataset.examples.order_by("sha256")[:most]
    for split, said in drawn.values_list("split", "annotations").iterator():
        for label in labels_of(said) or [UNLABELLED]:
            counts[label][split] += 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    return [(label, n[Split.TRAIN], n[Split.HELD_OUT]) for label, n in ordered]
