"""The end of a web process: its pages are told to move to another one, and waited for.

Whoever runs the application calls `begin` before it cancels what still runs. From then
on nobody is let in.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

# So many pages a second are let loose on the other processes.
MOVES_PER_SECOND = 20


class Guest(Protocol):
    async def move(self, within_ms: int) -> None:
        """Tell the page to connect anew, at a moment of its choice within this time."""


class Moving:
    def __init__(self) -> None:
        self.has_begun = False
        self._guests: set[Guest] = set()
        self._somebody_left = asyncio.Event()

    def enter(self, guest: Guest) -> None:
        self._guests.add(guest)

    def leave(self, guest: Guest) -> None:
        """Say that nothing of a guest is left; who never entered may say so too."""
        self._guests.discard(guest)
        self._somebody_left.set()

    async def begin(self, patience_s: float) -> int:
        """Have everybody move, and wait for them; gives how many were still here."""
        self.has_begun = True
        # Who is told to leave at the last moment would be thrown out on the way.
        within_s = min(len(self._guests) / MOVES_PER_SECOND, patience_s / 2)
        telling = [guest.move(round(within_s * 1000)) for guest in self._guests]
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*telling, return_exceptions=True)
                while self._guests:
                    self._somebody_left.clear()
                    await self._somebody_left.wait()
        except TimeoutError:
            pass
        return len(self._guests)


of_this_process = Moving()
