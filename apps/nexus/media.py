"""`MediaLink`: the media of a session for as long as they come in one way.

Joins what brings the pictures with the `SessionPipeline` of their track, until `close`.
It knows no WebSocket; what happens is told to its listener.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from aiortc import MediaStreamTrack

from apps.nexus.chores import Chores
from apps.nexus.jpeg import JpegTrack, Picture
from apps.nexus.load import LoadWatch
from apps.nexus.peer import Peer
from apps.nexus.pipeline import MediaListener, PipelineListener, SessionPipeline
from apps.nexus.protocol import IceCandidate, ProtocolError
from apps.nexus.quality import Quality, QualityController

NOT_CONNECTED = (
    "The camera's stream could not reach the server. A firewall between the two may be "
    "in the way."
)
CONNECTION_LOST = "The connection to the camera was lost."
PICTURE_STOPPED = "The camera's picture stopped coming."
SERVER_FAULT = "Something went wrong on the server. It has been written down."

PipelineMaker = Callable[[PipelineListener], SessionPipeline]


class LinkListener(MediaListener, Protocol):
    def on_live(self, link: MediaLink) -> None:
        """The first frame has been decoded."""

    def on_quality(self, quality: Quality) -> None:
        """Another quality is worth sending from now on."""

    def on_lost(self, link: MediaLink, sentence: str) -> None:
        """The connection did not come about, or is over without anybody's wish.

        Which of them, `link.is_live` tells.
        """


class MediaLink:
    """What all ways of bringing pictures have in common.

    Args:
        make_pipeline: called when the track is there, with the listener for it.
        listener: told of live, results, workers and the loss of the connection.
        connect_timeout_s: until the first frame.
    """

    def __init__(
        self,
        *,
        make_pipeline: PipelineMaker,
        listener: LinkListener,
        connect_timeout_s: float,
    ) -> None:
        self._make_pipeline = make_pipeline
        self._listener = listener
        self._connect_timeout_s = connect_timeout_s
        self._pipeline: SessionPipeline | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self.is_live = False

    def deliver(self, message: dict[str, Any]) -> None:
        """Pass on what a worker published."""
        if self._pipeline is not None:
            self._pipeline.deliver(message)

    def record_drawn(self, seq: int, timings: dict[str, float]) -> None:
        """Pass on what the page measured of a result that it has drawn."""
        if self._pipeline is not None:
            self._pipeline.record_drawn(seq, timings)

    async def close(self, *, hands_over: bool = False) -> None:
        """See `SessionPipeline.stop`."""
        self._cancel_timeout()
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            await pipeline.stop(hands_over=hands_over)

    def on_live(self) -> None:
        self._cancel_timeout()
        self.is_live = True
        self._listener.on_live(self)

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self._listener.on_result(message, timings)

    def on_worker(self, alive: bool, sentence: str) -> None:
        self._listener.on_worker(alive, sentence)

    def on_silent(self) -> None:
        self._listener.on_lost(self, PICTURE_STOPPED)

    def on_broken(self) -> None:
        self._cancel_timeout()
        self._listener.on_lost(self, SERVER_FAULT)

    def _start_pipeline(self, track: MediaStreamTrack) -> None:
        self._pipeline = self._make_pipeline(self)
        self._pipeline.start(track)

    def _start_timeout(self) -> None:
        self._timeout = asyncio.get_running_loop().call_later(
            self._connect_timeout_s, self._lose
        )

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _lose(self) -> None:
        self._cancel_timeout()
        self._listener.on_lost(self, CONNECTION_LOST if self.is_live else NOT_CONNECTED)


class PeerLink(MediaLink):
    """One peer connection and its pipeline, from the offer to `close`.

    Args:
        controller: decides what the sender should send.
    """

    def __init__(
        self,
        *,
        make_pipeline: PipelineMaker,
        listener: LinkListener,
        connect_timeout_s: float,
        controller: QualityController,
    ) -> None:
        super().__init__(
            make_pipeline=make_pipeline,
            listener=listener,
            connect_timeout_s=connect_timeout_s,
        )
        self._peer = Peer(on_track=self._start_pipeline, on_lost=self._lose)
        self._watch = LoadWatch(
            controller=controller,
            decode_lag_ms=lambda: self._peer.decode_lag_ms,
            on_quality=listener.on_quality,
        )
        self._watching = Chores()

    async def accept_offer(self, sdp: str) -> str:
        """See `Peer.accept_offer`; the time to connect runs from here."""
        self._start_timeout()
        return await self._peer.accept_offer(sdp)

    async def add_candidate(self, candidate: IceCandidate | None) -> None:
        await self._peer.add_candidate(candidate)

    async def close(self, *, hands_over: bool = False) -> None:
        """Frames first, then the connection: nobody reads from a closed peer."""
        await self._watching.cancel()
        try:
            await super().close(hands_over=hands_over)
        finally:
            await self._peer.close()

    def on_live(self) -> None:
        self._watching.start(self._watch.run())
        super().on_live()

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self._watch.count_result()
        super().on_result(message, timings)


class JpegLink(MediaLink):
    """Pictures that come over the WebSocket, from `start` to `close`.

    Args:
        on_taken: see `JpegTrack`.
        on_refused: see `JpegTrack`.
    """

    def __init__(
        self,
        *,
        make_pipeline: PipelineMaker,
        listener: LinkListener,
        connect_timeout_s: float,
        on_taken: Callable[[int], None],
        on_refused: Callable[[ProtocolError], None],
    ) -> None:
        super().__init__(
            make_pipeline=make_pipeline,
            listener=listener,
            connect_timeout_s=connect_timeout_s,
        )
        self._track = JpegTrack(on_taken=on_taken, on_refused=on_refused)

    def start(self) -> None:
        self._start_timeout()
        self._start_pipeline(self._track)

    def put(self, picture: Picture) -> None:
        self._track.put(picture)
