"""Faults that a part of the product may have, and how long it needs after them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psutil

from bench.clip import EncodedClip
from bench.product import Product
from bench.sender import Sender
from bench.traces import left_over, members, redis_of, traces

PARTS = ("worker", "redis", "web")
RESULTS_BEFORE = 5
# So many results must follow each other until a session is taken to be well again.
RESULTS_AFTER = 5
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    strike: Callable[[Product], object]
    relieve: Callable[[Product], object]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of a fault.

    `back_s` is from the moment when the part was there again to the next result, and
    `left_over` what there is more of than before once all sessions are closed.
    """

    fault: str
    lasted_s: float
    back_s: float
    is_same_session: bool
    left_over: dict[str, int]


def kill(product: Product, part: str) -> None:
    for process in reversed(members(product, part)):
        process.send_signal(signal.SIGKILL)
    product.processes[part].kill()


def send(product: Product, part: str, number: signal.Signals) -> None:
    for process in members(product, part):
        process.send_signal(number)


def limit_memory(product: Product, maxmemory: str) -> None:
    with redis_of(product) as redis:
        redis.config_set("maxmemory", maxmemory)


def limit_files(product: Product, size: int) -> None:
    """Let no process make a file any larger, as if the disk were full."""
    for part in product.processes:
        for process in members(product, part):
            _, most = process.rlimit(psutil.RLIMIT_FSIZE)
            process.rlimit(psutil.RLIMIT_FSIZE, (size, most))


def faults() -> list[Fault]:
    return [
        *(
            Fault(
                f"{part} killed",
                partial(kill, part=part),
                partial(Product.start, name=part),
            )
            for part in PARTS
        ),
        *(
            Fault(
                f"{part} stopped",
                partial(send, part=part, number=signal.SIGSTOP),
                partial(send, part=part, number=signal.SIGCONT),
            )
            for part in PARTS
        ),
        Fault(
            "Redis out of memory",
            partial(limit_memory, maxmemory="1"),
            partial(limit_memory, maxmemory="512mb"),
        ),
        Fault(
            "disk full",
            partial(limit_files, size=0),
            partial(limit_files, size=psutil.RLIM_INFINITY),
        ),
    ]


async def suffer(
    product: Product, clip: EncodedClip, fault: Fault, lasts_s: float
) -> Recovery:
    """Have a live session meet a fault, and wait until results come again.

    Raises:
        TimeoutError: they don't.
    """
    before = await asyncio.to_thread(traces, product)
    async with Sender(product.url, clip) as sender:
        await sender.results(RESULTS_BEFORE)
        await asyncio.to_thread(fault.strike, product)
        await asyncio.sleep(lasts_s)
        await asyncio.to_thread(fault.relieve, product)
        returned_at = time.monotonic()
        is_same_session, back_at = True, 0.0
        try:
            back_at = (await sender.results(RESULTS_AFTER))[0].arrived_at
        except ConnectionError:
            is_same_session = False
            back_at = await _begin_anew(product, clip)
    return Recovery(
        fault=fault.name,
        lasted_s=lasts_s,
        back_s=round(back_at - returned_at, 2),
        is_same_session=is_same_session,
        left_over=await asyncio.to_thread(left_over, product, before),
    )


async def _begin_anew(product: Product, clip: EncodedClip) -> float:
    """As the page does, again and again; tells when the first result came."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ConnectionError, OSError):
                async with Sender(product.url, clip) as sender:
                    return (await sender.results(RESULTS_AFTER))[0].arrived_at
            await asyncio.sleep(0.1)
