"""A model family for measurements: it reads from a picture when that was drawn.

`config.json`: `sleep_ms`, what the forward pass takes, and `log`, a file that gets a
`Reading` as a line of JSON for each picture whose forward pass begins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from apps.inference import weights
from apps.inference.starter.marker import INDEX_BITS, read_marker
from apps.inference.types import Decode, Frame, Infer, Prediction, Timings
from bench.reading import Reading


class ClockPredictor:
    engine = "clock"

    def __init__(self, sleep_ms: float, log: Path) -> None:
        self._sleep_ms = sleep_ms
        self._log = log.open("a", buffering=1)

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        taken_at = time.time()
        codes = [_read_clock(frame) for frame in frames]

        def infer() -> Decode:
            started_at = time.time()
            for frame, code in zip(frames, codes, strict=True):
                reading = Reading(
                    session_id=frame.session_id,
                    started_at=started_at,
                    age_ms=_age_ms(code, started_at),
                    held_ms=(started_at - taken_at) * 1000,
                )
                self._log.write(json.dumps(asdict(reading)) + "\n")
            time.sleep(self._sleep_ms / 1000)
            timings = Timings(featurize_ms=0, forward_ms=self._sleep_ms, decode_ms=0)
            return lambda: [Prediction(timings=timings) for _ in frames]

        return infer

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        return self.prepare(frames)()()


def load(directory: Path, *, engine: str | None = None) -> ClockPredictor:
    config = weights.read_config(directory)
    return ClockPredictor(config["sleep_ms"], Path(config["log"]))


def _read_clock(frame: Frame) -> int | None:
    brightness = np.frombuffer(frame.pixels, np.uint8, frame.width * frame.height)
    return read_marker(brightness.reshape(frame.height, frame.width))


def _age_ms(code: int | None, now: float) -> float | None:
    return None if code is None else (now * 1000 - code) % (1 << INDEX_BITS)
