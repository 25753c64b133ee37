"""Frames are passed on to a shadow that is ready for them, and to no other."""

from __future__ import annotations

from typing import Any

from redis import Redis

from apps.inference.mailbox import Letter
from apps.inference.trials import relay
from apps.inference.trials.relay import Passed
from apps.inference.types import Frame

PIXELS = bytes(range(96))
TRIAL = 7


def answered(seq: int) -> tuple[Letter, dict[str, Any]]:
    frame = Frame("a", seq, 8, 8, PIXELS, rotation=90)
    return Letter(frame, "default", "specific.a", 3.5, "token"), {"seq": seq}


def asked(redis: Redis, count: int) -> list[Passed]:
    """Ask as a shadow does, when something lies there already."""
    return relay.ask_for(redis, TRIAL, count)


def want(redis: Redis, count: int) -> None:
    """What a shadow that waits has said."""
    redis.set(f"shadow:{TRIAL}:wanted", count)


def test_a_frame_arrives_with_what_its_session_was_told(redis: Redis):
    want(redis, 1)
    relay.pass_on(redis, TRIAL, [answered(1)])
    (passed,) = asked(redis, 1)
    assert (passed.frame.session_id, passed.frame.seq) == ("a", 1)
    assert (passed.frame.width, passed.frame.height) == (8, 8)
    assert (passed.frame.rotation, bytes(passed.frame.pixels)) == (90, PIXELS)
    assert (passed.deployment, passed.reply_channel) == ("default", "specific.a")
    assert passed.message == {"seq": 1}


def test_nobody_is_given_what_he_has_not_asked_for(redis: Redis):
    relay.pass_on(redis, TRIAL, [answered(1)])
    assert redis.keys("shadow:*") == []


def test_who_has_asked_once_is_given_once(redis: Redis):
    want(redis, 2)
    relay.pass_on(redis, TRIAL, [answered(seq) for seq in (1, 2, 3)])
    relay.pass_on(redis, TRIAL, [answered(4)])
    assert [each.frame.seq for each in asked(redis, 2)] == [1, 2]


def test_who_asks_in_vain_goes_on(redis: Redis):
    assert asked(redis, 1) == []
    # And wants a frame still.
    relay.pass_on(redis, TRIAL, [answered(1)])
    assert len(asked(redis, 1)) == 1


def test_nothing_stays_of_a_shadow_that_has_died(redis: Redis):
    asked(redis, 1)
    assert 0 < redis.pttl(f"shadow:{TRIAL}:wanted") <= relay.LIFETIME_MS
    relay.pass_on(redis, TRIAL, [answered(1)])
    assert 0 < redis.pttl(f"shadow:{TRIAL}:frames") <= relay.LIFETIME_MS
