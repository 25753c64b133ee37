"""Every process is stopped and started again, one after the other, in live sessions."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import encode
from bench.processes import free_port
from bench.product import Product
from bench.records import deploy
from bench.sender import sending
from tests.integration.balancer import Balancer

SESSIONS = 8


async def test_a_rolling_restart_loses_no_session(
    product: Product, scripted_model: Callable[..., Path]
):
    product.env["DRAIN_TIMEOUT_S"] = "30"
    product.inside(deploy, scripted_model(), "scripted")
    ports = {"web-0": free_port(), "web-1": free_port()}
    workers = "worker-0", "worker-1"
    for label, port in ports.items():
        await asyncio.to_thread(product.start, "web", label=label, port=port)
    for label in workers:
        await asyncio.to_thread(product.start, "worker", label=label)
    # Short, for it begins with its only keyframe.
    clip = encode(render_clip([Segment(HOT_DOG, 0.2)]), "vp8")
    slow = replace(clip, frames_per_second=5)

    async with (
        Balancer(list(ports.values())) as balancer,
        sending(balancer.url, slow, SESSIONS) as senders,
    ):
        for sender in senders:
            await sender.results(1)
        for label, port in ports.items():
            # Its end is a clean one.
            assert await asyncio.to_thread(product.processes[label].terminate) == 0
            await asyncio.to_thread(product.start, "web", label=label, port=port)
            for sender in senders:
                await sender.results(2)
        for label in workers:
            assert await asyncio.to_thread(product.processes[label].terminate) == 0
            for sender in senders:
                await sender.results(2)
            await asyncio.to_thread(product.start, "worker", label=label)

        sessions, runs = rows(product, "camerasession"), rows(product, "run")
        assert len(sessions) == len(runs) == SESSIONS
        assert {session["status"] for session in sessions} == {"live"}
        assert all(run["ended_at"] is None for run in runs)
        for sender in senders:
            welcomes = [m for m in sender.messages if m["type"] == "welcome"]
            assert len(welcomes) >= 2
            assert len({welcome["session_id"] for welcome in welcomes}) == 1
            seqs = [result.seq for result in sender.received]
            assert seqs == sorted(set(seqs))


def rows(product: Product, table: str) -> list[dict[str, Any]]:
    with sqlite3.connect(product.directory / "emporium.sqlite3") as connection:
        connection.row_factory = sqlite3.Row
        name = f"emporium_sessions_{table}"
        found = connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()
    connection.close()
    return [dict(row) for row in found]
