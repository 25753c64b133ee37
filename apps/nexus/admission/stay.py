"""`Stay`: how long a session that was let in may stay.

One without a live picture keeps others waiting for nothing; one that goes on for longer
than the settings allow makes room too, and is told before.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from django.conf import settings

IDLE_S = 60.0
NOTICE_S = 60.0
LOOK_S = 1.0

NO_PICTURE = "No picture came for a minute, so this place was given back."
ENDS_SOON = "This session ends in a minute, to make room for others."
TOO_LONG = "This session has been as long as one may be."


class Stay:
    """The clocks of a session.

    Args:
        held_s: for how long the session has been here before.
        notify: told once, while there is a picture, that the end is near.
    """

    def __init__(
        self, *, held_s: float, notify: Callable[[str], Awaitable[None]]
    ) -> None:
        now = _now()
        longest_s = settings.SESSION_MAX_MINUTES * 60 or math.inf
        self._ends_at = now - held_s + longest_s
        self._idle_since: float | None = now
        self._notify = notify

    def note_live(self, is_live: bool) -> None:
        """The picture came, or went."""
        if is_live:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = _now()

    async def until_over(self) -> str:
        """Wait for the end, and say in a sentence why it has come."""
        is_told = False
        while True:
            now = _now()
            if now >= self._ends_at:
                return TOO_LONG
            is_live = self._idle_since is None
            if self._idle_since is not None and now - self._idle_since >= IDLE_S:
                return NO_PICTURE
            if not is_told and is_live and now >= self._ends_at - NOTICE_S:
                is_told = True
                await self._notify(ENDS_SOON)
            await asyncio.sleep(LOOK_S)


def _now() -> float:
    return asyncio.get_running_loop().time()
