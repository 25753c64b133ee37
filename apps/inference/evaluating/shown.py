"""What a version is shown: the held-out pictures of a dataset, or the built-in scenes.

Pictures are shown as they lie in the dataset, in full size, as frames of a camera.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.inference.datasets import examples, keeping
from apps.inference.datasets.annotations import Annotation
from apps.inference.exceptions import DatasetError
from apps.inference.models import Dataset, Example
from apps.inference.starter.datasets import held_out_seed, labelled_scene
from apps.inference.starter.scenes import NOTHING, render_scene
from apps.inference.types import Frame

# Scenes with boxes, for detectors, and scenes of one label, for classifiers: every
# version answers both, so that each can be compared with each.
SCENES, LABELLED_SCENES = 200, 100
# Beyond those that training looks at to see how far it is.
_FIRST_SCENE = 10_000


@dataclass(frozen=True, slots=True)
class Shown:
    """An upright picture, uint8 RGB [H, W, 3], and what is to be seen on it."""

    image: NDArray[np.uint8]
    annotations: list[Annotation]

    def frame(self, number: int) -> Frame:
        """As a camera would send it; a side that is odd loses its last pixel."""
        height, width = (side - side % 2 for side in self.image.shape[:2])
        image = np.ascontiguousarray(self.image[:height, :width])
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes()
        return Frame("evaluation", number, width, height, pixels)


@dataclass(frozen=True, slots=True)
class Data:
    """Pictures with their number and checksum, which is of the labels too."""

    pictures: Iterator[Shown]
    count: int
    sha256: str


def data_of(dataset: Dataset | None) -> Data:
    """The held-out pictures of a dataset, or without one the built-in scenes.

    Raises:
        DatasetError: there is nothing to be shown.
    """
    if dataset is None:
        name = f"{SCENES} + {LABELLED_SCENES} scenes from {_FIRST_SCENE}"
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        return Data(_scenes(), SCENES + LABELLED_SCENES, sha256)
    held_out = Example.Split.HELD_OUT
    count = dataset.examples.filter(split=held_out).count()
    if not count:
        raise DatasetError(
            f"{dataset} has no held-out pictures: about a fifth of what is added is."
        )
    pictures = (Shown(*example) for example in examples(dataset, held_out))
    return Data(pictures, count, keeping.checksum(dataset, held_out))


def _scenes() -> Iterator[Shown]:
    for number in range(SCENES):
        scene = render_scene(held_out_seed(_FIRST_SCENE + number))
        yield Shown(
            scene.image,
            [{"label": label, "box": [*box]} for label, box in scene.objects],
        )
    for number in range(LABELLED_SCENES):
        image, label = labelled_scene(held_out_seed(_FIRST_SCENE + SCENES + number))
        yield Shown(image, [] if label == NOTHING else [{"label": label}])
