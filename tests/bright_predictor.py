"""A model family for tests: it boxes what is bright in the picture, as it sees it.

`config.json`: `sleep_ms` (0), how long an answer takes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps.inference import weights
from apps.inference.hotdog import HOT_DOG
from apps.inference.i420 import i420_to_rgb, upright
from apps.inference.types import (
    Box,
    Decode,
    Detection,
    Frame,
    Infer,
    Prediction,
    Timings,
)

BRIGHT = 190


@dataclass
class BrightPredictor:
    sleep_ms: float
    engine: str = "bright"

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        def infer() -> Decode:
            predictions = self.predict(frames)
            return lambda: predictions

        return infer

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        time.sleep(self.sleep_ms / 1000)
        timings = Timings(featurize_ms=0, forward_ms=self.sleep_ms, decode_ms=0)
        return [Prediction(timings, _bright_things(frame)) for frame in frames]


def load(directory: Path, *, engine: str | None = None) -> BrightPredictor:
    return BrightPredictor(weights.read_config(directory).get("sleep_ms", 0))


def _bright_things(frame: Frame) -> tuple[Detection, ...]:
    rows, columns = np.nonzero(
        upright(i420_to_rgb(frame), frame.rotation).min(axis=2) > BRIGHT
    )
    if not rows.size:
        return ()
    left, right = columns.min(), columns.max() + 1
    top, bottom = rows.min(), rows.max() + 1
    box = Box(float(left), float(top), float(right), float(bottom))
    return (Detection(box, HOT_DOG, 0.9),)
