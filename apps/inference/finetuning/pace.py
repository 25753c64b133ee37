"""How much longer the steps of a training take, in words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# Before, a few steps are no measure of all.
_MEASURED_S = 5.0


class Pace:
    """Measured on the steps of this process alone, as a whole: no other machine's."""

    def __init__(
        self, step: int, steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first, self._steps = step, steps
        self._clock, self._began_at = clock, clock()

    def left(self, step: int) -> str:
        """What the steps to come take; empty as long as that can't be known."""
        spent = self._clock() - self._began_at
        if spent < _MEASURED_S or step == self._first:
            return ""
        left = spent / (step - self._first) * (self._steps - step)
        if left <= 90:
            return f"about {10 * math.ceil(left / 10)} s"
        return f"about {math.ceil(left / 60)} min"
