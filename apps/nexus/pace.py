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
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted_at = clock()
        self._left: float = MESSAGES_AT_ONCE

    def allows_one_more(self) -> bool:
        """Count a message; False if it comes too early."""
        now = self._clock()
        earned = (now - self._counted_at) * MESSAGES_PER_SECOND
        self._left = min(MESSAGES_AT_ONCE, self._left + earned)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
