"""`Attendance`: a page's being here, from its first message until its socket is gone.

Whose session it is, whether there is a place for it, how long it may stay, and what is
left of all that when it goes. It knows no media.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from channels.layers import get_channel_layer
from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.inference.models import Deployment
from apps.nexus import moving
from apps.nexus.admission.place import Place, of_this_loop
from apps.nexus.admission.standing import Waiting
from apps.nexus.admission.stay import Stay
from apps.nexus.admission.visitor import Visitor
from apps.nexus.chores import Chores
from apps.nexus.protocol import (
    BEGIN_ANEW,
    SESSION_OVER,
    TAKEN_OVER,
    TRY_AGAIN_LATER,
    Send,
)
from apps.nexus.visit import Visit
from apps.sessions.models import CameraSession

logger = logging.getLogger(__name__)

Status = CameraSession.Status


class Attendance:
    """One page's.

    Args:
        scope: of its socket.
        channel: by which its process can be told that another page goes on.
        send: to the page.
        close: closes the socket with a code.
        chores: what goes on meanwhile; it ends with the socket.
    """

    def __init__(
        self,
        *,
        scope: dict[str, Any],
        channel: str,
        send: Send,
        close: Callable[[int], Awaitable[None]],
        chores: Chores,
    ) -> None:
        self._scope = scope
        self._channel = channel
        self._send = send
        self._close = close
        self._chores = chores
        self.visit: Visit | None = None
        self._entering: Future[Visit] | None = None
        self._place: Place | None = None
        self._stay: Stay | None = None
        self._waits_because = ""
        # Why the session itself is over, and not only this socket.
        self._ended_because = ""

    @property
    def is_in(self) -> bool:
        return self._stay is not None

    async def begin(self, resume_token: str) -> Visit | None:
        """Find the session and wait for its place; None if the page was turned away."""
        if moving.of_this_process.has_begun:
            await self._turn_away("The server is being restarted.")
            return None
        if of_this_loop().is_crowded:
            await self._turn_away("Too many are waiting already.")
            return None
        self._entering = Visit.enter(
            self._scope, holder=self._channel, resume_token=resume_token
        )
        try:
            visit = await asyncio.wrap_future(self._entering)
        except Deployment.DoesNotExist:
            logger.error(
                "Nothing is deployed for %s; `manage.py provision` deploys what `/` is"
                " answered by.",
                self._scope["path"],
            )
            await self._turn_away("Nothing is served here yet.")
            return None
        except DatabaseError:
            # `records` has logged it.
            await self._turn_away("Sessions can't be written down now.")
            return None
        self.visit = visit
        self._chores.start(self._close_when_given_up(visit))
        await _part_from_former(visit)
        await self._come_in(visit)
        return visit

    async def change_status(self, status: str, sentence: str) -> None:
        if self.visit is None:
            raise RuntimeError("The session has not been opened.")
        if self._stay is not None:
            self._stay.note_live(status == Status.LIVE)
        self.visit.change_status(status, sentence)
        await self._send("status", status=str(status), sentence=sentence)

    async def end(self, why: str, *, is_left: bool) -> None:
        """The socket is gone: its page may come back, unless the session is over.

        Args:
            why: in a sentence.
            is_left: whether the page went by itself; who waits in line then leaves it.
        """
        visit = await self._entered()
        is_waiting = self._place is not None and not self.is_in
        for_good = bool(self._ended_because) or (is_left and is_waiting)
        is_over = False
        try:
            if visit is not None and for_good:
                is_over = await visit.end(self._ended_because or why)
            elif visit is not None:
                await visit.leave(why)
        finally:
            if self._place is not None:
                await self._place.leave(for_good=is_over)

    async def _entered(self) -> Visit | None:
        """The visit, also if its page was gone before it came about.

        Nobody waits longer for that: its end is written behind its beginning anyway.
        """
        if self._entering is None:
            return None
        (outcome,) = await asyncio.gather(
            asyncio.wrap_future(self._entering), return_exceptions=True
        )
        return outcome if isinstance(outcome, Visit) else None

    async def _turn_away(self, sentence: str) -> None:
        await self._send("error", code="unavailable", sentence=sentence)
        await self._close(TRY_AGAIN_LATER)

    async def _come_in(self, visit: Visit) -> None:
        visitor = Visitor.from_scope(str(visit.session_id), self._scope)
        place = self._place = Place(visitor)
        held_s = await place.enter(partial(self._tell_place, visit))
        self._chores.start(place.keep())
        if self._waits_because:
            visit.change_status(Status.PENDING, "")
        stay = self._stay = Stay(held_s=held_s, notify=self._tell_live)
        self._chores.start(self._end_when_over(stay))

    async def _tell_place(self, visit: Visit, waiting: Waiting) -> None:
        if waiting.sentence != self._waits_because:
            self._waits_because = waiting.sentence
            await self.change_status(Status.WAITING, waiting.sentence)
        await self._send(
            "place",
            resume_token=visit.resume_token,
            position=waiting.position,
            estimate_s=waiting.estimate_s,
        )

    async def _tell_live(self, sentence: str) -> None:
        await self.change_status(Status.LIVE, sentence)

    async def _end_when_over(self, stay: Stay) -> None:
        self._ended_because = await stay.until_over()
        await self._send("status", status="ended", sentence=self._ended_because)
        await self._close(SESSION_OVER)

    async def _close_when_given_up(self, visit: Visit) -> None:
        goes_on_elsewhere = await visit.keep_in_sight()
        await self._close(TAKEN_OVER if goes_on_elsewhere else BEGIN_ANEW)


async def _part_from_former(visit: Visit) -> None:
    """Whoever held the session until now may be half dead, in any process."""
    if not visit.former_holder:
        return
    try:
        await get_channel_layer().send(visit.former_holder, {"type": "session.taken"})
    except RedisError as error:
        # It will find out when it next says that it is alive.
        logger.warning("A former holder was not told: %s", error)
