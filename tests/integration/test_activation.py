"""Versions change under live sessions, or don't, by the product's own processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import EncodedClip, encode
from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy
from bench.sender import Sender
from tests.integration.test_product import rows

ScriptedModel = Callable[..., Path]
SCORE = 0.9


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(render_clip([Segment(HOT_DOG, 1.0)], size=(320, 240)), "vp8")


@pytest.fixture
def serving(product: Product, scripted_model: ScriptedModel) -> Product:
    """A product of which a worker sees hot dogs."""
    product.inside(deploy, scripted_model(), "scripted")
    product.start_all("web", "worker", "housekeeping")
    return product


@pytest.fixture
def golden_model(scripted_model: ScriptedModel) -> ScriptedModel:
    """A version that was published with golden answers, which it gives by `score`."""

    def write(**config: object) -> Path:
        directory = scripted_model(**config)
        answer = {"scores": [SCORE, 0.0], "labels": [0, 1], "boxes": None}
        (directory / "golden.json").write_text(json.dumps({"answers": [answer] * 4}))
        return directory

    return write


def activation(product: Product) -> dict[str, Any]:
    """The last one."""
    found = rows(product, "inference_activation")
    return found[-1] if found else {"state": None}


async def ask_for(product: Product, model: Path) -> None:
    await asyncio.to_thread(product.inside, deploy, model, "scripted")


async def becomes(product: Product, state: str) -> dict[str, Any]:
    await asyncio.to_thread(
        wait_until, lambda: activation(product)["state"] == state, f"to be {state}"
    )
    return activation(product)


def labels(sender: Sender) -> list[str]:
    return [
        result.message["detections"][0]["label"]
        for result in sender.received
        if result.message["detections"]
    ]


async def sees(sender: Sender, label: str) -> None:
    """Whatever is answered until then."""
    while (await sender.results(1))[0].message["detections"][0]["label"] != label:
        pass


@contextmanager
def no_frame_failed(product: Product) -> Iterator[None]:
    yield
    runs = rows(product, "emporium_sessions_run")
    assert runs
    assert [run["failed"] for run in runs] == [0] * len(runs)


async def test_two_workers_change_over_together(
    serving: Product, golden_model: ScriptedModel, clip: EncodedClip
) -> None:
    serving.start("worker", label="another")
    with no_frame_failed(serving):
        async with Sender(serving.url, clip) as sender:
            await sender.results(5)
            await ask_for(serving, golden_model(label="banana"))
            switched = await becomes(serving, "switched")
            await sender.message("model")
            await sender.results(5)
            assert labels(sender)[-1] == "banana"
            assert [each["type"] for each in sender.messages].count("answer") == 1
    check = json.loads(switched["figures"])["check"]
    assert len(check) == 2
    assert {each["same_top_1"] for each in check.values()} == {True}


async def test_a_worker_that_is_killed_while_it_loads_leaves_the_old_version(
    serving: Product, scripted_model: ScriptedModel, clip: EncodedClip, tmp_path: Path
) -> None:
    gate = tmp_path / "may-load"
    another = serving.start("worker", label="another")
    async with Sender(serving.url, clip) as sender:
        await sender.results(5)
        await ask_for(serving, scripted_model(label="banana", wait_on_load=str(gate)))
        await becomes(serving, "loading")
        another.kill()
        taken_back = await becomes(serving, "rolled_back")
        gate.touch()
        await sender.results(5)
        assert labels(sender)[-1] == HOT_DOG
    assert "died while it loaded it." in taken_back["reason"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"fail_on_load": "The head is missing."}, "The head is missing."),
        ({"score": 0.5}, "It doesn't answer the golden pictures as it did when it was"),
    ],
)
async def test_a_broken_version_never_answers(
    serving: Product,
    golden_model: ScriptedModel,
    clip: EncodedClip,
    config: dict[str, Any],
    reason: str,
) -> None:
    with no_frame_failed(serving):
        async with Sender(serving.url, clip) as sender:
            await sender.results(5)
            await ask_for(serving, golden_model(label="banana", **config))
            taken_back = await becomes(serving, "rolled_back")
            await sender.results(5)
            assert set(labels(sender)) == {HOT_DOG}
    assert reason in taken_back["reason"]


async def test_a_version_that_fails_in_its_first_minute_is_taken_back(
    serving: Product, golden_model: ScriptedModel, clip: EncodedClip
) -> None:
    async with Sender(serving.url, clip) as sender:
        await sender.results(5)
        await ask_for(serving, golden_model(label="banana", fail_every=2))
        taken_back = await becomes(serving, "rolled_back")
        await sees(sender, HOT_DOG)
    assert "in its first minute" in taken_back["reason"]
    figures = json.loads(taken_back["figures"])
    assert figures["first_minute"]["failed"] >= 3


async def test_a_version_that_kills_its_worker_is_taken_back_and_not_loaded_again(
    serving: Product, golden_model: ScriptedModel, clip: EncodedClip
) -> None:
    worker = serving.processes["worker"]
    async with Sender(serving.url, clip) as sender:
        await sender.results(5)
        await ask_for(serving, golden_model(label="banana", kill_on_frame=True))
        await asyncio.to_thread(
            wait_until, lambda: not worker.is_running(), "its death"
        )
        await asyncio.to_thread(serving.start, "worker", label="again")
        await sender.results(5)
        assert set(labels(sender)) == {HOT_DOG}
    taken_back = activation(serving)
    assert taken_back["state"] == "rolled_back"
    assert "died in the first minute" in taken_back["reason"]


async def test_what_no_worker_can_do_waits_for_one_and_says_so(
    serving: Product, scripted_model: ScriptedModel, clip: EncodedClip
) -> None:
    await asyncio.to_thread(serving.processes["worker"].terminate)
    await ask_for(serving, scripted_model(label="banana"))
    await asyncio.to_thread(
        wait_until, lambda: "none is running" in activation(serving)["step"], "words"
    )
    async with Sender(serving.url, clip) as sender:
        await asyncio.to_thread(serving.start, "worker", label="another")
        await becomes(serving, "switched")
        await sender.results(5)
        assert labels(sender)[-1] == "banana"
