"""What a product that does nothing holds: threads, open files and keys in Redis."""

from __future__ import annotations

import time

import psutil
from redis import Redis

from bench.product import Product

PATIENCE_S = 20.0
# Pools of connections and of threads grow to what was needed at once, and stay so.
SLACK = 6


def redis_of(product: Product) -> Redis:
    """A client of the product's own Redis."""
    return Redis(port=int(product.env["REDIS_PORT"]))


def members(product: Product, part: str) -> list[psutil.Process]:
    """The process of that name, and those that it has started."""
    leader = psutil.Process(product.processes[part].pid)
    return [leader, *leader.children(recursive=True)]


def traces(product: Product) -> dict[str, int]:
    """How much there is of everything that could be left over, by its name."""
    counted: dict[str, int] = {}
    for part in product.processes:
        each = members(product, part)
        counted[f"threads of {part}"] = sum(one.num_threads() for one in each)
        counted[f"files of {part}"] = sum(one.num_fds() for one in each)
    with redis_of(product) as redis:
        counted["keys in the mailbox"] = len(redis.keys("mailbox:*"))
        # For a minute it is remembered who was here, in case they come back.
        memories = len(redis.keys("admission:visit:*"))
        counted["keys in Redis"] = redis.dbsize() - memories
    return counted


def left_over(product: Product, before: dict[str, int]) -> dict[str, int]:
    """What there is more than before, once everything had time to go; by its name."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        now = traces(product)
        more = {
            name: count - before[name]
            for name, count in now.items()
            if count > before[name] + _slack(name)
        }
        if not more or time.monotonic() > deadline:
            return more
        time.sleep(0.2)


def _slack(name: str) -> int:
    return 0 if name == "keys in the mailbox" else SLACK
