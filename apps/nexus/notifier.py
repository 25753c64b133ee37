"""`PageNotifier`: tells the page, and the records, what becomes of its media.

What comes of the media is told on the event loop and sent beside it, in its order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from apps.nexus.chores import Chores
from apps.nexus.credit import ResultCredit
from apps.nexus.protocol import SERVER_MESSAGES, ProtocolError, Send
from apps.nexus.quality import Quality
from apps.sessions.models import CameraSession

Status = CameraSession.Status


class PageNotifier:
    """The listener of a `Negotiation`.

    Args:
        send: to the page.
        change_status: sends a status and a sentence, and writes them down.
        chores: where what takes its time is done.
    """

    def __init__(
        self,
        *,
        send: Send,
        change_status: Callable[[str, str], Awaitable[None]],
        chores: Chores,
    ) -> None:
        self._send = send
        self._change_status = change_status
        self._chores = chores
        self._credit = ResultCredit(self._send_result)
        # What the page has been told that answers.
        self.model: dict[str, str] | None = None

    def restart(self) -> None:
        """Begin a new picture, see `ResultCredit`."""
        self._credit.restart()

    async def acknowledge(self, seq: int) -> None:
        await self._credit.acknowledge(seq)

    async def on_answer(self, sdp: str) -> None:
        await self._send("answer", sdp=sdp)

    async def on_connecting(self) -> None:
        sentence = "Connecting the camera to the server."
        await self._change_status(Status.CONNECTING, sentence)

    async def on_taken(self, rtp_timestamp: int) -> None:
        await self._send("taken", rtp_timestamp=rtp_timestamp)

    async def on_refused(self, error: ProtocolError) -> None:
        await self._send("error", code=error.code, sentence=error.sentence)

    async def on_failed(self, sentence: str) -> None:
        await self._change_status(Status.FAILED, sentence)

    async def on_interrupted(self, sentence: str) -> None:
        await self._change_status(Status.RECONNECTING, sentence)

    def on_live(self, sentence: str) -> None:
        self._chores.start(self._tell_live(sentence))

    def on_worker(self, alive: bool, sentence: str) -> None:
        self._chores.start(self._send("worker", alive=alive, sentence=sentence))

    def on_quality(self, quality: Quality) -> None:
        self._chores.start(self._send("quality", **asdict(quality)))

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self._chores.start(self._offer_result(message, timings))

    async def _tell_live(self, sentence: str) -> None:
        await self._change_status(Status.LIVE, sentence)

    async def _offer_result(
        self, message: dict[str, Any], timings: dict[str, float]
    ) -> None:
        model = {
            key: message["served_by"][key] for key in ("name", "version", "family")
        }
        if model != self.model:
            self.model = model
            await self._send("model", model=model)
        fields = {
            field: message[field]
            for field in SERVER_MESSAGES["result"]
            if field != "timings"
        }
        fields["timings"] = {stage: round(ms, 2) for stage, ms in timings.items()}
        await self._credit.offer(fields)

    async def _send_result(self, fields: dict[str, Any]) -> None:
        await self._send("result", **fields)
