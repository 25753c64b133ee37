"""Waiting in asynchronous tests: for what must happen, as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bench.processes import PATIENCE_S


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Ask again and again, for as long as the slowest machine needs."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            # What is asked for may be the work of a thread, which sets no event.
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"Not in {PATIENCE_S} s: {what}") from None


async def ticks() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)
