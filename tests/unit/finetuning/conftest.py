"""Small networks and pictures to train them further with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from apps.inference.finetuning.pictures import Picture
from tests.unit.inference.versions import write_classifier, write_yolov5

Draw = Callable[..., Picture]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks are tiny: a second thread would only be waited for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def yolov5(tmp_path: Path) -> Path:
    """A random YOLOv5 of the labels hot dog and pizza, at 128 x 96 pixels."""
    (tmp_path / "yolov5").mkdir()
    return write_yolov5(tmp_path / "yolov5")


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    """A random ResNet of six foods, at 64 pixels."""
    (tmp_path / "resnet").mkdir()
    return write_classifier(tmp_path / "resnet")


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """A picture with a rectangle of one colour, as a picture of a dataset."""

    def make(
        name: str | None = "slipper",
        colour: tuple[int, int, int] = (250, 40, 20),
        *,
        at: tuple[int, int] = (20, 30),
        has_box: bool = True,
    ) -> Picture:
        image = np.full((96, 128, 3), 128, np.uint8)
        left, top = at
        if name:
            image[top : top + 30, left : left + 50] = colour
        path = tmp_path / f"picture-{len(list(tmp_path.glob('*.png')))}.png"
        cv2.imwrite(str(path), image[..., ::-1])
        box = (left, top, left + 50, top + 30) if has_box else None
        return Picture(path, (name,) if name else (), (box,) if name else ())

    return make
