"""Measures the three steps of a batch; knows nothing of what happens in them."""

from __future__ import annotations

from time import perf_counter

from apps.inference.types import Timings


class Stopwatch:
    """Runs at once; call `lap` when featurize, forward and decode have ended.

    Between two steps the batch may wait, until `go_on`.
    """

    def __init__(self) -> None:
        self._laps_s: list[float] = []
        self._started = perf_counter()

    def lap(self) -> None:
        now = perf_counter()
        self._laps_s.append(now - self._started)
        self._started = now

    def go_on(self) -> None:
        self._started = perf_counter()

    def timings(self, frames_count: int) -> Timings:
        featurize_ms, forward_ms, decode_ms = (
            lap_s * 1000 / frames_count for lap_s in self._laps_s
        )
        return Timings(featurize_ms, forward_ms, decode_ms)
