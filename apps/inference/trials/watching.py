"""When a canary has to stop by itself. Pure: figures in, a reason or none out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.inference.tally import Sums, added
from apps.inference.trials.figures import CHALLENGER, CHAMPION, Side, side

# Of fewer frames of a side nothing can be said yet: seven seconds of one camera.
LEAST_FRAMES = 100
# Worse than the champion by so much isn't chance any more.
MORE_FAILED = 0.02
SLOWER = 1.5
LEAST_DELAY_MS = 30.0
# Figures of days would outweigh what happens now: the latest frames are judged as well.
WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """The deployment's own; `most_p95_ms` is None where it has none."""

    most_failed_share: float
    most_p95_ms: float | None


def with_latest(
    recent: Mapping[str, Any], more: Mapping[str, Any], now_s: float
) -> Sums:
    """The sums of the latest frames, with those that have just been counted.

    They are of two windows, the one before and that of `now`, which began at `since`: a
    new one begins when that has lasted for a minute and nobody could say any more that
    it has too few frames.
    """
    since, before, now = (
        recent.get("since", now_s),
        recent.get("before", {}),
        recent.get("now", {}),
    )
    is_full = side(now, CHALLENGER).frames >= LEAST_FRAMES
    if is_full and now_s - since >= WINDOW_S:
        since, before, now = now_s, now, {}
    return {"since": since, "before": before, "now": added(now, more)}


def why_stop(figures: Mapping[str, Any], bounds: Bounds) -> str | None:
    """The sentence for the operator, where the challenger does badly or lately does."""
    if reason := _why_stop(figures, bounds):
        return reason
    recent = figures.get("recent", {})
    reason = _why_stop(added(recent.get("before", {}), recent.get("now", {})), bounds)
    return reason and f"Lately {reason[0].lower()}{reason[1:]}"


def _why_stop(figures: Mapping[str, Any], bounds: Bounds) -> str | None:
    challenger, champion = side(figures, CHALLENGER), side(figures, CHAMPION)
    if challenger.frames < LEAST_FRAMES:
        return None
    return _against_bounds(challenger, bounds) or (
        _against(challenger, champion) if champion.frames >= LEAST_FRAMES else None
    )


def _against_bounds(challenger: Side, bounds: Bounds) -> str | None:
    if challenger.failed_share > bounds.most_failed_share:
        return (
            f"It failed on {challenger.failed_share:.1%} of {challenger.frames} frames;"
            f" the deployment allows {bounds.most_failed_share:.1%}."
        )
    p95 = challenger.age_p95
    if bounds.most_p95_ms is not None and p95 is not None and p95 > bounds.most_p95_ms:
        return (
            f"The p95 age of its results was {p95:.0f} ms; the deployment allows"
            f" {bounds.most_p95_ms:.0f} ms."
        )
    return None


def _against(challenger: Side, champion: Side) -> str | None:
    if challenger.failed_share > champion.failed_share + MORE_FAILED:
        return (
            f"It failed on {challenger.failed_share:.1%} of {challenger.frames} frames,"
            f" the version beside it on {champion.failed_share:.1%}."
        )
    theirs, ours = challenger.age_p95, champion.age_p95
    if theirs is None or ours is None:
        return None
    if theirs > SLOWER * ours and theirs > ours + LEAST_DELAY_MS:
        return (
            f"The p95 age of its results was {theirs:.0f} ms, that of the version"
            f" beside it {ours:.0f} ms."
        )
    return None
