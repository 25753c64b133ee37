"""What versions answer to the golden pictures, which every machine draws alike.

Recorded when a version is verified, and held against what a worker's own engine answers
before the version may answer there. Knows pictures and predictors, no database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any, Protocol

import cv2
import torch

from apps.inference.comparison import (
    Best,
    Bounds,
    Candidates,
    are_finite,
    best_of,
    compare_best,
    difference,
)
from apps.inference.exceptions import VerificationError
from apps.inference.starter.datasets import held_out_seed
from apps.inference.starter.scenes import render_scene
from apps.inference.types import Frame

PICTURES = 4
# Live frames that are answered meanwhile shall wait for one picture at most.
PAUSE_S = 0.1
Golden = list[dict[str, Any]]


class Examined(Protocol):
    """A predictor that says what it selects from."""

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]: ...


@cache
def golden_frames() -> tuple[Frame, ...]:
    """The pictures, as cameras would send them.

    The last is of a phone held upright: a network whose input follows the picture's
    shape must answer that shape too.
    """
    frames = []
    for number in range(PICTURES):
        image = render_scene(held_out_seed(number), 640, 480).image
        height, width = image.shape[:2]
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes()
        rotation = 90 if number == PICTURES - 1 else 0
        frames.append(Frame("golden", number, width, height, pixels, rotation))
    return tuple(frames)


def examined(predictor: Examined, pause_s: float = 0.0) -> list[Candidates]:
    """What a predictor answers to one picture after the other."""
    answers = []
    for frame in golden_frames():
        answers += predictor.examine([frame])
        time.sleep(pause_s)
    return answers


def recorded(answers: Sequence[Candidates]) -> Golden:
    """The best of the answers, as it may be kept in JSON."""
    return [_record(best_of(each)) for each in answers]


def check(predictor: Examined, golden: Golden) -> dict[str, Any]:
    """Hold what a predictor answers now against what was recorded.

    Returns:
        The worst that was seen.

    Raises:
        VerificationError: it answers otherwise, and how.
    """
    bounds = Bounds()
    answers = examined(predictor, PAUSE_S)
    if not are_finite(answers):
        raise VerificationError("It answers with NaN or infinite numbers.")
    seen = compare_best([_read(each) for each in golden], answers, bounds)
    if not seen.keeps(bounds):
        raise VerificationError(
            "It doesn't answer the golden pictures as it did when it was verified:"
            f" {difference(seen)}."
        )
    return {"pictures": len(answers), **asdict(seen)}


def _record(best: Best) -> dict[str, Any]:
    return {
        "scores": _rounded(best.scores, 4),
        "labels": best.labels.tolist(),
        "boxes": None if best.boxes is None else _rounded(best.boxes, 2),
    }


def _rounded(tensor: torch.Tensor, digits: int) -> Any:
    # As doubles, whose shortest spelling is the rounded one.
    return tensor.double().round(decimals=digits).tolist()


def _read(record: dict[str, Any]) -> Best:
    boxes = record["boxes"]
    return Best(
        torch.tensor(record["scores"]),
        torch.tensor(record["labels"]),
        None if boxes is None else torch.tensor(boxes),
    )
