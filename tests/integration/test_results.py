"""What a worker publishes reaches the one consumer it is meant for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis import Redis

from apps.inference import results
from apps.inference.mailbox import Letter
from apps.inference.types import (
    Box,
    Classification,
    Detection,
    Frame,
    Prediction,
    Timings,
)

SERVED_BY = {"version_id": 1, "name": "m", "version": "v", "family": "f"}
LETTER = Letter(
    frame=Frame("a", 7, 640, 480, b""),
    deployment="default",
    reply_channel="",
    age_ms=12.5,
    token="a token",
)
PREDICTION = Prediction(
    timings=Timings(featurize_ms=1.5, forward_ms=20.25, decode_ms=0.5),
    detections=(
        Detection(Box(1.5, 2, 30, 40), "hot dog", 0.9),
        Detection(Box(5, 6, 7, 8), "Bärenbrezel 🥨", 0.4),
    ),
    classifications=(Classification("hot dog", 0.75),),
)


@pytest.fixture
async def layer(redis: Redis) -> AsyncIterator[Any]:
    layer = get_channel_layer()
    yield layer
    await layer.flush()


def publish(redis: Redis, channel: str, message: dict[str, Any]) -> int:
    with redis.pipeline(transaction=False) as pipe:
        results.add_publish(pipe, channel, message)
        (receivers,) = pipe.execute()
    return int(receivers)


async def test_a_result_arrives_as_it_was_made(layer: Any, redis: Redis):
    channel = await layer.new_channel()
    message = results.result_message(LETTER, PREDICTION, SERVED_BY, held_ms=30.0)

    assert publish(redis, channel, message) == 1

    assert await layer.receive(channel) == {
        "type": "inference.result",
        "seq": 7,
        "frame": {"width": 640, "height": 480, "rotation": 0},
        "is_hot_dog": True,
        "detections": [
            {"label": "hot dog", "score": 0.9, "box": [1.5, 2, 30, 40]},
            {"label": "Bärenbrezel 🥨", "score": 0.4, "box": [5, 6, 7, 8]},
        ],
        "classifications": [{"label": "hot dog", "score": 0.75}],
        "served_by": SERVED_BY,
        "timings": {
            "wait_ms": 12.5,
            "featurize_ms": 1.5,
            "forward_ms": 20.25,
            "decode_ms": 0.5,
            "held_ms": 30.0,
        },
    }


async def test_a_drop_arrives_with_its_reason(layer: Any, redis: Redis):
    channel = await layer.new_channel()
    publish(redis, channel, results.dropped_message(LETTER, "expired", "Too old."))
    assert await layer.receive(channel) == {
        "type": "inference.dropped",
        "seq": 7,
        "reason": "expired",
        "sentence": "Too old.",
        "served_by": None,
    }


async def test_only_the_one_consumer_gets_it(layer: Any, redis: Redis):
    mine, other = await layer.new_channel(), await layer.new_channel()
    message = results.dropped_message(LETTER, "expired", "Too old.")
    publish(redis, mine, message)
    publish(redis, other, {**message, "seq": 8})
    assert (await layer.receive(other))["seq"] == 8
    assert (await layer.receive(mine))["seq"] == 7


async def test_a_consumer_that_is_gone_harms_nobody(layer: Any, redis: Redis):
    message = results.dropped_message(LETTER, "expired", "Too old.")
    assert publish(redis, "specific.gone", message) == 0
