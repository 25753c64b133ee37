"""COCO's JSON for detection, as it is described on cocodataset.org.

Boxes there are [left, top, width, height]. A label of the whole picture, which COCO
doesn't know, is written as a box around all of it with a mark of our own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from apps.inference.datasets import archives
from apps.inference.datasets.annotations import Annotation
from apps.inference.datasets.archives import Archive
from apps.inference.datasets.entries import Contents, Entry, split_named
from apps.inference.exceptions import DatasetError
from apps.inference.models import Example

MOST_BYTES = 256 * 2**20
WHOLE_PICTURE = "whole_picture"
# Where pictures lie that aren't beside their JSON.
FOLDER = "pictures"  # of our own exports
FOLDERS = ("images", FOLDER)


def read(archive: Archive) -> Contents:
    """Every JSON file of an archive, each of which may be a split."""
    contents = Contents()
    for name in archive.names:
        if name.casefold().endswith(".json"):
            _Reader(archive, PurePosixPath(name), contents).read()
    return contents


def document(examples: Iterable[Example], folder: str) -> dict[str, Any]:
    """What COCO says of examples whose files lie in a folder beside it."""
    categories: dict[str, int] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, example in enumerate(examples, start=1):
        images.append(
            {
                "id": number,
                "file_name": f"{folder}/{PurePosixPath(example.file).name}",
                "width": example.width,
                "height": example.height,
            }
        )
        for said in example.annotations:
            category = categories.setdefault(said["label"], len(categories) + 1)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number}
                | {"category_id": category, "iscrowd": 0}
                | _boxed(said, example)
            )
    named = [{"id": number, "name": label} for label, number in categories.items()]
    return {"images": images, "annotations": annotations, "categories": named}


def _boxed(said: Annotation, example: Example) -> dict[str, Any]:
    left, top, right, bottom = said.get("box") or (0, 0, example.width, example.height)
    mark = {} if "box" in said else {WHOLE_PICTURE: True}
    width, height = round(right - left, 2), round(bottom - top, 2)
    return {"bbox": [left, top, width, height], "area": width * height} | mark


class _Reader:
    """One JSON file; what is wrong with it goes to the problems, with its name."""

    def __init__(
        self, archive: Archive, path: PurePosixPath, contents: Contents
    ) -> None:
        self._archive = archive
        self._path = path
        self._contents = contents
        self._known = set(archive.names)

    def read(self) -> None:
        try:
            said = self._document()
        except DatasetError as error:
            self._problem(str(error))
            return
        images = {each["id"]: each for each in self._rows(said, "images", "file_name")}
        if len(images) < len(said["images"]) and not self._contents.problems:
            self._problem("Two of its images have the same id.")
        names = {each["id"]: each for each in self._rows(said, "categories", "name")}
        spoken: dict[Any, list[Annotation]] = {key: [] for key in images}
        for number, each in enumerate(said["annotations"]):
            self._annotate(number, each, spoken, names)
        for key, image in images.items():
            self._enter(image, spoken[key])

    def _document(self) -> dict[str, Any]:
        try:
            said = json.loads(self._archive.read(str(self._path), MOST_BYTES))
        except (ValueError, RecursionError) as error:
            raise DatasetError("It is no JSON.") from error
        for key in ("images", "annotations", "categories"):
            if not isinstance(said, dict) or not isinstance(said.get(key), list):
                raise DatasetError(f"It is not COCO's: it has no list “{key}”.")
        return dict(said)

    def _rows(self, said: dict[str, Any], key: str, needed: str) -> list[Any]:
        """Those that have an id and what they must; the others are problems."""
        right = []
        for number, each in enumerate(said[key]):
            has_both = (
                isinstance(each, dict)
                and isinstance(each.get("id"), int | str)
                and isinstance(each.get(needed), str)
                and each[needed]
            )
            if has_both:
                right.append(each)
            else:
                self._problem(f"Entry {number} of “{key}” lacks an id or a {needed}.")
        return right

    def _annotate(
        self,
        number: int,
        said: Any,
        spoken: dict[Any, list[Annotation]],
        names: dict[Any, Any],
    ) -> None:
        try:
            key, annotation = self._annotation(said, spoken, names)
        except DatasetError as error:
            given = said.get("id") if isinstance(said, dict) else None
            self._problem(f"Annotation {number if given is None else given}: {error}")
        else:
            spoken[key].append(annotation)

    def _annotation(
        self, said: Any, spoken: dict[Any, list[Annotation]], names: dict[Any, Any]
    ) -> tuple[Any, Annotation]:
        if not isinstance(said, dict):
            raise DatasetError("It is no object.")
        key, category = said.get("image_id"), said.get("category_id")
        if not isinstance(key, int | str) or key not in spoken:
            raise DatasetError(f"It is of image {key}, which the file doesn't name.")
        if not isinstance(category, int | str) or category not in names:
            raise DatasetError(f"Its category {category} is unknown to the file.")
        if said.get("iscrowd"):
            raise DatasetError("It marks a crowd, which no single box stands for.")
        label = names[category]["name"]
        if said.get(WHOLE_PICTURE) is True:
            return key, {"label": label}
        return key, {"label": label, "box": _corners(said.get("bbox"))}

    def _enter(self, image: dict[str, Any], said: list[Annotation]) -> None:
        try:
            name = self._find(image["file_name"])
        except DatasetError as error:
            self._problem(str(error))
            return
        width, height = image.get("width"), image.get("height")
        has_size = isinstance(width, int) and isinstance(height, int)
        size = (width, height) if has_size else None
        split = split_named(self._path)
        self._contents.entries.append(Entry(name, said, split, size))  # type: ignore[arg-type]

    def _find(self, file_name: str) -> str:
        archives.refuse_outside(file_name)
        beside = self._path.parent
        places = [beside, *(beside / folder for folder in FOLDERS)]
        places += [PurePosixPath(folder) for folder in (*FOLDERS, "")]
        for place in places:
            if (name := str(place / file_name)) in self._known:
                return name
        raise DatasetError(f"The file {file_name} is missing.")

    def _problem(self, sentence: str) -> None:
        self._contents.problems.append(f"{self._path}: {sentence}")


def _corners(box: Any) -> list[float]:
    match box:
        case [int() | float(), int() | float(), int() | float(), int() | float()]:
            left, top, width, height = box
            with suppress(OverflowError):
                return [left, top, left + width, top + height]
    raise DatasetError("It has no box of four numbers.")
