"""Several deployments at once: each on its page, with its model, on its queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import EncodedClip, encode
from bench.processes import wait_until
from bench.product import Product
from bench.records import deploy, deploy_starters
from bench.sender import Sender
from tests.integration.test_product import assert_adds_up, runs, wait_for_the_end
from tests.waiting import eventually

ScriptedModel = Callable[..., Path]

pytestmark = pytest.mark.long

LARGE = ("-Q", "gpu-large", "-n", "large@%h")
BOTH = ("-Q", "gpu,gpu-large")
RESULTS = 25


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(render_clip([Segment(HOT_DOG, 1.0)], size=(320, 240)))


@pytest.fixture
def starters(product: Product) -> Product:
    """The detector answers on the usual page, the classifier on one of its own."""
    product.inside(deploy_starters)
    product.manage("deployments", "add", "classes", "starter-classifier")
    product.manage("deployments", "set", "classes", "--queue", "gpu-large")
    product.start("web")
    return product


@pytest.mark.parametrize("workers", [[(), LARGE], [BOTH]])
async def test_a_detector_and_a_classifier_serve_two_pages_at_the_same_time(
    starters: Product, clip: EncodedClip, workers: list[tuple[str, ...]]
):
    for number, arguments in enumerate(workers):
        starters.start("worker", *arguments, label=f"worker-{number}")
    async with (
        Sender(starters.url, clip) as boxes,
        Sender(starters.url, clip, "classes") as classes,
    ):
        of_boxes, of_classes = await asyncio.gather(
            boxes.results(RESULTS), classes.results(RESULTS)
        )
        welcomes = [
            (await each.message("welcome"))["model"]["name"]
            for each in (boxes, classes)
        ]
    assert welcomes == ["starter-detector", "starter-classifier"]
    assert any(each.message["detections"] for each in of_boxes)
    assert all(not each.message["classifications"] for each in of_boxes)
    assert all(each.message["classifications"] for each in of_classes)

    wait_for_the_end(starters)
    ran = runs(starters)
    assert len({run["model_version_id"] for run in ran}) == len(ran) == 2
    assert len({run["worker"] for run in ran}) == len(workers)
    for run in ran:
        assert_adds_up(run)


async def test_one_worker_gives_the_sessions_of_both_queues_equal_turns(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
):
    product.inside(deploy, scripted_model(sleep_ms=40), "scripted")
    product.inside(
        deploy,
        scripted_model(sleep_ms=40, label="banana"),
        "scripted",
        deployment_name="fruit",
        queue="gpu-large",
    )
    product.start("web")
    product.start("worker", *BOTH)
    async with AsyncExitStack() as stack:
        senders = [
            await stack.enter_async_context(Sender(product.url, clip, deployment))
            for deployment in ["", "", "", "", "fruit"]
        ]
        for sender in senders:
            await sender.results(1)
        begun = [len(sender.received) for sender in senders]
        await senders[0].results(RESULTS)
        counts = [
            len(sender.received) - before
            for sender, before in zip(senders, begun, strict=True)
        ]
    assert max(counts) <= 1.2 * min(counts)


async def test_a_deployment_whose_queue_has_no_worker_says_so_and_no_other_does(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
):
    model = scripted_model()
    product.inside(deploy, model, "scripted")
    product.inside(
        deploy, model, "scripted", deployment_name="fruit", queue="gpu-large"
    )
    product.start_all("web", "worker")
    async with (
        Sender(product.url, clip) as served,
        Sender(product.url, clip, "fruit") as unserved,
    ):
        told = await unserved.message("worker", alive=False)
        assert "Waiting for a worker" in told["sentence"]
        assert (await unserved.message("welcome"))["worker_alive"] is False
        assert len(await served.results(5)) == 5
        await asyncio.to_thread(product.start, "worker", *LARGE, label="large")
        assert len(await unserved.results(5)) == 5
        await unserved.message("worker", alive=True)


@pytest.mark.parametrize("workers", [[(), LARGE], [BOTH]])
async def test_a_live_session_goes_with_its_deployment_to_another_queue(
    product: Product,
    scripted_model: ScriptedModel,
    clip: EncodedClip,
    workers: list[tuple[str, ...]],
):
    product.inside(deploy, scripted_model(), "scripted")
    product.start("web")
    for number, arguments in enumerate(workers):
        product.start("worker", *arguments, label=f"worker-{number}")
    async with Sender(product.url, clip) as sender:
        await sender.results(5)
        (before,) = await asyncio.to_thread(_runs_with_worker, product)
        await asyncio.to_thread(
            product.manage, "deployments", "set", "default", "--queue", "gpu-large"
        )
        if len(workers) > 1:
            # Who answers is written down every few seconds.
            await asyncio.to_thread(
                wait_until,
                lambda: runs(product)[0]["worker"] != before["worker"],
                "the other worker's answers",
            )
        else:
            await sender.results(100)
        await sender.results(5)
        assert [each["type"] for each in sender.messages].count("welcome") == 1
    wait_for_the_end(product)
    (run,) = runs(product)
    assert_adds_up(run)
    assert run["lost"] == 0
    if len(workers) == 1:
        # It had the model already, so not even a frame was in vain.
        assert run["failed"] == 0


async def test_scores_are_taken_up_under_a_live_session(
    product: Product, scripted_model: ScriptedModel, clip: EncodedClip
):
    product.inside(deploy, scripted_model(), "scripted")
    product.start_all("web", "worker")
    async with Sender(product.url, clip) as sender:
        assert all(each.message["is_hot_dog"] for each in await sender.results(5))
        await asyncio.to_thread(
            product.manage, "deployments", "set", "default", "--hot-dog-score", "0.95"
        )
        await eventually(
            lambda: not sender.received[-1].message["is_hot_dog"], "another verdict"
        )
        (result,) = await sender.results(1)
        assert result.message["detections"]


def _runs_with_worker(product: Product) -> list[dict[str, Any]]:
    """The runs, once it is written who answers."""
    wait_until(lambda: all(run["worker"] for run in runs(product)), "a run's worker")
    return runs(product)
