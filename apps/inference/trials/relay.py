"""Passes answered frames on to a shadow, whenever it is ready for some.

Redis keys, all below `shadow:{trial}:`

    wanted   how many frames the shadow is ready to answer; expires
    frames   those frames: JSON header and raw I420 each; expires

A shadow that is busy asks for nothing, so nothing is copied that nobody looks at, no
frame gets old here, and there are never more than were wanted. Knows keys and bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from redis import Redis

from apps.inference import parcel
from apps.inference.mailbox import Letter
from apps.inference.types import Frame

# A shadow that has died is sent nothing after this time, and nothing of it stays.
LIFETIME_MS = 2000
# Less than a connection's own patience.
LONGEST_WAIT_S = 0.5

Answered = tuple[Letter, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Passed:
    """A frame, and the `inference.result` that its session has got."""

    frame: Frame
    deployment: str
    reply_channel: str
    message: dict[str, Any]


def _wanted(trial_id: int) -> str:
    return f"shadow:{trial_id}:wanted"


def _frames(trial_id: int) -> str:
    return f"shadow:{trial_id}:frames"


def pass_on(redis: Redis, trial_id: int, answered: Iterable[Answered]) -> None:
    """Give a shadow as many of these frames as it wants, which may be none.

    Raises:
        redis.RedisError: it gets none of them.
    """
    # redis-py's annotations allow for the asynchronous client, too.
    wanted = cast("bytes | None", redis.getdel(_wanted(trial_id)))
    given = list(islice(answered, int(wanted or 0)))
    if not given:
        return
    with redis.pipeline(transaction=False) as pipe:
        pipe.rpush(_frames(trial_id), *(_pack(*each) for each in given))
        pipe.pexpire(_frames(trial_id), LIFETIME_MS)
        pipe.execute()


def ask_for(redis: Redis, trial_id: int, count: int) -> list[Passed]:
    """Wait for up to `count` frames; for none longer than LONGEST_WAIT_S."""
    redis.set(_wanted(trial_id), count, px=LIFETIME_MS)
    first = cast(
        "Sequence[bytes] | None",
        redis.blpop([_frames(trial_id)], timeout=LONGEST_WAIT_S),
    )
    if first is None:
        return []
    more = cast("list[bytes] | None", redis.lpop(_frames(trial_id), count))
    return [_unpack(payload) for payload in (first[1], *(more or ()))]


def _pack(letter: Letter, message: dict[str, Any]) -> bytes:
    return parcel.pack(
        letter.frame,
        deployment=letter.deployment,
        reply_channel=letter.reply_channel,
        message=message,
    )


def _unpack(payload: bytes) -> Passed:
    frame, others = parcel.unpack(payload)
    return Passed(frame, **others)
