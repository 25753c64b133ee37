"""Results go to the page no faster than it draws them: two may be on their way.

Without this a slow page would have its results pile up in the server's socket, each one
staler than the last. The newest waits for the next acknowledgement, older ones go.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

UNACKNOWLEDGED_RESULTS = 2


class ResultCredit:
    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._send = send
        self._unacknowledged: list[int] = []
        self._held: tuple[dict[str, Any], float] | None = None

    def restart(self) -> None:
        """Begin a new picture: what was sent of the last one may never be drawn."""
        self._unacknowledged = []
        self._held = None

    async def offer(self, result: dict[str, Any]) -> None:
        if len(self._unacknowledged) >= UNACKNOWLEDGED_RESULTS:
            self._held = (result, time.monotonic())
            return
        self._unacknowledged.append(result["seq"])
        await self._send(result)

    async def acknowledge(self, seq: int) -> None:
        """The page has drawn the result `seq`, and so has done with all before it."""
        self._unacknowledged = [
            waiting for waiting in self._unacknowledged if waiting > seq
        ]
        if self._held is not None:
            (held, held_since), self._held = self._held, None
            held["timings"]["age_ms"] += (time.monotonic() - held_since) * 1000
            await self.offer(held)
