"""`Pace`: how fast the messages of one socket may come.

Whoever sends faster than any page does costs the process time that other sessions need.
It is told the time, and knows no sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# A live page acknowledges 30 results a second and may send as many pictures itself.
MESSAGES_PER_SECOND = 150
# A page that could not run for some seconds sends at once what has gathered meanwhile.
MESSAGES_AT_ONCE = 600


class Pace:
    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        per_second: float = MESSAGES_PER_SECOND,
        at_once: int = MESSAGES_AT_ONCE,
    ) -> None:
        self._clock = clock
        self._per_second = per_second
        self._at_once = at_once
        self._counted_at = clock()
        self._left: float = at_once

    def allows_one_more(self) -> bool:
        """Count a message; False if it comes too early."""
        now = self._clock()
        earned = (now - self._counted_at) * self._per_second
        self._left = min(self._at_once, self._left + earned)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
