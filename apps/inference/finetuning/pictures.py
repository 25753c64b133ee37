"""A dataset's pictures as a lesson takes them: read, checked, and some left out.

Knows rows and files, no network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from apps.inference.exceptions import InferenceError
from apps.inference.models import Dataset, Example
from apps.inference.preprocessing import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """A file and what is to be seen on it: boxes are `xyxy` in its upright pixels."""

    path: Path
    size: tuple[int, int]
    names: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float] | None, ...]

    @property
    def has_boxes(self) -> bool:
        """Whether each thing has one; of nothing that is true."""
        return all(box is not None for box in self.boxes)

    def read(self) -> Image:
        """The upright picture, uint8 RGB.

        Raises:
            InferenceError: the file is gone, or isn't the picture it was.
        """
        encoded = cv2.imread(str(self.path))
        if encoded is None or encoded.shape[1::-1] != self.size:
            raise InferenceError(
                f"The picture {self.path.name} of the dataset {self.path.parent.name}"
                " is missing or damaged: take it out, or import it again."
            )
        return np.asarray(cv2.cvtColor(encoded, cv2.COLOR_BGR2RGB), np.uint8)


def training_pictures(dataset: Dataset) -> list[Picture]:
    rows = dataset.examples.filter(split=Example.Split.TRAIN).order_by("sha256")
    return [_picture(row) for row in rows.select_related("dataset")]


def refuse_unreadable(pictures: Iterable[Picture]) -> None:
    """Read each once, so that no training ends in its middle at a missing file.

    Raises:
        InferenceError
    """
    for picture in pictures:
        picture.read()


def _picture(row: Example) -> Picture:
    return Picture(
        path=row.path,
        size=(row.width, row.height),
        names=tuple(each["label"] for each in row.annotations),
        boxes=tuple(
            tuple(each["box"]) if each.get("box") else None for each in row.annotations
        ),
    )
