"""`DoctorConsumer`: the WebSocket on which a browser tries its ways to this process.

It knows neither sessions nor the database nor Redis, so it works while they don't.
Messages are JSON objects with a field `type`:

    server  hello {ice_servers}     what the page may try besides the direct way
            busy {sentence}         too many others are here; the socket is closed
    page    ping {sent_at_ms}   →   pong {sent_at_ms}
    page    offer {way, sdp}    →   answer {way, sdp} or refused {way, sentence}

A visit is short, and few are taken at once: strangers can't hold ports or memory.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from apps.nexus import turn
from apps.nexus.chores import Chores
from apps.nexus.doctor.echo_peer import EchoPeer
from apps.nexus.protocol import MAX_MESSAGE_CHARS, TRY_AGAIN_LATER, ProtocolError

WAYS = ("direct", "udp", "tcp", "tls")
VISITS_AT_ONCE = 8
VISIT_S = 60.0
MOST_MESSAGES = 64
BUSY = (
    "Others are being examined just now, and the server takes few at a time. Examine "
    "again in a minute."
)
VISIT_IS_OVER = 4008

_visits: set[DoctorConsumer] = set()


class DoctorConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    # There is none of that name: nobody calls a visit, and Redis may be what is broken.
    channel_layer_alias = "none"

    def __init__(self) -> None:
        super().__init__()
        self._peers: dict[str, EchoPeer] = {}
        self._chores = Chores()
        self._received = 0
        self._end: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._leave()

    async def connect(self) -> None:
        await self.accept()
        if len(_visits) >= VISITS_AT_ONCE:
            await self.send_json({"type": "busy", "sentence": BUSY})
            await self.close(TRY_AGAIN_LATER)
            return
        _visits.add(self)
        self._end = asyncio.get_running_loop().call_later(
            VISIT_S, lambda: self._chores.start(self.close(VISIT_IS_OVER))
        )
        servers = turn.ice_servers(f"doctor-{uuid4()}")
        await self.send_json({"type": "hello", "ice_servers": servers})

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        self._received += 1
        if self not in _visits:
            return
        if self._received > MOST_MESSAGES or len(text_data or "") > MAX_MESSAGE_CHARS:
            await self.close(VISIT_IS_OVER)
            return
        match _read(text_data):
            case {"type": "ping", "sent_at_ms": float() | int() as sent_at_ms}:
                await self.send_json({"type": "pong", "sent_at_ms": sent_at_ms})
            case {"type": "offer", "way": str(way), "sdp": str(sdp)}:
                self._try(way, sdp)

    def _try(self, way: str, sdp: str) -> None:
        """Each way once a visit."""
        if way in WAYS and way not in self._peers:
            self._peers[way] = EchoPeer()
            self._chores.start(self._answer(way, sdp))

    async def _answer(self, way: str, sdp: str) -> None:
        try:
            answer = await self._peers[way].accept_offer(sdp)
        except ProtocolError as error:
            refusal = {"type": "refused", "way": way, "sentence": error.sentence}
            await self.send_json(refusal)
        else:
            await self.send_json({"type": "answer", "way": way, "sdp": answer})

    async def _leave(self) -> None:
        if self._end is not None:
            self._end.cancel()
        await self._chores.cancel()
        closing = [peer.close() for peer in self._peers.values()]
        await asyncio.gather(*closing, return_exceptions=True)
        _visits.discard(self)


def _read(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None
