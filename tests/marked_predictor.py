"""The starter detector, saying also which frame of a test clip it was shown.

The clip's marker is read from the frame that reached the worker and travels to the page
as one more detection, so that each result can be held against the truth of its frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from apps.inference.comparison import Candidates
from apps.inference.i420 import i420_to_rgb
from apps.inference.predictors import yolov5
from apps.inference.predictors.yolov5 import YOLOv5Predictor
from apps.inference.starter.marker import read_marker
from apps.inference.types import (
    Box,
    Decode,
    Detection,
    Frame,
    Infer,
    Prediction,
)

MARKER = "frame "


class MarkedPredictor:
    def __init__(self, predictor: YOLOv5Predictor) -> None:
        self._predictor = predictor
        self.engine = predictor.engine

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        infer = self._predictor.prepare(frames)
        markers = [_marker_of(frame) for frame in frames]

        def infer_and_mark() -> Decode:
            decode = infer()
            return lambda: [
                replace(prediction, detections=(*prediction.detections, *marker))
                for marker, prediction in zip(markers, decode(), strict=True)
            ]

        return infer_and_mark

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        return self.prepare(frames)()()

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]:
        return self._predictor.examine(frames)


def load(directory: Path, *, engine: str | None = None) -> MarkedPredictor:
    return MarkedPredictor(yolov5.load(directory, engine=engine))


def _marker_of(frame: Frame) -> tuple[Detection, ...]:
    index = read_marker(i420_to_rgb(frame))
    if index is None:
        return ()
    return (Detection(Box(0, 0, 1, 1), f"{MARKER}{index}", 0.0),)
