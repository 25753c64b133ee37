"""`Negotiation`: one media link after the other, as a page offers them.

A new offer takes the place of the link before it, which is closed to its end first.
Only JPEG over the WebSocket stays beside an offer, until the peer connection is live.
It knows no socket and no record: what is to be said goes to its listener.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from django.conf import settings

from apps.nexus.chores import Chores
from apps.nexus.jpeg import Picture
from apps.nexus.media import JpegLink, MediaLink, PeerLink, PipelineMaker
from apps.nexus.peer import check_offer
from apps.nexus.pipeline import MediaListener
from apps.nexus.protocol import IceCandidate, ProtocolError
from apps.nexus.quality import Quality, QualityController

OFFER_GRACE_S = 1.0

LIVE = "Live."
LIVE_AS_JPEG = "Live, picture by picture: this network lets no video through."


class NegotiationListener(MediaListener, Protocol):
    def on_quality(self, quality: Quality) -> None:
        """Another quality is worth sending from now on."""

    async def on_answer(self, sdp: str) -> None:
        """An offer has been accepted."""

    async def on_connecting(self) -> None:
        """It has been answered, and nothing is live until its link is."""

    async def on_refused(self, error: ProtocolError) -> None:
        """A candidate or a picture was of no use."""

    async def on_taken(self, rtp_timestamp: int) -> None:
        """A picture of JPEG has been decoded, or its place was taken."""

    async def on_failed(self, sentence: str) -> None:
        """No link came about, and there is no offer that promises one."""

    async def on_interrupted(self, sentence: str) -> None:
        """There was a link, and the page had better offer another."""

    def on_live(self, sentence: str) -> None:
        """Frames come, in the way that the sentence says."""


class Negotiation:
    """The links of one visit, of which at most one is live.

    Args:
        make_pipeline: called for each link's track, with the listener for it.
        listener: told of answers, of live, results and workers, and of losses.
        chores: where what takes its time is done.
    """

    def __init__(
        self,
        *,
        make_pipeline: PipelineMaker,
        listener: NegotiationListener,
        chores: Chores,
    ) -> None:
        self._make_pipeline = make_pipeline
        self._listener = listener
        self._chores = chores
        self._peer: PeerLink | None = None
        self._jpeg: JpegLink | None = None
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
        self.forget_loss()
        self._retire(self._peer)
        peer = self._peer = PeerLink(
            make_pipeline=self._make_pipeline,
            listener=self,
            connect_timeout_s=settings.CONNECT_TIMEOUT_S,
            controller=QualityController(settings.FRAME_MAX_SIDE),
        )
        self._chores.start(self._answer(peer, sdp))

    def add_candidate(self, candidate: IceCandidate | None) -> None:
        """Pass a candidate on, beside what else is done: its name may take a second.

        Raises:
            ProtocolError: there is no offer that it belongs to.
        """
        if self._peer is None:
            raise ProtocolError(
                "out_of_order",
                "A candidate came, but there is no offer it belongs to.",
            )
        self._chores.start(self._add_candidate(self._peer, candidate))

    def begin_jpeg(self) -> None:
        """Expect pictures over the socket; an offer that isn't live stays beside it."""
        self.forget_loss()
        self._retire(self._jpeg)
        if self._peer is not None and self._peer.is_live:
            self._retire(self._peer)
        jpeg = self._jpeg = JpegLink(
            make_pipeline=self._make_pipeline,
            listener=self,
            connect_timeout_s=settings.CONNECT_TIMEOUT_S,
            on_taken=self._tell_taken,
            on_refused=self._tell_refused,
        )
        self._chores.start(self._start_jpeg(jpeg))

    def put(self, picture: Picture) -> None:
        """Take a picture that came over the socket.

        Raises:
            ProtocolError: it has not been announced.
        """
        if self._jpeg is None:
            raise ProtocolError(
                "out_of_order", "A picture came, but `begin_jpeg` did not."
            )
        self._jpeg.put(picture)

    def deliver(self, message: dict[str, Any]) -> None:
        """Pass on what a worker published."""
        for link in self._links:
            link.deliver(message)

    def record_drawn(self, seq: int, timings: dict[str, float]) -> None:
        """Pass on what the page measured of a result that it has drawn."""
        for link in self._links:
            link.record_drawn(seq, timings)

    def forget_loss(self) -> None:
        """The page itself says where it is: what was lost before is old news."""
        self._lost = None

    def drop(self) -> None:
        """Do without any link."""
        self.forget_loss()
        for link in self._links:
            self._retire(link)

    async def close(self) -> None:
        self.drop()
        await self._retiring.wait()

    @property
    def _links(self) -> list[MediaLink]:
        return [link for link in (self._peer, self._jpeg) if link is not None]

    def _retire(self, link: MediaLink | None, *, hands_over: bool = False) -> None:
        if link is None:
            return
        self._retiring.start(link.close(hands_over=hands_over))
        if link is self._peer:
            self._peer = None
        else:
            self._jpeg = None

    async def _answer(self, peer: PeerLink, sdp: str) -> None:
        # What closes empties the session's slot, which is now to be filled anew.
        await self._retiring.wait()
        try:
            answer = await peer.accept_offer(sdp)
        except ProtocolError as error:
            if self._peer is peer:
                self._retire(peer)
                if not self._links:
                    await self._listener.on_failed(error.sentence)
            return
        if self._peer is peer:
            await self._listener.on_answer(answer)
            if not any(link.is_live for link in self._links):
                await self._listener.on_connecting()

    async def _start_jpeg(self, jpeg: JpegLink) -> None:
        await self._retiring.wait()
        if self._jpeg is jpeg:
            jpeg.start()

    async def _add_candidate(
        self, peer: PeerLink, candidate: IceCandidate | None
    ) -> None:
        try:
            await peer.add_candidate(candidate)
        except ProtocolError as error:
            await self._listener.on_refused(error)

    def _tell_taken(self, rtp_timestamp: int) -> None:
        self._chores.start(self._listener.on_taken(rtp_timestamp))

    def _tell_refused(self, error: ProtocolError) -> None:
        self._chores.start(self._listener.on_refused(error))

    # --- what the links tell ----------------------------------------------------------

    def on_live(self, link: MediaLink) -> None:
        if link is self._peer:
            self._retire(self._jpeg, hands_over=True)
            self._listener.on_live(LIVE)
        elif link is self._jpeg:
            self._listener.on_live(LIVE_AS_JPEG)

    def on_worker(self, alive: bool, sentence: str) -> None:
        self._listener.on_worker(alive, sentence)

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self._listener.on_result(message, timings)

    def on_quality(self, quality: Quality) -> None:
        self._listener.on_quality(quality)

    def on_lost(self, link: MediaLink, sentence: str) -> None:
        if link not in self._links:
            return
        self._retire(link)
        if not self._links:
            self._lost = link
            self._chores.start(self._declare_lost(link, sentence))

    async def _declare_lost(self, link: MediaLink, sentence: str) -> None:
        """A page that mends its connection closes the old one just before it offers."""
        await asyncio.sleep(OFFER_GRACE_S)
        if self._lost is not link or self._links:
            return
        if link.is_live:
            await self._listener.on_interrupted(sentence)
        else:
            await self._listener.on_failed(sentence)
