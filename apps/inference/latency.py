"""Percentiles of durations in constant memory, however long a run is.

Durations are counted in buckets that grow by 5 %: a percentile is right within 2.5 %.
Counts add up, so a run's percentiles stay right whoever measures the next part of it.
"""

from __future__ import annotations

import math
from collections import Counter

_GROWTH = math.log(1.05)
_SMALLEST_MS = 0.05

# How many durations fell in each bucket, as it may be kept in JSON.
Counts = dict[str, int]


class LatencyHistogram:
    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = Counter({int(key): n for key, n in (counts or {}).items()})

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

    def counts(self) -> Counts:
        return {str(bucket): count for bucket, count in self._counts.items()}


def counted(duration_ms: float) -> Counts:
    """One duration, to be added to others."""
    histogram = LatencyHistogram()
    histogram.record(duration_ms)
    return histogram.counts()


class StageLatencies:
    """One histogram a stage of a frame's journey, by the names of the timings."""

    def __init__(self, counts: dict[str, Counts] | None = None) -> None:
        self._stages = {
            stage: LatencyHistogram(each) for stage, each in (counts or {}).items()
        }

    def record(self, timings: dict[str, float]) -> None:
        for stage, duration_ms in timings.items():
            histogram = self._stages.setdefault(
                stage.removesuffix("_ms"), LatencyHistogram()
            )
            histogram.record(duration_ms)

    def counts(self) -> dict[str, Counts]:
        return {stage: each.counts() for stage, each in self._stages.items()}

    def summary(self) -> dict[str, dict[str, float]]:
        """`{stage: {"p50": ms, "p95": ms}}`."""
        return {
            stage: {
                "p50": histogram.percentile(0.50),
                "p95": histogram.percentile(0.95),
            }
            for stage, histogram in self._stages.items()
        }
