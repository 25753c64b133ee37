"""What one visitor does, out of malice or by mistake, is no other's trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from apps.nexus.pace import MESSAGES_AT_ONCE
from apps.nexus.protocol import TRY_AGAIN_LATER
from bench import records
from bench.clip import EncodedClip
from bench.product import Product
from bench.sender import Sender
from bench.traces import left_over, traces
from tests.waiting import eventually

MANY = 200
OPEN = b'{"type": "open", "resume_token": ""}'


def open_socket(product: Product) -> connect:
    return connect(
        f"{product.url.replace('http', 'ws')}/ws/session/",
        origin=Origin(product.url),
        compression=None,
        proxy=None,
    )


@asynccontextmanager
async def undisturbed(product: Product, clip: EncodedClip) -> AsyncIterator[None]:
    """A neighbour has results meanwhile and afterwards, and nothing is left over."""
    before = await asyncio.to_thread(traces, product)
    async with Sender(product.url, clip) as neighbour:
        await neighbour.results(5)
        yield
        await neighbour.results(5)
        assert not any(each["type"] == "error" for each in neighbour.messages)
    assert await asyncio.to_thread(left_over, product, before) == {}
    assert await asyncio.to_thread(product.inside, records.held_sessions) == 0


async def test_a_thousand_messages_a_second_end_their_socket(
    city: Product, clip: EncodedClip
) -> None:
    async with undisturbed(city, clip), open_socket(city) as socket:
        hearing = asyncio.create_task(_hear(socket))
        with pytest.raises(ConnectionClosed) as closed:
            await _babble(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == TRY_AGAIN_LATER
        errors = [each["code"] for each in await hearing if each["type"] == "error"]
        assert errors[-1] == "too_fast"
        assert len(errors) > MESSAGES_AT_ONCE


async def test_who_never_reads_has_nothing_kept(
    city: Product, clip: EncodedClip
) -> None:
    async with undisturbed(city, clip):
        # Of what nobody reads, the rest stays in the socket.
        reader, writer = await asyncio.open_connection(
            "localhost", city.port, limit=1024
        )
        writer.write(_handshake(city))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_frame(OPEN))
        await eventually(lambda: _held(city) == 2, "a session of the silent socket")
        ping = _frame(b'{"type": "ping", "sent_at_ms": 1}')
        for _ in range(10 * MESSAGES_AT_ONCE):
            if writer.transport.is_closing():
                break
            writer.write(ping)
            await asyncio.sleep(0)
        await eventually(lambda: _held(city) == 1, "the end of the silent socket")
        writer.close()


async def test_many_who_never_offer_leave_without_a_trace(
    city: Product, clip: EncodedClip
) -> None:
    # The first make the pools of connections as large as so many need.
    await _crowd(city)
    await eventually(lambda: _held(city) == 0, "the end of the first")
    async with undisturbed(city, clip):
        await _crowd(city)


async def _crowd(product: Product) -> None:
    """Many who open a session each, hear of it, and go."""
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(open_socket(product)) for _ in range(MANY)
        ]
        for socket in sockets:
            await socket.send(OPEN.decode())
        heard = await asyncio.gather(*(socket.recv() for socket in sockets))
        assert all(json.loads(message)["type"] for message in heard)


async def _babble(socket: ClientConnection) -> None:
    while True:
        await socket.send("garbage")
        await asyncio.sleep(0.001)


async def _hear(socket: ClientConnection) -> list[dict[str, str]]:
    """All messages until the socket is closed."""
    return [json.loads(text) async for text in _until_closed(socket)]


async def _until_closed(socket: ClientConnection) -> AsyncIterator[str | bytes]:
    with suppress(ConnectionClosed):
        async for text in socket:
            yield text


def _held(product: Product) -> int:
    return product.inside(records.held_sessions)


def _handshake(product: Product) -> bytes:
    lines = (
        "GET /ws/session/ HTTP/1.1",
        f"Host: localhost:{product.port}",
        f"Origin: {product.url}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def _frame(text: bytes) -> bytes:
    """A WebSocket's text frame of up to 125 bytes, masked with zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
