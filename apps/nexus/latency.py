"""Percentiles of durations in constant memory, however long a run is.

Durations are counted in buckets that grow by 5 %: a percentile is right within 2.5 %.
"""

from __future__ import annotations

import math
from collections import Counter

_GROWTH = math.log(1.05)
_SMALLEST_MS = 0.05


class LatencyHistogram:
    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def record(self, duration_ms: float) -> None:
        ratio = max(duration_ms, _SMALLEST_MS) / _SMALLEST_MS
        self._counts[round(math.log(ratio) / _GROWTH)] += 1

    def percentile(self, share: float) -> float:
        """The duration in ms that `share` (0..1) of all stay within; 0 when none."""
        rank = share * self._counts.total()
        seen = 0
        for bucket, count in sorted(self._counts.items()):
            seen += count
            if seen >= rank:
                return round(_SMALLEST_MS * math.exp(bucket * _GROWTH), 2)
        return 0.0


class StageLatencies:
    """One histogram a stage of a frame's journey."""

    def __init__(self) -> None:
        self._stages: dict[str, LatencyHistogram] = {}

    def record(self, timings: dict[str, float]) -> None:
        for stage, duration_ms in timings.items():
            self._stages.setdefault(stage, LatencyHistogram()).record(duration_ms)

    def summary(self) -> dict[str, dict[str, float]]:
        """`{stage: {"p50": ms, "p95": ms}}`, stages by the names of the timings."""
        return {
            stage.removesuffix("_ms"): {
                "p50": histogram.percentile(0.50),
                "p95": histogram.percentile(0.95),
            }
            for stage, histogram in self._stages.items()
        }
