"""`LoadWatch`: looks at a session's load again and again, and says what to ask for.

It measures; what follows from it is decided in `quality.py`. It knows no socket and no
peer connection.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from apps.nexus.quality import Quality, QualityController

INTERVAL_S = 0.1
# Over which results are counted.
WINDOW_S = 5.0


class RateMeter:
    """Counts events over the last `WINDOW_S`. It is told the time."""

    def __init__(self) -> None:
        self._begun = math.inf
        self._at: deque[float] = deque()

    def begin(self, now: float) -> None:
        self._begun = now

    def count(self, now: float) -> None:
        self._at.append(now)

    def per_second(self, now: float) -> float | None:
        """None before there has been a whole window since the beginning."""
        while self._at and self._at[0] <= now - WINDOW_S:
            self._at.popleft()
        return len(self._at) / WINDOW_S if now - self._begun >= WINDOW_S else None


class LoadWatch:
    """The load of one session.

    Args:
        controller: this session's.
        decode_lag_ms: by how much decoding is behind.
        on_quality: called with what to ask for, first and whenever it changes.
    """

    def __init__(
        self,
        *,
        controller: QualityController,
        decode_lag_ms: Callable[[], float],
        on_quality: Callable[[Quality], None],
    ) -> None:
        self._controller = controller
        self._decode_lag_ms = decode_lag_ms
        self._on_quality = on_quality
        self._results = RateMeter()

    def count_result(self) -> None:
        self._results.count(time.monotonic())

    async def run(self) -> None:
        """Look until cancelled."""
        asked: Quality | None = None
        now = time.monotonic()
        self._results.begin(now)
        while True:
            before = now
            await asyncio.sleep(INTERVAL_S)
            now = time.monotonic()
            loop_lag_ms = (now - before - INTERVAL_S) * 1000
            quality = self._controller.observe(
                now,
                lag_ms=max(loop_lag_ms, self._decode_lag_ms()),
                results_per_s=self._results.per_second(now),
            )
            if quality != asked:
                asked = quality
                self._on_quality(quality)
