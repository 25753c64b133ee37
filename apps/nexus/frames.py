"""`LatestFrame`: the newest frames on their way from one task to another, and `Turns`:
whether more than the newest one is worth to be kept.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")

# Answers in less than two thirds of the time from one frame of a camera to the next.
QUICK_ANSWER_S = 0.02
# Longer than this a quick worker doesn't take, unless something is wrong.
TURN_PATIENCE_S = 0.05
# As many as wait together for one lost packet that is sent again.
CLUMP = 6


class LatestFrame(Generic[T]):
    """What comes in replaces what nobody took, where there is no room for both."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._filled = asyncio.Event()

    def put(self, item: T, room: int = 1) -> list[T]:
        """Add an item; returns those that were replaced, so that `room` are left."""
        self._items.append(item)
        self._filled.set()
        return [self._items.popleft() for _ in range(len(self._items) - room)]

    async def take(self) -> T:
        """Wait for an item; takes the one that has waited longest."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items.popleft()


class Turns:
    """Whether frames that arrived in a clump can be answered one after the other.

    Behind a lost packet frames wait until it is sent again, and then come all at once.
    The newest alone would be answered, though a quick worker has time for all before
    the camera's next. With a slower one the newest wins, as ever.
    """

    REMEMBERED = 9

    def __init__(self) -> None:
        self._took_s: deque[float] = deque(maxlen=self.REMEMBERED)
        self._seq = -1
        self._offered_at = 0.0
        self._answered = asyncio.Event()

    @property
    def room(self) -> int:
        """How many frames may wait for their turn."""
        return CLUMP if self._is_quick else 1

    @property
    def _is_quick(self) -> bool:
        # One slow answer among quick ones is no reason to throw frames away.
        return bool(self._took_s) and median(self._took_s) < QUICK_ANSWER_S

    def offer(self, seq: int) -> None:
        self._seq, self._offered_at = seq, time.monotonic()
        self._answered.clear()

    def answer(self, seq: int) -> None:
        if seq == self._seq and not self._answered.is_set():
            self._took_s.append(time.monotonic() - self._offered_at)
            self._answered.set()

    async def turn(self) -> None:
        """Wait for the answer to what was offered, no longer than a quick one takes."""
        if not self._is_quick:
            return
        try:
            async with asyncio.timeout(TURN_PATIENCE_S):
                await self._answered.wait()
        except TimeoutError:
            self._took_s.append(math.inf)
            self._answered.set()
