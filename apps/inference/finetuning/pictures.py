"""A dataset's pictures as a lesson takes them: read, checked, and some left out.

Knows rows and files, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps.inference.datasets import keeping
from apps.inference.datasets.pictures import rgb
from apps.inference.exceptions import DatasetError
from apps.inference.i420 import Image
from apps.inference.models import Dataset, Example


@dataclass(frozen=True, slots=True)
class Picture:
    """A file and what is to be seen on it: boxes are `xyxy` in its upright pixels."""

    path: Path
    names: tuple[str, ...]
    boxes: tuple[tuple[float, ...] | None, ...]

    @property
    def has_boxes(self) -> bool:
        """Whether each thing has one; of nothing that is true."""
        return all(box is not None for box in self.boxes)

    def read(self) -> Image:
        """The upright picture, uint8 RGB.

        Raises:
            DatasetError: the file is gone or damaged.
        """
        try:
            return np.array(rgb(self.path))  # which may be written to
        except (OSError, SyntaxError, ValueError) as error:
            raise DatasetError(
                f"The picture {self.path.name} is missing or damaged: take it out of"
                " the dataset, or import it again."
            ) from error


def training_pictures(dataset: Dataset) -> list[Picture]:
    return [
        Picture(
            path=dataset.directory / row.file,
            names=tuple(said["label"] for said in row.annotations),
            boxes=tuple(
                tuple(said["box"]) if said.get("box") else None
                for said in row.annotations
            ),
        )
        for row in keeping.rows(dataset, Example.Split.TRAIN)
    ]


def refuse_unreadable(pictures: Iterable[Picture], between: Callable[[], None]) -> None:
    """Read each once, so that no training ends in its middle at a missing file.

    `between` two of them is called, and may raise what is to stop it.

    Raises:
        DatasetError
    """
    for picture in pictures:
        picture.read()
        between()
