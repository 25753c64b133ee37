"""Bad days of the real server: what a stranger sends it, and a Redis that goes away."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import encode
from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from bench.sender import Sender

ScriptedModel = Callable[..., Path]


def open_socket(product: Product, origin: str) -> connect:
    return connect(
        f"{product.url.replace('http', 'ws')}/ws/session/",
        origin=Origin(origin),
        proxy=None,
        max_size=None,
    )


async def welcomed(socket: ClientConnection) -> str:
    message = json.loads(await ask(socket, '{"type": "open", "resume_token": ""}'))
    assert message["type"] == "welcome"
    # Right behind it the page is told whether pictures may be kept.
    assert json.loads(await socket.recv())["type"] == "keeping"
    return str(message["session_id"]).replace("-", "")


async def ask(socket: ClientConnection, text: str) -> str | bytes:
    await socket.send(text)
    return await socket.recv()


def is_left(product: Product, session_id: str) -> bool:
    with sqlite3.connect(product.directory / "emporium.sqlite3") as connection:
        ((holder,),) = connection.execute(
            "SELECT holder FROM emporium_sessions_camerasession WHERE id = ?",
            [session_id],
        )
    connection.close()
    return bool(holder == "")


async def test_strangers_disturb_nobody(
    product: Product, scripted_model: ScriptedModel
):
    product.inside(deploy, scripted_model(), "scripted")
    await asyncio.to_thread(product.start, "web")
    async with open_socket(product, product.url) as neighbour:
        neighbours_session = await welcomed(neighbour)

        with pytest.raises(InvalidStatus) as refused:
            await open_socket(product, "http://evil.example")
        assert refused.value.response.status_code == 403

        async with open_socket(product, product.url) as socket:
            session = await welcomed(socket)
            with pytest.raises(ConnectionClosed):
                await ask(socket, "[" * 10_000_000)
        await asyncio.to_thread(
            wait_until, lambda: is_left(product, session), "the session to be left"
        )

        answer = await ask(neighbour, '{"type": "ping", "sent_at_ms": 1}')
        assert json.loads(answer)["type"] == "pong"
        assert not is_left(product, neighbours_session)
        with await asyncio.to_thread(urlopen, f"{product.url}/") as page:
            assert page.status == 200


async def test_results_go_on_when_redis_has_lost_everything(
    tmp_path: Path, scripted_model: ScriptedModel, empty_database: Path
):
    """It holds nothing durable: what it loses costs a second of results."""
    clip = encode(render_clip([Segment(HOT_DOG, 1.0)]), "vp8")
    with Product(
        tmp_path, settings="tests.settings", database=empty_database
    ) as product:
        product.inside(deploy, scripted_model(), "scripted")
        redis = await asyncio.to_thread(product.start, "redis")
        await asyncio.to_thread(product.start_all, "web", "worker")
        async with Sender(product.url, clip) as sender:
            await sender.results(3)
            await asyncio.to_thread(redis.terminate)
            await sender.message("worker", alive=False)
            await asyncio.to_thread(product.start, "redis")
            await sender.results(3)
            assert [each["type"] for each in sender.messages].count("answer") == 1
