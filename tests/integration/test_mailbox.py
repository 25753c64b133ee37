"""The mailbox on a real Redis: newest wins, one in flight, first come first served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from redis import Redis

from apps.inference import mailbox as mailbox_module
from apps.inference.connections import async_redis
from apps.inference.mailbox import Letter, Offered, WebMailbox, WorkerMailbox
from apps.inference.types import Frame

QUEUE, LARGE = "gpu", "gpu-large"
RING, NO_RING = True, False
# Less than what a connection has for an answer.
PATIENCE_S = 0.9


def frame(session: str, seq: int = 0, size: tuple[int, int] = (64, 48)) -> Frame:
    width, height = size
    pixels = bytes([seq % 256]) * (width * height * 3 // 2)
    return Frame(session, seq, width, height, pixels)


@pytest.fixture
async def web(redis: Redis) -> AsyncIterator[WebMailbox]:
    connections = async_redis()
    yield WebMailbox(connections)
    await connections.aclose()


@pytest.fixture
def worker(redis: Redis) -> WorkerMailbox:
    return WorkerMailbox(redis, [QUEUE])


async def offer(
    web: WebMailbox, session: str, seq: int = 0, age_ms: float = 0.0, **fields: Any
) -> Offered:
    return await web.offer(
        fields.pop("frame", frame(session, seq)),
        queue=fields.pop("queue", QUEUE),
        deployment=fields.pop("deployment", "default"),
        reply_channel=fields.pop("reply_channel", "a.channel"),
        age_ms=age_ms,
    )


def taken(letters: list[Letter]) -> list[tuple[str, int]]:
    return [(letter.frame.session_id, letter.frame.seq) for letter in letters]


def release(worker: WorkerMailbox, letters: list[Letter]) -> None:
    worker.done([(letter.frame.session_id, letter.token) for letter in letters])


def keys(redis: Redis) -> set[str]:
    """What lies in the mailbox; the bell's flag goes by itself within a second."""
    found = {key.decode() for key in cast("list[bytes]", redis.keys("mailbox:*"))}
    return {key for key in found if not key.startswith("mailbox:bell:")}


def key(kind: str, session: str) -> str:
    return f"mailbox:{kind}:{session}"


# --- one slot a session --------------------------------------------------------------


async def test_a_frame_comes_out_as_it_went_in(web: WebMailbox, worker: WorkerMailbox):
    pixels = bytes(range(256)) * 18
    offered = Frame("a", 7, 64, 48, memoryview(pixels), rotation=90)
    await offer(web, "a", frame=offered, deployment="fruit", reply_channel="b.channel")

    (letter,) = worker.take(1)

    assert letter.frame == Frame("a", 7, 64, 48, pixels, rotation=90)
    assert (letter.deployment, letter.reply_channel) == ("fruit", "b.channel")


async def test_the_newest_frame_wins(web: WebMailbox, worker: WorkerMailbox):
    offers = [await offer(web, "a", seq) for seq in (1, 2, 3)]

    assert [each.replaced for each in offers] == [False, True, True]
    assert taken(worker.take(5)) == [("a", 3)]
    assert worker.take(5) == []


async def test_frames_of_a_session_may_change_their_size(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a", frame=frame("a", 1, (640, 480)))
    await offer(web, "a", frame=frame("a", 2, (48, 64)))
    (letter,) = worker.take(1)
    assert (letter.frame.width, letter.frame.height) == (48, 64)
    assert len(letter.frame.pixels) == 48 * 64 * 3 // 2


async def test_a_frame_that_was_taken_is_not_replaced(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a", 1)
    worker.take(1)
    assert not (await offer(web, "a", 2)).replaced
    assert (await offer(web, "a", 3)).replaced


# --- at most one in flight -----------------------------------------------------------


async def test_at_most_one_frame_of_a_session_is_in_flight(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a", 1)
    first = worker.take(5)
    await offer(web, "a", 2)
    assert worker.take(5) == []

    release(worker, first)

    assert taken(worker.take(5)) == [("a", 2)]


async def test_a_session_without_a_new_frame_is_not_ready_again(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a", 1)
    release(worker, worker.take(1))
    assert worker.take(1) == []
    assert worker.uncalled() == []


async def test_two_workers_never_take_the_same_session(web: WebMailbox, redis: Redis):
    workers = [WorkerMailbox(redis, [QUEUE]) for _ in range(2)]
    for number in range(11):
        await offer(web, f"s{number:02}")

    batches = [worker.take(3) for _ in range(2) for worker in workers]

    sessions = [session for batch in batches for session, _ in taken(batch)]
    assert sessions == [f"s{number:02}" for number in range(11)]


# --- who waited longest --------------------------------------------------------------


async def test_who_has_waited_longest_goes_first(
    web: WebMailbox, worker: WorkerMailbox
):
    for session in ("c", "a", "b"):
        await offer(web, session, 1)
    # A newer frame doesn't send its session to the end of the queue.
    await offer(web, "c", 2)

    assert taken(worker.take(2)) == [("c", 2), ("a", 1)]
    assert taken(worker.take(2)) == [("b", 1)]


async def test_who_is_waited_for_keeps_the_place_in_the_line(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "first", 1)
    await offer(web, "second", 1)
    assert worker.wait(PATIENCE_S)
    assert taken(worker.take(2)) == [("first", 1), ("second", 1)]
    assert not worker.wait(0.001)


async def test_a_frame_that_comes_ends_the_wait(web: WebMailbox, worker: WorkerMailbox):
    waiting = asyncio.create_task(asyncio.to_thread(worker.wait, PATIENCE_S))
    await offer(web, "late", 1)
    assert await waiting
    assert taken(worker.take(1)) == [("late", 1)]


async def test_who_was_answered_waits_behind_the_others(
    web: WebMailbox, worker: WorkerMailbox
):
    for session in ("a", "b"):
        await offer(web, session, 1)
    first = worker.take(1)
    await offer(web, "a", 2)
    release(worker, first)
    assert taken(worker.take(2)) == [("b", 1), ("a", 2)]


async def test_a_session_whose_frame_is_gone_does_not_hold_up_the_others(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    """A web process that died leaves its sessions in the queue, without frames."""
    for number in range(5):
        await offer(web, f"gone-{number}")
        redis.delete(key("frame", f"gone-{number}"))
    await offer(web, "here", 1)

    assert taken(worker.take(1)) == [("here", 1)]
    assert not redis.exists(*(key("inflight", f"gone-{number}") for number in range(5)))


# --- several queues ------------------------------------------------------------------


async def test_a_worker_takes_from_its_own_queues_only(web: WebMailbox, redis: Redis):
    small, large = WorkerMailbox(redis, [QUEUE]), WorkerMailbox(redis, [LARGE])
    await offer(web, "a")
    await offer(web, "b", queue=LARGE)

    assert taken(large.take(5)) == [("b", 0)]
    assert not large.wait(0.001)
    assert taken(small.take(5)) == [("a", 0)]


async def test_who_has_waited_longest_goes_first_in_whichever_queue(
    web: WebMailbox, redis: Redis
):
    both = WorkerMailbox(redis, [QUEUE, LARGE])
    for session, queue in [
        *[("c", LARGE), ("d", QUEUE), ("e", QUEUE)],
        *[("b", QUEUE), ("a", LARGE)],
    ]:
        await offer(web, session, queue=queue)

    assert taken(both.take(3)) == [("c", 0), ("d", 0), ("e", 0)]
    assert taken(both.take(3)) == [("b", 0), ("a", 0)]


@pytest.mark.parametrize("queue", [QUEUE, LARGE])
async def test_a_frame_in_any_of_its_queues_ends_the_wait(
    web: WebMailbox, redis: Redis, queue: str
):
    both = WorkerMailbox(redis, [QUEUE, LARGE])
    waiting = asyncio.create_task(asyncio.to_thread(both.wait, PATIENCE_S))
    await offer(web, "late", queue=queue)
    assert await waiting
    assert taken(both.take(1)) == [("late", 0)]


async def test_who_moves_to_another_queue_waits_there_alone(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    large = WorkerMailbox(redis, [LARGE])
    await offer(web, "a", 1)
    moved = await offer(web, "a", 2, queue=LARGE)

    # It is the same slot, so the web process knows what became of the first frame.
    assert moved.replaced
    assert moved.ring is RING
    assert not worker.wait(0.001)
    assert worker.take(5) == []
    assert taken(large.take(5)) == [("a", 2)]


async def test_who_moves_while_in_flight_is_ready_in_the_other_queue_once_answered(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    large = WorkerMailbox(redis, [LARGE])
    await offer(web, "a", 1)
    first = worker.take(1)
    await offer(web, "a", 2, queue=LARGE)
    assert large.take(5) == []

    release(worker, first)

    assert worker.take(5) == []
    assert taken(large.take(5)) == [("a", 2)]


async def test_who_was_popped_by_a_wait_while_it_moved_is_not_taken_twice(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    await offer(web, "a", 1)
    await offer(web, "a", 2, queue=LARGE)
    # A worker puts back what it has popped in order to wait, and can't know better.
    redis.zadd(f"mailbox:ready:{QUEUE}", {"a": 1.0})

    assert worker.take(5) == []
    assert taken(WorkerMailbox(redis, [LARGE]).take(5)) == [("a", 2)]


async def test_who_was_popped_by_a_wait_while_another_took_it_is_not_taken_twice(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    await offer(web, "a", 1)
    first = worker.take(1)
    await offer(web, "a", 2)
    redis.zadd(f"mailbox:ready:{QUEUE}", {"a": 1.0})

    assert worker.take(5) == []
    release(worker, first)
    assert taken(worker.take(5)) == [("a", 2)]


async def test_each_queue_has_a_bell_of_its_own(web: WebMailbox, redis: Redis):
    both = WorkerMailbox(redis, [QUEUE, LARGE])
    assert (await offer(web, "a")).ring is RING
    assert (await offer(web, "b", queue=LARGE)).ring is RING
    both.answer_bell(LARGE)
    assert (await offer(web, "c")).ring is NO_RING
    assert both.uncalled() == [LARGE]
    assert both.uncalled() == []


# --- a worker that dies --------------------------------------------------------------


async def test_a_killed_workers_session_comes_back_when_its_token_is_over(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    await offer(web, "a", 1)
    worker.take(1)
    worker.answer_bell(QUEUE)
    assert (
        0 < redis.pttl(key("inflight", "a")) <= mailbox_module.TOKEN_LIFETIME_MS <= 2000
    )
    assert (await offer(web, "a", 2)).ring is NO_RING
    assert worker.take(1) == []

    redis.pexpire(key("inflight", "a"), 0)

    assert (await offer(web, "a", 3)).ring is RING
    assert taken(worker.take(1)) == [("a", 3)]


async def test_a_worker_thought_dead_does_not_release_its_successors_session(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    await offer(web, "a", 1)
    late = worker.take(1)
    redis.pexpire(key("inflight", "a"), 0)
    await offer(web, "a", 2)
    current = worker.take(1)
    await offer(web, "a", 3)

    release(worker, late)
    assert worker.take(1) == []

    release(worker, current)
    assert taken(worker.take(1)) == [("a", 3)]


# --- the bell ------------------------------------------------------------------------


async def test_one_ring_calls_for_all_sessions(web: WebMailbox):
    rings = [(await offer(web, f"s{number}")).ring for number in range(20)]
    assert rings == [RING] + [NO_RING] * 19


async def test_whoever_comes_after_the_bell_was_answered_rings(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a")
    worker.answer_bell(QUEUE)
    assert (await offer(web, "b")).ring is RING


async def test_a_doorbell_that_nobody_has_picked_up_is_enough(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    """However long ago it was rung: workers may be busy, or not there yet."""
    redis.lpush(QUEUE, "a Celery message")
    assert (await offer(web, "a")).ring is NO_RING
    assert worker.uncalled() == []

    redis.delete(QUEUE)

    assert (await offer(web, "a")).ring is RING


async def test_a_lost_doorbell_is_rung_again(web: WebMailbox, redis: Redis):
    bell = f"mailbox:bell:{QUEUE}"
    assert (await offer(web, "a", 1)).ring is RING
    assert 0 < redis.pttl(bell) <= mailbox_module.BELL_LIFETIME_MS <= 1000

    redis.pexpire(bell, 0)

    assert (await offer(web, "a", 2)).ring is RING


async def test_nobody_rings_for_a_session_that_is_being_answered(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a", 1)
    worker.answer_bell(QUEUE)
    worker.take(1)
    assert (await offer(web, "a", 2)).ring is NO_RING


async def test_a_worker_rings_for_who_waits_when_it_leaves(
    web: WebMailbox, worker: WorkerMailbox
):
    assert worker.uncalled() == []
    await offer(web, "a")
    # Somebody was called for it.
    assert worker.uncalled() == []
    worker.answer_bell(QUEUE)
    assert worker.uncalled() == [QUEUE]
    assert worker.uncalled() == []


# --- nothing is left -----------------------------------------------------------------


@pytest.mark.parametrize("moment", ["waiting", "in flight", "both", "answered"])
async def test_a_session_that_is_withdrawn_leaves_no_key(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis, moment: str
):
    await offer(web, "a", 1)
    if moment != "waiting":
        letters = worker.take(1)
    if moment == "both":
        await offer(web, "a", 2)
    if moment == "answered":
        release(worker, letters)

    await web.withdraw("a")

    assert keys(redis) == set()
    # Nor does the worker that still answers it bring any back.
    if moment in {"in flight", "both"}:
        release(worker, letters)
    assert keys(redis) == set()
    assert worker.take(1) == []


async def test_withdrawing_leaves_other_sessions_alone(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a")
    await offer(web, "ab")
    await web.withdraw("a")
    assert taken(worker.take(5)) == [("ab", 0)]


async def test_whatever_a_dead_web_process_leaves_expires(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    await offer(web, "a", 1)
    worker.take(1)
    await offer(web, "a", 2)
    for kind in ("frame", "stamp", "inflight", "address"):
        assert 0 < redis.pttl(key(kind, "a")) <= 2000


# --- ages ----------------------------------------------------------------------------


async def test_ages_are_told_by_the_clock_of_redis(
    web: WebMailbox,
    worker: WorkerMailbox,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
):
    def redis_now_ms() -> float:
        seconds, micros = redis.time()
        return seconds * 1000 + micros / 1000

    begun_at = redis_now_ms()
    await offer(web, "a", age_ms=250)
    # The worker's machine is an hour ahead.
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    (letter,) = worker.take(1)

    # Redis writes milliseconds with three digits.
    assert 250 - 0.01 <= letter.age_ms <= 250 + redis_now_ms() - begun_at + 0.01


async def test_the_age_is_that_of_the_newest_frame(
    web: WebMailbox, worker: WorkerMailbox
):
    await offer(web, "a", 1, age_ms=100_000)
    await offer(web, "a", 2, age_ms=0)
    (letter,) = worker.take(1)
    assert letter.age_ms < 90_000


async def test_the_age_grows_while_the_frame_waits(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    await offer(web, "a", age_ms=10)
    stamp = float(redis.get(key("stamp", "a")) or 0)
    redis.set(key("stamp", "a"), stamp - 1500)
    (letter,) = worker.take(1)
    assert letter.age_ms >= 1510 - 0.01


# --- pixels --------------------------------------------------------------------------


async def test_pixels_pass_neither_scripts_nor_messages(
    web: WebMailbox, worker: WorkerMailbox, redis: Redis
):
    with redis.monitor() as monitor:  # type: ignore[no-untyped-call]
        await offer(web, "a", 1)
        first = worker.take(1)
        await offer(web, "a", 2)
        release(worker, first)
        worker.take(1)
        await web.withdraw("a")
        redis.echo("the end")
        commands = []
        while "the end" not in (entry := monitor.next_command())["command"]:
            commands.append(entry)

    with_pixels = [each["command"] for each in commands if len(each["command"]) > 3000]
    assert len(with_pixels) == 2
    assert all(command.startswith("SET mailbox:frame:a ") for command in with_pixels)
    touching_frames = {
        each["command"].split()[0]
        for each in commands
        if each["client_type"] == "lua" and ":frame:" in each["command"]
    }
    assert touching_frames <= {"EXISTS"}
