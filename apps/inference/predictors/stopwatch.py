"""Measures the three steps of a batch; knows nothing of what happens in them."""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter

from apps.inference.types import Timings


class Stopwatch:
    """Runs at once; call `lap` when featurize, forward and decode have ended."""

    def __init__(self) -> None:
        self._marks = [perf_counter()]

    def lap(self) -> None:
        self._marks.append(perf_counter())

    def timings(self, frames_count: int) -> Timings:
        featurize_ms, forward_ms, decode_ms = (
            (end - start) * 1000 / frames_count for start, end in pairwise(self._marks)
        )
        return Timings(featurize_ms, forward_ms, decode_ms)
