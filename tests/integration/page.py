"""The session page as the server meets it: a WebSocket that speaks the protocol."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

from channels.testing import WebsocketCommunicator

from bench.processes import PATIENCE_S
from emporium.asgi import application
from tests.integration.camera import Camera

ORIGIN = "http://localhost"


class Page:
    """One visit, in this process. Draws, and so acknowledges, unless it is `slow`."""

    def __init__(
        self,
        origin: str | None = ORIGIN,
        cookie: str = "",
        forwarded_for: str = "",
        resume_token: str = "",
        deployment: str = "",
    ) -> None:
        headers = [(b"user-agent", b"Mozilla/5.0"), (b"cookie", cookie.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        if forwarded_for:
            headers.append((b"x-forwarded-for", forwarded_for.encode()))
        self.slow = False
        self.resume_token = resume_token
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        path = f"/ws/session/{deployment}/" if deployment else "/ws/session/"
        self._socket = WebsocketCommunicator(application, path, headers)
        self._news = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.leave()

    async def connect(self) -> bool:
        """Tells whether the server took the visit."""
        accepted, code = await self._socket.connect(PATIENCE_S)
        if not accepted:
            self.close_code = code
            return False
        self._reading = asyncio.create_task(self._read())
        return True

    async def open(self) -> dict[str, Any]:
        """Begin a session, or go on with that of the token; gives the welcome."""
        await self.speak_up()
        welcome = await self.message("welcome")
        self.resume_token = welcome["resume_token"]
        return welcome

    async def speak_up(self) -> None:
        """Say who this is, as a page does at once."""
        await self.connect()
        await self.send("open", resume_token=self.resume_token)

    async def leave(self, code: int = 1001) -> None:
        """Close the socket, and wait for all that the server does about it."""
        await self.close(code)
        await self.is_over()

    async def close(self, code: int = 1001) -> None:
        if not self._socket.future.done():
            await self._socket.send_input(
                {"type": "websocket.disconnect", "code": code}
            )

    def cancel(self) -> None:
        """Do what a server does that won't wait: cancel the application."""
        self._socket.future.cancel()

    async def is_over(self) -> None:
        """Wait for the end of the application, which must not be an error."""
        future = self._socket.future
        await asyncio.wait([future], timeout=PATIENCE_S)
        assert future.done(), "The application doesn't end."
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if not future.cancelled():
            future.result()

    async def send(self, type_: str, **fields: Any) -> None:
        await self.send_text(json.dumps({"type": type_, **fields}))

    async def send_text(self, text: str) -> None:
        await self._socket.send_input({"type": "websocket.receive", "text": text})

    async def send_bytes(self, content: bytes) -> None:
        await self._socket.send_input({"type": "websocket.receive", "bytes": content})

    async def stream(self, camera: Camera) -> None:
        """Offer the camera as the page does, and connect to what is answered."""
        answers = len(self.all_of("answer"))
        await self.send("offer", sdp=await camera.offer())
        await self.send("candidate", candidate=None)
        await self.until(lambda: len(self.all_of("answer")) > answers, "an answer")
        await camera.accept(self.all_of("answer")[-1]["sdp"])

    async def message(self, type_: str, **fields: Any) -> dict[str, Any]:
        """The first message that has these fields, come or still to come."""
        await self.until(lambda: self.all_of(type_, **fields), f"{type_} {fields}")
        return self.all_of(type_, **fields)[0]

    async def results(self, count: int) -> list[dict[str, Any]]:
        """The next so many results from now on."""
        begun = len(self.all_of("result"))
        await self.until(
            lambda: len(self.all_of("result")) >= begun + count, f"{count} results"
        )
        return self.all_of("result")[begun:]

    def all_of(self, type_: str, **fields: Any) -> list[dict[str, Any]]:
        wanted = {"type": type_, **fields}
        return [each for each in self.messages if wanted.items() <= each.items()]

    def statuses(self) -> list[str]:
        return [message["status"] for message in self.all_of("status")]

    async def until(self, condition: Any, what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(lambda: condition() or self._is_over)
        except TimeoutError:
            pass
        assert condition(), f"Waited for {what}, had {self.messages[-5:]}"

    @property
    def _is_over(self) -> bool:
        return self._reading is None or self._reading.done()

    async def _read(self) -> None:
        while self.close_code is None:
            output = await self._socket.output_queue.get()
            if output["type"] == "websocket.close":
                self.close_code = output.get("code") or 1000
            else:
                message = json.loads(output["text"], parse_constant=_refuse)
                self.messages.append(message)
                if message["type"] == "result" and not self.slow:
                    await self.send("ack", seq=message["seq"])
            async with self._news:
                self._news.notify_all()


def _refuse(constant: str) -> None:
    raise AssertionError(f"No browser can read {constant}.")
