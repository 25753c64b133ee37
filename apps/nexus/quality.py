"""`QualityController`: how large and how often pictures need to be sent, and no more.

Two things are weighed against each other. What is sent costs the web process a decoding
each; what isn't sent ages the picture that a model starts on, by up to the time between
two frames. So less is asked for in these cases only:

* Nobody looks at more. A picture larger than the model is given is scaled down by its
  sender instead of by us, from the first frame on.
* Results come much slower than frames: several sessions share a worker, or the model
  takes its time. Then `SPARING_FRAMERATE` is enough: it adds 33 ms of age on average
  and 67 at worst, where a result stands for more than 300 ms anyway. It goes no lower
  for this reason, since age is what we promise; and a model that answers 5 times a
  second on its own keeps its 30 frames, which add half as much.
* This process is short of time, which shows in a lag: pictures that wait for their
  decoder, or an event loop that is late. The lag is age, too, and it grows, so it is
  acted upon at once: first the size goes, which leaves the age as it is, then the rate.

A lag counts if it stands: as CoDel has it, it is not the worst of an interval that
tells of a queue which won't go away, but the least. Down is quick, a step an interval.
Up is slow, a step after a calm time, which doubles with every one that was taken back.

Source: K. Nichols, V. Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

FULL_FRAMERATE = 30
SPARING_FRAMERATE = 15
# Results a second of a session below and above which it is spared, and no longer.
FEW_RESULTS, ENOUGH_RESULTS = 3.0, 4.5
# What is asked for when time is short: a share of the sides, and frames a second. Each
# step costs about two thirds of the one before.
STEPS = (
    (1.0, FULL_FRAMERATE),
    (2 / 3, FULL_FRAMERATE),
    (1 / 2, FULL_FRAMERATE),
    (1 / 2, 20),
    (1 / 2, 15),
    (1 / 2, 10),
    (1 / 2, 5),
)
STANDING_LAG_MS = 60.0
# So many observations make an interval.
STANDING_OBSERVATIONS = 5
CALM_S, LONGEST_CALM_S = 10.0, 160.0


@dataclass(frozen=True, slots=True)
class Quality:
    """The most that is worth sending: pixels of the longer side, frames a second."""

    max_side: int
    max_framerate: int


class QualityController:
    """Decides for one session, from what is observed of it. It is told the time.

    Args:
        max_side: of what a model is given, in pixels.
    """

    def __init__(self, max_side: int) -> None:
        self._max_side = max_side
        self._is_spared = False
        self._step = 0
        self._lags_ms: deque[float] = deque(maxlen=STANDING_OBSERVATIONS)
        self._calm_since = -math.inf
        self._calm_s = CALM_S
        # When the last step up was taken, unless it has been taken back.
        self._climbed_at: float | None = None

    def observe(
        self, now: float, *, lag_ms: float, results_per_s: float | None
    ) -> Quality:
        """What to ask for from now on.

        Args:
            now: in seconds, of any clock that never goes back.
            lag_ms: by how much decoding, or the event loop, is late.
            results_per_s: of this session; None as long as it can't be said.
        """
        self._follow_lag(now, lag_ms)
        if results_per_s is not None:
            limit = ENOUGH_RESULTS if self._is_spared else FEW_RESULTS
            self._is_spared = results_per_s < limit
        share, framerate = STEPS[self._step]
        if self._is_spared:
            framerate = min(framerate, SPARING_FRAMERATE)
        return Quality(round(self._max_side * share), framerate)

    def _follow_lag(self, now: float, lag_ms: float) -> None:
        self._lags_ms.append(lag_ms)
        if lag_ms > STANDING_LAG_MS or math.isinf(self._calm_since):
            self._calm_since = now
        is_interval = len(self._lags_ms) == STANDING_OBSERVATIONS
        if is_interval and min(self._lags_ms) > STANDING_LAG_MS:
            self._go_down(now)
        elif self._step and now - self._calm_since >= self._calm_s:
            self._go_up(now)

    def _go_down(self, now: float) -> None:
        if self._climbed_at is not None and now - self._climbed_at < self._calm_s:
            self._calm_s = min(2 * self._calm_s, LONGEST_CALM_S)
        self._climbed_at = None
        self._step = min(self._step + 1, len(STEPS) - 1)
        self._begin_anew(now)

    def _go_up(self, now: float) -> None:
        if self._climbed_at is not None:
            # The step before has held for as long as was asked for.
            self._calm_s = CALM_S
        self._climbed_at = now
        self._step -= 1
        self._begin_anew(now)

    def _begin_anew(self, now: float) -> None:
        """What was observed before a step says nothing of what comes of it."""
        self._lags_ms.clear()
        self._calm_since = now
