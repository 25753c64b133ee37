"""A camera without a browser: streams a clip to the product, and gathers the results.

Speaks WebRTC and the session's WebSocket as the page does. The clip is encoded already,
so that a session costs next to nothing and many of them fit into one event loop. Knows
the product by its address only.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiortc import RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from apps.nexus.ice import peer_configuration
from bench.clip import EncodedClip, Truth
from bench.track import ClipTrack

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, and what the answered frame really shows, in the answer's pixels.

    `sent_at` and `arrived_at` are of `time.monotonic`.
    """

    seq: int
    sent_at: float
    arrived_at: float
    truth: Truth
    message: dict[str, Any]

    @property
    def timings(self) -> dict[str, float]:
        timings: dict[str, float] = self.message["timings"]
        return timings


class Sender:
    """One session, open for the length of an `async with`.

    The server numbers the frames of a session as it decodes them. As long as none is
    lost on the way, which `packets_lost` tells, these are the numbers of the frames
    sent, and so every result is known to be of a certain frame of the clip.

    Args:
        page: the product's address, such as `http://localhost:8000`.
        clip: what the camera sees, again and again.
    """

    def __init__(self, page: str, clip: EncodedClip) -> None:
        self.clip = clip
        self.received: list[Result] = []
        # All messages but results, in the order in which they came.
        self.messages: list[dict[str, Any]] = []
        self._page = page.rstrip("/")
        self._track = ClipTrack(clip)
        self._pc = RTCPeerConnection(peer_configuration())
        self._news = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._trouble = ""

    async def __aenter__(self) -> Self:
        """Connect and offer; back when the server has answered.

        Raises:
            ConnectionError: the server did not take the session, and says why.
        """
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def results(self, count: int) -> list[Result]:
        """The next `count` results from now on."""
        first = len(self.received)
        await self._until(
            lambda: len(self.received) >= first + count, f"{count} results"
        )
        return self.received[first : first + count]

    async def message(self, type_: str, **fields: Any) -> dict[str, Any]:
        """The first message of a type that has these fields, come or still to come."""

        def found() -> list[dict[str, Any]]:
            wanted = {"type": type_, **fields}
            return [
                message
                for message in self.messages
                if wanted.items() <= message.items()
            ]

        await self._until(found, f"the message {type_} {fields or ''}")
        return found()[0]

    @property
    def session_id(self) -> str:
        session_id: str = self.messages[0]["session_id"]
        return session_id

    @property
    def frames_sent(self) -> int:
        return len(self._track.sent_at)

    async def packets_lost(self) -> int:
        """How many packets the server has missed by its latest report."""
        (transceiver,) = self._pc.getTransceivers()
        report = await transceiver.sender.getStats()
        return sum(
            int(entry.packetsLost)
            for entry in report.values()
            if entry.type == "remote-inbound-rtp"
        )

    async def close(self) -> None:
        """Leave as a page does that is closed. May be called more than once."""
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await self._reading
        self._track.stop()
        await self._pc.close()

    async def _open(self) -> None:
        scheme, _, host = self._page.partition("://")
        socket = self._socket = await connect(
            f"{scheme.replace('http', 'ws')}://{host}/ws/session/",
            origin=Origin(self._page),
            compression=None,
            proxy=None,
        )
        self._reading = asyncio.create_task(self._read(socket))
        await self._send(type="open", resume_token="")
        await self.message("welcome")
        await self._send(type="acquiring")
        self._track.add_to(self._pc)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        await self._send(type="offer", sdp=self._pc.localDescription.sdp)
        # aiortc gathers before it offers: there are no more.
        await self._send(type="candidate", candidate=None)
        answer = await self.message("answer")
        await self._pc.setRemoteDescription(
            RTCSessionDescription(sdp=answer["sdp"], type="answer")
        )

    async def _send(self, **message: Any) -> None:
        if self._socket is None:
            raise RuntimeError("The session is not open.")
        await self._socket.send(json.dumps(message))

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                arrived_at = time.monotonic()
                message = json.loads(text)
                if message["type"] == "result":
                    await self._send(type="ack", seq=message["seq"])
                    self.received.append(self._result(message, arrived_at))
                else:
                    self.messages.append(message)
                if message["type"] == "error":
                    self._trouble = message["sentence"]
                await self._tell()
        except ConnectionClosed:
            # An acknowledgement that came too late; who waits is told below.
            pass
        finally:
            self._trouble = self._trouble or "The session is over."
            await self._tell()

    def _result(self, message: dict[str, Any], arrived_at: float) -> Result:
        seq, clip = message["seq"], self.clip
        width, height = message["frame"]["width"], message["frame"]["height"]
        truth = clip.truths[seq % len(clip.truths)]
        return Result(
            seq=seq,
            sent_at=self._track.sent_at[seq],
            arrived_at=arrived_at,
            truth=truth.scaled(width / clip.width, height / clip.height),
            message=message,
        )

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for what the server sends.

        Raises:
            ConnectionError: the server refused something or ended the session.
            TimeoutError: it took too long; says what was heard last.
        """
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(lambda: condition() or self._trouble)
        except TimeoutError:
            raise TimeoutError(
                f"Waited {PATIENCE_S:.0f} s for {what}; the last message was "
                f"{self.messages[-1:]}."
            ) from None
        if not condition():
            raise ConnectionError(f"Waited for {what}. {self._trouble}")


@asynccontextmanager
async def sending(
    page: str, clip: EncodedClip, sessions: int
) -> AsyncIterator[list[Sender]]:
    """So many sessions at once, opened one after the other."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Sender(page, clip)) for _ in range(sessions)
        ]
