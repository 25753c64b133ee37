"""How a version does in the first minute in which it answers, and whether it may stay.

Workers count what became of frames, second by second; the counts of all are added up in
Redis (`company.py`) and judged together. Pure: knows counts and bounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.inference import latency
from apps.inference.latency import LatencyHistogram

LASTS_S = 60
# What is judged is the last seconds, and more where they have too few frames: a version
# that begins to fail late is found as soon as one that does at once.
RECENT_S = 5
LEAST_FRAMES = 20
LEAST_FAILED = 3
# Nobody waits for an answer for so long: the worker has lost the frame's session since.
STUCK_AFTER_S = 5.0

ANSWERED, FAILED, EXPIRED, AGE = "answered", "failed", "expired", "age:"
# By these words; ages by their bucket of a `LatencyHistogram`.
Counts = Counter[str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The deployment's own; `most_p95_ms` is None where it has none."""

    most_failed_share: float
    most_p95_ms: float | None


def answered(age_ms: float) -> Counts:
    """A frame was, `age_ms` after it had been decoded."""
    return _aged(ANSWERED, age_ms)


def expired(age_ms: float) -> Counts:
    """A frame was too old when its turn came, which is an age as well."""
    return _aged(EXPIRED, age_ms)


def failed(count: int) -> Counts:
    return Counter({FAILED: count})


def _aged(what: str, age_ms: float) -> Counts:
    ages = latency.counted(age_ms).items()
    return Counter({what: 1} | {f"{AGE}{bucket}": count for bucket, count in ages})


def figures(counts: Counts) -> dict[str, Any]:
    """As they are kept with the activation."""
    ages = _ages(counts)
    return {
        "answered": counts[ANSWERED],
        "failed": counts[FAILED],
        "expired": counts[EXPIRED],
        "p50_ms": ages.percentile(0.50),
        "p95_ms": ages.percentile(0.95),
    }


def why_stuck(under_way_s: float) -> str:
    """What a pass that has been under way for so long means; empty if nothing bad."""
    if under_way_s < STUCK_AFTER_S:
        return ""
    return f"Its answer to a frame has been under way for {under_way_s:.0f} s."


def why_not(
    seconds: Mapping[int, Counts], bounds: Bounds, *, is_over: bool = False
) -> str:
    """What of the latest frames breaks a bound, in a sentence; empty if nothing does.

    Args:
        seconds: what was counted in each.
        bounds: what is allowed.
        is_over: whether no more frames come, so that few are enough.
    """
    recent = _recent(seconds)
    failed = recent[FAILED]
    frames = recent[ANSWERED] + failed
    aged = recent[ANSWERED] + recent[EXPIRED]
    least = 1 if is_over else LEAST_FRAMES
    if (
        frames >= least
        and failed >= LEAST_FAILED
        and failed / frames > bounds.most_failed_share
    ):
        return (
            f"It failed on {failed} of {frames} frames in its first minute:"
            f" {failed / frames:.1%}, and {bounds.most_failed_share:.1%} are allowed."
        )
    p95_ms = _ages(recent).percentile(0.95)
    if aged >= least and bounds.most_p95_ms and p95_ms > bounds.most_p95_ms:
        return (
            f"The p95 age of its results was {p95_ms:.0f} ms in its first minute, and"
            f" {bounds.most_p95_ms:.0f} ms are allowed."
        )
    return ""


def total(seconds: Mapping[int, Counts]) -> Counts:
    counts: Counts = Counter()
    for each in seconds.values():
        counts.update(each)
    return counts


def _recent(seconds: Mapping[int, Counts]) -> Counts:
    counts: Counts = Counter()
    newest = max(seconds, default=0)
    for second in sorted(seconds, reverse=True):
        frames = counts[ANSWERED] + counts[FAILED] + counts[EXPIRED]
        if newest - second >= RECENT_S and frames >= LEAST_FRAMES:
            break
        counts += seconds[second]
    return counts


def _ages(counts: Counts) -> LatencyHistogram:
    return LatencyHistogram(
        {
            name.removeprefix(AGE): count
            for name, count in counts.items()
            if name.startswith(AGE)
        }
    )
