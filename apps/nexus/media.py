"""`MediaLink`: the media of a session for the length of one peer connection.

Joins a `Peer` with the `SessionPipeline` of its track, from the offer to `close`. It
knows no WebSocket; what happens is told to its listener.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from aiortc import MediaStreamTrack

from apps.nexus.peer import Peer
from apps.nexus.pipeline import MediaListener, PipelineListener, SessionPipeline
from apps.nexus.protocol import IceCandidate

NOT_CONNECTED = (
    "The camera's stream could not reach the server. A firewall between the two may be "
    "in the way."
)
CONNECTION_LOST = "The connection to the camera was lost."
PICTURE_STOPPED = "The camera's picture stopped coming."
SERVER_FAULT = "Something went wrong on the server. It has been written down."


class LinkListener(MediaListener, Protocol):
    def on_lost(self, link: MediaLink, sentence: str) -> None:
        """The connection did not come about, or is over without anybody's wish.

        Which of them, `link.is_live` tells.
        """


class MediaLink:
    """One peer connection and its pipeline.

    Args:
        make_pipeline: called when the track is there, with the listener for it.
        listener: told of live, results, workers and the loss of the connection.
        connect_timeout_s: from the offer to the first frame.
    """

    def __init__(
        self,
        *,
        make_pipeline: Callable[[PipelineListener], SessionPipeline],
        listener: LinkListener,
        connect_timeout_s: float,
    ) -> None:
        self._make_pipeline = make_pipeline
        self._listener = listener
        self._connect_timeout_s = connect_timeout_s
        self._peer = Peer(on_track=self._start_pipeline, on_lost=self._lose)
        self._pipeline: SessionPipeline | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self.is_live = False

    async def accept_offer(self, sdp: str) -> str:
        """See `Peer.accept_offer`; the time to connect runs from here."""
        self._timeout = asyncio.get_running_loop().call_later(
            self._connect_timeout_s, self._lose
        )
        return await self._peer.accept_offer(sdp)

    async def add_candidate(self, candidate: IceCandidate | None) -> None:
        await self._peer.add_candidate(candidate)

    def deliver(self, message: dict[str, Any]) -> None:
        """Pass on what a worker published."""
        if self._pipeline is not None:
            self._pipeline.deliver(message)

    async def close(self) -> None:
        """Frames first, then the connection: nobody reads from a closed peer."""
        self._cancel_timeout()
        pipeline, self._pipeline = self._pipeline, None
        try:
            if pipeline is not None:
                await pipeline.stop()
        finally:
            await self._peer.close()

    def on_live(self) -> None:
        self.is_live = True
        self._cancel_timeout()
        self._listener.on_live()

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

    def _lose(self) -> None:
        self._cancel_timeout()
        self._listener.on_lost(self, CONNECTION_LOST if self.is_live else NOT_CONNECTED)

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
