"""Sums of a trial: made by several workers, added up in its row, read by people.

`Trial.figures` has, for the sides `champion` and `challenger`, how many frames were
`answered` and `failed`, and `age` and `model` as counts of a `LatencyHistogram`: from
decoding the picture to the answer, and what of it the model took. A shadow's has
`agreement`, too, see `agreement.py`. Every number is one that can be added. A canary's
has the same of its latest frames as `recent`, see `watching.with_latest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.inference.latency import LatencyHistogram, counted
from apps.inference.tally import Sums

CHAMPION, CHALLENGER = "champion", "challenger"
_MODEL_STAGES = ("featurize_ms", "forward_ms", "decode_ms")


def of_message(message: Mapping[str, Any]) -> Sums:
    """What one `inference.result` or `inference.dropped` adds to its side."""
    if message["type"] == "inference.dropped":
        return {"failed": 1} if message["reason"] == "failed" else {}
    timings = message["timings"]
    return {
        "answered": 1,
        "age": counted(timings["wait_ms"] + timings["held_ms"]),
        "model": counted(sum(timings[stage] for stage in _MODEL_STAGES)),
    }


@dataclass(frozen=True, slots=True)
class Side:
    """How one version has done. Times are in ms, None before anything was answered."""

    answered: int
    failed: int
    age_p50: float | None
    age_p95: float | None
    model_p50: float | None
    model_p95: float | None

    @property
    def frames(self) -> int:
        return self.answered + self.failed

    @property
    def failed_share(self) -> float:
        return self.failed / self.frames if self.frames else 0.0


def side(figures: Mapping[str, Any], name: str) -> Side:
    sums = figures.get(name, {})

    def percentile(stage: str, share: float) -> float | None:
        counts = sums.get(stage)
        return LatencyHistogram(counts).percentile(share) if counts else None

    return Side(
        answered=sums.get("answered", 0),
        failed=sums.get("failed", 0),
        age_p50=percentile("age", 0.50),
        age_p95=percentile("age", 0.95),
        model_p50=percentile("model", 0.50),
        model_p95=percentile("model", 0.95),
    )
