"""The promises of the whole, kept by its real processes under a real stream.

A scripted model answers, in a worker that was started with `-Q gpu` and nothing else.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import EncodedClip, encode
from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from bench.sender import Sender

ScriptedModel = Callable[..., Path]
DROPS = ("superseded", "expired", "throttled", "failed", "lost")


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(render_clip([Segment(HOT_DOG, 1.0)]), "vp8")


def rows(product: Product, table: str) -> list[dict[str, Any]]:
    """What other processes have written, read as they do: from the file."""
    with sqlite3.connect(product.directory / "emporium.sqlite3") as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
    connection.close()
    return [dict(row) for row in found]


def runs(product: Product) -> list[dict[str, Any]]:
    return rows(product, "emporium_sessions_run")


def sessions(product: Product) -> list[dict[str, Any]]:
    return rows(product, "emporium_sessions_camerasession")


def wait_for_the_end(product: Product) -> None:
    wait_until(
        lambda: not any(session["holder"] for session in sessions(product)),
        "the sessions to be left, in the database",
    )


def assert_adds_up(run: dict[str, Any]) -> None:
    dropped = sum(run[reason] for reason in DROPS)
    assert run["received"] == run["inferred"] + dropped + run["pending"], run


async def test_results_come_by_themselves_once_there_is_a_worker(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
) -> None:
    product.inside(deploy, scripted_model(), "scripted")
    product.start("web")
    async with Sender(product.url, clip) as sender:
        told = await sender.message("worker", alive=False)
        assert "Waiting for a worker" in told["sentence"]
        await asyncio.to_thread(product.start, "worker")
        assert len(await sender.results(5)) == 5
        await sender.message("worker", alive=True)


async def test_a_killed_worker_costs_its_frame_and_no_more(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
) -> None:
    product.inside(deploy, scripted_model(), "scripted")
    product.start_all("web", "worker")
    async with Sender(product.url, clip) as sender:
        await sender.results(5)
        product.processes["worker"].kill()
        await asyncio.to_thread(product.start, "worker")
        await sender.results(5)
        assert not any(each["type"] == "error" for each in sender.messages)
    wait_for_the_end(product)
    (run,) = runs(product)
    assert_adds_up(run)


async def test_another_version_takes_over_in_a_live_session(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
) -> None:
    product.inside(deploy, scripted_model(), "scripted")
    product.start_all("web", "worker")
    async with Sender(product.url, clip) as sender:
        before = await sender.results(5)
        await asyncio.to_thread(
            product.inside, deploy, scripted_model(label="banana"), "scripted"
        )
        await sender.message("model")
        after = await sender.results(5)
        assert [each["type"] for each in sender.messages].count("answer") == 1
    assert all(result.message["is_hot_dog"] for result in before)
    assert not any(result.message["is_hot_dog"] for result in after)

    wait_for_the_end(product)
    first, second = runs(product)
    assert first["model_version_id"] != second["model_version_id"]
    assert first["inferred"] >= len(before)
    assert second["inferred"] >= len(after)
    assert first["ended_at"] is not None
    for run in (first, second):
        assert_adds_up(run)
    (activation,) = rows(product, "inference_activation")
    assert activation["state"] == "switched"


HEADLESS = "The weights belong to another network."


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"fail_on_load": HEADLESS}, HEADLESS),
        (
            {"kill_on_load": True},
            "It kills whoever loads it; perhaps memory is short.",
        ),
    ],
)
async def test_a_broken_version_is_rolled_back_and_the_old_one_goes_on(
    product: Product,
    scripted_model: ScriptedModel,
    clip: EncodedClip,
    fault: dict[str, Any],
    sentence: str,
) -> None:
    product.inside(deploy, scripted_model(), "scripted")
    product.start_all("web", "worker")
    async with Sender(product.url, clip) as sender:
        await sender.results(5)
        (before,) = rows(product, "inference_deployment")
        await asyncio.to_thread(
            product.inside, deploy, scripted_model(**fault), "scripted"
        )
        await asyncio.to_thread(
            wait_until,
            lambda: rows(product, "inference_activation")[0]["state"] == "rolled_back",
            "the roll-back",
        )
        after = await sender.results(5)
    assert all(result.message["is_hot_dog"] for result in after)
    (activation,) = rows(product, "inference_activation")
    assert activation["reason"] == sentence
    assert rows(product, "inference_deployment") == [before]


async def test_a_slow_worker_takes_fresh_frames_and_the_ledger_adds_up(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
) -> None:
    product.inside(deploy, scripted_model(sleep_ms=500), "scripted")
    product.start_all("web", "worker")
    async with Sender(product.url, clip) as sender:
        results = await sender.results(20)
    wait_for_the_end(product)
    waits = [result.timings["wait_ms"] for result in results]
    assert np.percentile(waits, 95) <= 150
    (run,) = runs(product)
    assert run["superseded"] > run["inferred"]
    assert run["failed"] == 0
    assert_adds_up(run)


async def test_a_model_that_fails_on_a_batch_goes_on_with_the_next(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
) -> None:
    product.inside(deploy, scripted_model(fail_every=3), "scripted")
    product.start_all("web", "worker")
    async with Sender(product.url, clip) as sender:
        await sender.results(10)
    wait_for_the_end(product)
    (run,) = runs(product)
    assert run["failed"] > 0
    assert_adds_up(run)


async def test_the_web_process_ends_by_sigterm_with_a_session_live(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
) -> None:
    product.inside(deploy, scripted_model(), "scripted")
    product.start_all("web", "worker")
    async with Sender(product.url, clip) as sender:
        await sender.results(5)
        await asyncio.to_thread(product.processes["web"].terminate)
    (session,) = sessions(product)
    # It waits for its page to come back, to another process.
    assert (session["status"], session["holder"]) == ("reconnecting", "")
    (run,) = runs(product)
    assert run["inferred"] >= 5
    assert_adds_up(run)
