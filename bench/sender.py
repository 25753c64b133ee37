"""A camera without a browser: streams a clip to the product, and gathers the results.

Speaks WebRTC and the session's WebSocket as the page does. The clip is encoded already,
so that a session costs next to nothing and many of them fit into one event loop. Knows
the product by its address only.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.typing import Origin

from bench.clip import EncodedClip, Truth
from bench.track import ClipStream

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

    When the server tells it to move, or misses its picture, it goes on with its session
    over another connection, and with the clip from its beginning.

    Args:
        page: the product's address, such as `http://localhost:8000`.
        clip: what the camera sees, again and again.
        deployment: whose page it is, if not the usual one's.
    """

    def __init__(self, page: str, clip: EncodedClip, deployment: str = "") -> None:
        self.clip = clip
        self.received: list[Result] = []
        # All messages but results, in the order in which they came.
        self.messages: list[dict[str, Any]] = []
        self._page = page.rstrip("/")
        self._path = f"/ws/session/{deployment}/" if deployment else "/ws/session/"
        self._streams: list[ClipStream] = []
        self._resume_token = ""
        self._moving: asyncio.Task[None] | None = None
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
        session_id: str = self._welcomes[0]["session_id"]
        return session_id

    @property
    def frames_sent(self) -> int:
        return sum(len(stream.track.sent_at) for stream in self._streams)

    async def packets_lost(self) -> int:
        """How many packets the server has missed by its latest report."""
        (transceiver,) = self._streams[-1].pc.getTransceivers()
        report = await transceiver.sender.getStats()
        return sum(
            int(entry.packetsLost)
            for entry in report.values()
            if entry.type == "remote-inbound-rtp"
        )

    async def close(self) -> None:
        """Leave as a page does that is closed. May be called more than once."""
        if self._moving is not None:
            self._moving.cancel()
            await asyncio.wait([self._moving])
        await self._disconnect()

    @property
    def _welcomes(self) -> list[dict[str, Any]]:
        return [each for each in self.messages if each["type"] == "welcome"]

    async def _disconnect(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await self._reading
        for stream in self._streams[-1:]:
            stream.track.stop()
            await stream.pc.close()

    async def _open(self) -> None:
        scheme, _, host = self._page.partition("://")
        socket = self._socket = await connect(
            f"{scheme.replace('http', 'ws')}://{host}{self._path}",
            origin=Origin(self._page),
            compression=None,
            proxy=None,
        )
        welcomes, answers = len(self._welcomes), self._count("answer")
        self._reading = asyncio.create_task(self._read(socket))
        await self._send(type="open", resume_token=self._resume_token)
        await self._until(lambda: len(self._welcomes) > welcomes, "a welcome")
        welcome = self._welcomes[-1]
        self._resume_token = welcome["resume_token"]
        await self._send(type="acquiring")
        stream = ClipStream(self.clip, first_seq=welcome["next_seq"])
        self._streams.append(stream)
        await self._send(type="offer", sdp=await stream.offer())
        # aiortc gathers before it offers: there are no more.
        await self._send(type="candidate", candidate=None)
        await self._until(lambda: self._count("answer") > answers, "an answer")
        await stream.accept(
            [each for each in self.messages if each["type"] == "answer"][-1]["sdp"]
        )

    async def _move(self, within_ms: int) -> None:
        """Go on over another connection; nobody may be there for a while."""
        await asyncio.sleep(random.uniform(0, within_ms) / 1000)
        await self._disconnect()
        delay_s = 0.25
        while True:
            self._trouble = ""
            try:
                await self._open()
            except (OSError, ConnectionClosed, InvalidMessage) as error:
                self._trouble = f"Away: {error}"
                await self._disconnect()
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, 5.0)
            else:
                return

    def _begin_to_move(self, within_ms: int) -> None:
        if self._moving is None or self._moving.done():
            self._moving = asyncio.create_task(self._move(within_ms))

    def _count(self, type_: str) -> int:
        return [each["type"] for each in self.messages].count(type_)

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
                if message["type"] == "move":
                    self._begin_to_move(message["within_ms"])
                if message.get("status") == "reconnecting":
                    self._begin_to_move(0)
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
        clip, stream = self.clip, self._streams[-1]
        number = message["seq"] - stream.first_seq
        width, height = message["frame"]["width"], message["frame"]["height"]
        truth = clip.truths[number % len(clip.truths)]
        return Result(
            seq=message["seq"],
            sent_at=stream.track.sent_at[number],
            arrived_at=arrived_at,
            truth=truth.scaled(width / clip.width, height / clip.height),
            message=message,
        )

    def _has_failed(self) -> bool:
        """Whether there is trouble; who moves has to deal with it, others wait."""
        is_moving = self._moving is not None and not self._moving.done()
        mine = asyncio.current_task() is self._moving
        return bool(self._trouble) and (mine or not is_moving)

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
                await self._news.wait_for(lambda: condition() or self._has_failed())
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
