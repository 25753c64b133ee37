"""A shadow and a canary beside real sessions, in the product's own processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from apps.inference.trials.assignment import is_within
from bench.clip import EncodedClip, encode
from bench.product import Product
from bench.records import deploy, try_beside
from bench.sender import Sender, sending
from tests.waiting import eventually

ScriptedModel = Callable[..., Path]


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(render_clip([Segment(HOT_DOG, 1.0)]), "vp8")


def the_trial(product: Product) -> dict[str, Any]:
    """What other processes have written of it, read as they do: from the file."""
    with sqlite3.connect(product.directory / "emporium.sqlite3") as connection:
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute("SELECT * FROM inference_trial").fetchall()
    connection.close()
    return {**dict(row), "figures": json.loads(row["figures"])}


async def begin(product: Product, champion: Path, *processes: str) -> None:
    product.inside(deploy, champion, "scripted")
    await asyncio.to_thread(product.start_all, "web", "worker", *processes)


async def beside(product: Product, challenger: Path, kind: str, share: float) -> int:
    return await asyncio.to_thread(
        product.inside, try_beside, challenger, "scripted", kind, share
    )


def answerers(product: Product) -> list[psutil.Process]:
    shadow = psutil.Process(product.processes["shadow"].pid)
    return shadow.children(recursive=True)


async def test_a_shadow_is_compared_with_what_sessions_are_told(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
):
    await begin(product, scripted_model(), "shadow")
    assert answerers(product) == []
    async with Sender(product.url, clip) as sender:
        await beside(product, scripted_model(label="banana"), "shadow", 1.0)
        await eventually(
            lambda: the_trial(product)["figures"].get("agreement", {}).get("compared"),
            "frames to be compared",
        )
        await sender.results(5)
        assert all(result.message["is_hot_dog"] for result in sender.received)
    figures = the_trial(product)["figures"]
    compared = figures["agreement"]["compared"]
    assert figures["agreement"]["verdict"] == {"champion": compared}
    assert figures["agreement"]["labels"] == {"other": compared}
    assert figures["agreement"]["iou"] == {"hot dog": {"20": compared}}
    for side in ("champion", "challenger"):
        assert figures[side]["answered"] == compared

    product.manage("trials", "stop")
    await eventually(lambda: answerers(product) == [], "its process to end")
    assert the_trial(product)["reason"] == "An operator stopped it."


async def test_results_go_on_whatever_becomes_of_the_shadow(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
):
    await begin(product, scripted_model(), "shadow")
    async with Sender(product.url, clip) as sender:
        await beside(product, scripted_model(sleep_ms=60_000), "shadow", 1.0)
        await eventually(
            lambda: "shadows default" in product.processes["shadow"].output(),
            "the shadow to be there",
        )
        await sender.results(10)
        (answerer,) = answerers(product)
        os.kill(answerer.pid, signal.SIGKILL)
        await eventually(
            lambda: the_trial(product)["state"] == "stopped", "the trial to end"
        )
        await sender.results(10)
        product.processes.pop("shadow").kill()
        await sender.results(10)
        assert not any(each["type"] == "error" for each in sender.messages)
    assert the_trial(product)["reason"] == (
        "It kills whoever runs it; perhaps memory is short."
    )


async def test_a_challenger_that_does_not_load_says_why(
    product: Product, scripted_model: ScriptedModel
):
    await begin(product, scripted_model(), "shadow")
    broken = scripted_model(fail_on_load="The weights belong to another network.")
    await beside(product, broken, "shadow", 1.0)
    await eventually(
        lambda: the_trial(product)["state"] == "stopped", "the trial to end"
    )
    assert the_trial(product)["reason"] == "The weights belong to another network."


async def test_a_canary_answers_its_sessions_and_is_promoted(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
):
    await begin(product, scripted_model())
    trial_id = await beside(product, scripted_model(label="banana"), "canary", 0.5)
    await eventually(
        lambda: "answers sessions of default" in product.processes["worker"].output(),
        "the canary to be loaded",
    )
    async with sending(product.url, clip, 5) as senders:
        for sender in senders:
            its = is_within(0.5, trial_id, sender.session_id)
            told = {result.message["is_hot_dog"] for result in await sender.results(10)}
            # Who says banana sees no hot dog.
            assert told == {not its}
        await asyncio.to_thread(product.manage, "trials", "promote")
        await eventually(
            lambda: the_trial(product)["state"] == "promoted", "the switch"
        )
        await eventually(
            lambda: (
                not any(each.received[-1].message["is_hot_dog"] for each in senders)
            ),
            "everybody to be answered by the challenger",
        )
        for sender in senders:
            assert not any(each["type"] == "error" for each in sender.messages)


async def test_a_canary_that_fails_stops_by_itself(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
):
    await begin(product, scripted_model())
    await beside(product, scripted_model(label="banana", fail_every=8), "canary", 1.0)
    async with Sender(product.url, clip) as sender:
        await eventually(
            lambda: the_trial(product)["state"] == "stopped", "the canary to be stopped"
        )
        await eventually(
            lambda: sender.received[-1].message["is_hot_dog"],
            "the champion to answer again",
        )
    assert "It failed on" in the_trial(product)["reason"]
