"""Frames are passed on to a shadow without anybody waiting for that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import RedisError

from apps.inference.answering import Answers
from apps.inference.mailbox import Letter
from apps.inference.trials.passing import Passing, Shadow
from apps.inference.types import Frame
from tests.unit.inference.trials.answers import answer

PATIENCE_S = 10.0
DROPPED = {"type": "inference.dropped", "reason": "failed"}


class SlowRedis:
    """Is asked for what is wanted, and answers when it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.error: RedisError | None = None

    def getdel(self, key: str) -> None:
        self.asked += 1
        self.is_asked.set()
        assert self.may_answer.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error


@pytest.fixture
def redis() -> SlowRedis:
    return SlowRedis()


@pytest.fixture
def passing(redis: SlowRedis) -> Iterator[Passing]:
    passing = Passing(cast(Redis, redis))
    yield passing
    redis.may_answer.set()
    passing.close()


def answers(
    *messages: dict[str, Any], deployment: str = "default", session: str = "a"
) -> Answers:
    frame = Frame(session, 1, 2, 2, b"\x80" * 6)
    letter = Letter(frame, deployment, "channel", 1.0, "token")
    return [(letter, message) for message in messages]


def test_nobody_is_asked_where_there_is_no_shadow(redis: SlowRedis, passing: Passing):
    passing.take(answers(answer()))
    passing.close()
    assert redis.asked == 0


def test_who_answers_does_not_wait_and_nothing_piles_up(
    redis: SlowRedis, passing: Passing
):
    passing.shadows = (Shadow(1, "default", 1.0),)
    passing.take(answers(answer()))
    assert redis.is_asked.wait(PATIENCE_S)
    for _ in range(5):
        passing.take(answers(answer()))
    redis.may_answer.set()
    passing.close()
    assert redis.asked == 1


def test_a_redis_that_is_gone_is_told_and_no_more(
    redis: SlowRedis, passing: Passing, caplog: pytest.LogCaptureFixture
):
    redis.error = RedisError("It is gone.")
    redis.may_answer.set()
    passing.shadows = (Shadow(1, "default", 1.0),)
    with caplog.at_level(logging.WARNING):
        passing.take(answers(answer()))
        passing.close()
    assert "Frames can't be passed on to a shadow: It is gone." in caplog.text


def test_a_shadow_sees_the_answered_frames_of_its_deployment():
    shadow = Shadow(1, "default", 1.0)
    assert len(list(shadow.seen(answers(answer(), DROPPED)))) == 1
    assert list(shadow.seen(answers(answer(), deployment="fruit"))) == []


def test_a_shadow_sees_its_share():
    shadow = Shadow(1, "default", 0.25)
    seen = sum(
        len(list(shadow.seen(answers(answer(), session=f"session-{number}"))))
        for number in range(1000)
    )
    assert 200 <= seen <= 300
