"""`Sampler`: which answered frames of a visit are worth keeping, one in ten seconds. It
knows no consent: who asks has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.nexus.pace import Pace
from apps.sessions.captures import Terms
from apps.sessions.models import Capture

Reason = Capture.Reason
# An answer is uncertain if its best score is no further from the verdict's.
UNCERTAIN_WITHIN = 0.15
SAMPLES_PER_SECOND = 0.1


class Sampler:
    """One visit's.

    Args:
        terms: what its deployment samples; replaced when that changes.
        draw: a number of chance from 0 up to 1.
        clock: seconds.
    """

    def __init__(
        self, terms: Terms, draw: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self.terms = terms
        self._draw = draw
        self._pace = Pace(clock, per_second=SAMPLES_PER_SECOND, at_once=1)

    def choose(self, message: dict[str, Any]) -> Capture.Reason | None:
        """Why the frame of an `inference.result` is to be kept; None if it isn't."""
        reason = None
        if self._draw() < self.terms.sample_share:
            reason = Reason.RANDOM
        elif self.terms.sample_uncertain and is_uncertain(
            message, self.terms.verdict_score
        ):
            reason = Reason.UNCERTAIN
        return reason if reason and self.has_room() else None

    def has_room(self) -> bool:
        """Count one that would be kept; False if it comes too early."""
        return self._pace.allows_one_more()


def is_uncertain(message: dict[str, Any], verdict_score: float) -> bool:
    best = [*message["detections"][:1], *message["classifications"][:1]]
    return any(
        abs(entry["score"] - verdict_score) <= UNCERTAIN_WITHIN for entry in best
    )
