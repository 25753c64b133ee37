"""`Place`: what one visit has here, in the line and then in.

Without Redis this process decides alone, by what it holds itself; sessions that are in
stay in, and are made known again when Redis is back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from redis.exceptions import RedisError

from apps.inference.connections import async_redis
from apps.nexus.admission.caps import Caps
from apps.nexus.admission.slots import Slots
from apps.nexus.admission.standing import In, Waiting
from apps.nexus.admission.visitor import Visitor

logger = logging.getLogger(__name__)

# Several times within a lease.
RENEW_S = 2.0
# How soon a free slot is found: by those it is for, and by those far behind.
ASK_S = 1.0
ASK_FAR_S = 4.0
FAR = 50
# Each has a socket and a row and keeps asking, so a process bears only so many.
MOST_WAITING = 500

NODE = socket.gethostname()


class Entrance:
    """The door of one process: its connection to Redis, and who is in."""

    def __init__(self) -> None:
        self.slots = Slots(
            async_redis(),
            node=NODE,
            process=f"{NODE}:{os.getpid()}:{secrets.token_hex(4)}",
        )
        self.held: set[str] = set()
        self.waiting = 0
        self._redis_is_away = False

    @property
    def is_crowded(self) -> bool:
        """Whether nobody else can wait here, neither in the line nor outside."""
        return self.waiting >= MOST_WAITING

    async def ask(self, visitor: Visitor, held_s: float | None = None) -> In | Waiting:
        """Ask Redis, or decide alone where there is none."""
        caps = Caps.from_settings()
        try:
            answer = await self.slots.ask(
                visitor, caps, holds=len(self.held), held_s=held_s
            )
        except RedisError as error:
            self._note(error)
            answer = self._decide_alone(caps, held_s)
        else:
            self._note(None)
        if isinstance(answer, In):
            self.held.add(visitor.session_id)
        return answer

    def forget(self, visitor: Visitor) -> None:
        """Let the lease run out by itself, unless another process renews it."""
        self.held.discard(visitor.session_id)

    async def leave(self, visitor: Visitor) -> None:
        self.forget(visitor)
        try:
            await self.slots.leave(visitor)
        except RedisError as error:
            self._note(error)

    def _decide_alone(self, caps: Caps, held_s: float | None) -> In | Waiting:
        if held_s is not None:
            return In(held_s)
        is_full = 0 < caps.per_process <= len(self.held)
        return Waiting("full") if is_full else In()

    def _note(self, error: RedisError | None) -> None:
        if error is not None and not self._redis_is_away:
            logger.warning("Redis is away, so this process admits alone: %s", error)
        elif error is None and self._redis_is_away:
            logger.warning("Redis is back: sessions are counted together again.")
        self._redis_is_away = error is not None


class Place:
    """A visitor's place. `leave` is due whatever happened, also in the middle."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._entrance = of_this_loop()
        self._asking: asyncio.Task[In | Waiting] | None = None
        self._since: float | None = None

    async def enter(self, tell: Callable[[Waiting], Awaitable[None]]) -> float:
        """Wait until there is a slot; `tell` is called whenever the wait looks new.

        Returns: for how many seconds the session has held it, over all connections.
        """
        answer = await self._ask()
        if isinstance(answer, Waiting):
            self._entrance.waiting += 1
            try:
                answer = await self._wait(answer, tell)
            finally:
                self._entrance.waiting -= 1
        self._since = _now() - answer.held_s
        return answer.held_s

    async def _wait(
        self, answer: In | Waiting, tell: Callable[[Waiting], Awaitable[None]]
    ) -> In:
        told: Waiting | None = None
        while isinstance(answer, Waiting):
            if answer != told:
                await tell(answer)
                told = answer
            is_far = answer.position is None or answer.position > FAR
            await asyncio.sleep(ASK_FAR_S if is_far else ASK_S)
            answer = await self._ask()
        return answer

    async def keep(self) -> None:
        """Renew the slot for as long as this goes on."""
        while True:
            await asyncio.sleep(RENEW_S)
            await self._ask()

    async def leave(self, *, for_good: bool) -> None:
        """Be done here, after whatever may still be being asked for.

        A page that was lost finds its place again for as long as the lease lasts.
        """
        if self._asking is not None:
            await asyncio.wait([self._asking])
        if for_good:
            await self._entrance.leave(self._visitor)
        else:
            self._entrance.forget(self._visitor)

    async def _ask(self) -> In | Waiting:
        # Shielded, since a question whose asker is cancelled may be answered all the
        # same, after the slot was given back.
        held_s = None if self._since is None else _now() - self._since
        self._asking = asyncio.create_task(self._entrance.ask(self._visitor, held_s))
        return await asyncio.shield(self._asking)


def _now() -> float:
    return asyncio.get_running_loop().time()


_entrances: WeakKeyDictionary[asyncio.AbstractEventLoop, Entrance] = WeakKeyDictionary()


def of_this_loop() -> Entrance:
    """The entrance of the running event loop: its sessions share the connections."""
    loop = asyncio.get_running_loop()
    if loop not in _entrances:
        _entrances[loop] = Entrance()
    return _entrances[loop]
