"""`LatestFrame`: a slot of one. What comes in replaces what nobody took."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestFrame(Generic[T]):
    """Hands the newest item from one task to another, never more than one."""

    def __init__(self) -> None:
        self._item: T | None = None
        self._filled = asyncio.Event()

    def put(self, item: T) -> T | None:
        """Fill the slot; returns the item that was replaced, if any."""
        replaced, self._item = self._item, item
        self._filled.set()
        return replaced

    async def take(self) -> T:
        """Wait for an item and empty the slot."""
        while self._item is None:
            self._filled.clear()
            await self._filled.wait()
        item, self._item = self._item, None
        return item
