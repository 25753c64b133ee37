"""Mean average precision by pycocotools, COCO's own implementation.

It counts the boxes that a version answers live with, by the scores of its own; other
tools ask a network for boxes of hardly any score too, which gives higher figures.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

# As `COCOeval` numbers them: objects of all sizes, and the hundred best boxes.
_ALL_SIZES, _HUNDRED = 0, 2


@dataclass(frozen=True, slots=True)
class Boxed:
    """One box of a picture, xyxy in its pixels; `score` is 1 for what is there."""

    picture: int
    label: str
    box: tuple[float, float, float, float]
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision at an IoU of 0.5, and over those from 0.5 to 0.95."""

    ap50: float
    ap50_95: float


def precision_of(
    pictures: int,
    labels: Sequence[str],
    wanted: Sequence[Boxed],
    found: Sequence[Boxed],
) -> tuple[Precision, dict[str, Precision]]:
    """Of all labels together, and of each that is there at all.

    Args:
        pictures: how many, numbered from 0.
        labels: all that `wanted` and `found` have.
        wanted: what is there; not empty.
        found: what a version says.
    """
    evaluator = COCOeval(
        _indexed(pictures, labels, wanted), _indexed(pictures, labels, found), "bbox"
    )
    with redirect_stdout(io.StringIO()):
        evaluator.evaluate()
        evaluator.accumulate()
    # [IoU, recall, label, size, how many boxes]; -1 where a label isn't there.
    curves: NDArray[np.float64] = evaluator.eval["precision"]
    curves = curves[:, :, :, _ALL_SIZES, _HUNDRED]
    of_labels = {
        label: _mean(curves[:, :, number])
        for number, label in enumerate(labels)
        if (curves[:, :, number] > -1).any()
    }
    return _mean(curves), of_labels


def _mean(curves: NDArray[np.float64]) -> Precision:
    """As `COCOeval.summarize` has it: over everything that is there."""
    return Precision(
        float(curves[0][curves[0] > -1].mean()), float(curves[curves > -1].mean())
    )


def _indexed(pictures: int, labels: Sequence[str], boxes: Sequence[Boxed]) -> Any:
    numbers = {label: number for number, label in enumerate(labels, start=1)}
    annotations = []
    for number, each in enumerate(boxes, start=1):
        left, top, right, bottom = each.box
        width, height = right - left, bottom - top
        annotations.append(
            {
                "id": number,
                "image_id": each.picture,
                "category_id": numbers[each.label],
                "bbox": [left, top, width, height],
                "area": width * height,
                "iscrowd": 0,
                "score": each.score,
            }
        )
    indexed = COCO()
    indexed.dataset = {
        "images": [{"id": number} for number in range(pictures)],
        "categories": [{"id": each, "name": name} for name, each in numbers.items()],
        "annotations": annotations,
    }
    with redirect_stdout(io.StringIO()):
        indexed.createIndex()
    return indexed
