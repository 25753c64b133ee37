"""`Negotiation`: one media link after the other, as a page offers them.

A new offer takes the place of the link before it, which is closed to its end first. It
knows no socket and no record: what is to be said goes to its listener.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from django.conf import settings

from apps.nexus.chores import Chores
from apps.nexus.media import MediaLink
from apps.nexus.peer import check_offer
from apps.nexus.pipeline import MediaListener, PipelineListener, SessionPipeline
from apps.nexus.protocol import IceCandidate, ProtocolError

OFFER_GRACE_S = 1.0


class NegotiationListener(MediaListener, Protocol):
    async def on_answer(self, sdp: str) -> None:
        """An offer has been accepted."""

    async def on_refused(self, error: ProtocolError) -> None:
        """A candidate was of no use."""

    async def on_failed(self, sentence: str) -> None:
        """No link came about, and there is no offer that promises one."""

    async def on_interrupted(self, sentence: str) -> None:
        """There was a link, and the page had better offer another."""


class Negotiation:
    """The peer connections of one visit, of which at most one is in use.

    Args:
        make_pipeline: called for each link's track, with the listener for it.
        listener: told of answers, of live, results and workers, and of losses.
        chores: where what takes its time is done.
    """

    def __init__(
        self,
        *,
        make_pipeline: Callable[[PipelineListener], SessionPipeline],
        listener: NegotiationListener,
        chores: Chores,
    ) -> None:
        self._make_pipeline = make_pipeline
        self._listener = listener
        self._chores = chores
        self._link: MediaLink | None = None
        # Closed to the end, even if the session ends meanwhile.
        self._retiring = Chores()
        # The connection whose loss is still to be told.
        self._lost: MediaLink | None = None

    def offer(self, sdp: str) -> None:
        """Begin a new peer connection. Candidates that follow belong to it at once.

        Raises:
            ProtocolError: the offer can't be used; nothing has changed.
        """
        check_offer(sdp)
        self.drop()
        link = self._link = MediaLink(
            make_pipeline=self._make_pipeline,
            listener=self,
            connect_timeout_s=settings.CONNECT_TIMEOUT_S,
        )
        self._chores.start(self._answer(link, sdp))

    def add_candidate(self, candidate: IceCandidate | None) -> None:
        """Pass a candidate on, beside what else is done: its name may take a second.

        Raises:
            ProtocolError: there is no offer that it belongs to.
        """
        if self._link is None:
            raise ProtocolError(
                "out_of_order",
                "A candidate came, but there is no offer it belongs to.",
            )
        self._chores.start(self._add_candidate(self._link, candidate))

    def deliver(self, message: dict[str, Any]) -> None:
        """Pass on what a worker published."""
        if self._link is not None:
            self._link.deliver(message)

    def forget_loss(self) -> None:
        """The page itself says where it is: what was lost before is old news."""
        self._lost = None

    def drop(self) -> None:
        """Do without a link."""
        self.forget_loss()
        link, self._link = self._link, None
        if link is not None:
            self._retiring.start(link.close())

    async def close(self) -> None:
        self.drop()
        await self._retiring.wait()

    async def _answer(self, link: MediaLink, sdp: str) -> None:
        # What closes empties the session's slot, which is now to be filled anew.
        await self._retiring.wait()
        try:
            answer = await link.accept_offer(sdp)
        except ProtocolError as error:
            if self._link is link:
                self.drop()
                await self._listener.on_failed(error.sentence)
            return
        if self._link is link:
            await self._listener.on_answer(answer)

    async def _add_candidate(
        self, link: MediaLink, candidate: IceCandidate | None
    ) -> None:
        try:
            await link.add_candidate(candidate)
        except ProtocolError as error:
            await self._listener.on_refused(error)

    # --- what the link tells --------------------------------------------------------

    def on_live(self) -> None:
        self._listener.on_live()

    def on_worker(self, alive: bool, sentence: str) -> None:
        self._listener.on_worker(alive, sentence)

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self._listener.on_result(message, timings)

    def on_lost(self, link: MediaLink, sentence: str) -> None:
        if link is self._link:
            self.drop()
            self._lost = link
            self._chores.start(self._declare_lost(link, sentence))

    async def _declare_lost(self, link: MediaLink, sentence: str) -> None:
        """A page that mends its connection closes the old one just before it offers."""
        await asyncio.sleep(OFFER_GRACE_S)
        if self._lost is not link or self._link is not None:
            return
        if link.is_live:
            await self._listener.on_interrupted(sentence)
        else:
            await self._listener.on_failed(sentence)
