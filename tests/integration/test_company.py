"""Workers see each other through Redis: who is there, who is gone, who has left."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from redis import Redis

from apps.inference import presence
from apps.inference.presence import Heartbeat
from apps.inference.serving import company as company_module
from apps.inference.serving import first_minute
from apps.inference.serving.company import Company, Phase, Progress, Roll
from bench.processes import wait_until

ID, QUEUE = "activation:7", "gpu"
A, B = "gpu1:1:aa", "gpu2:2:bb"
READY = Progress(Phase.READY, "Loaded.", {"engine": "torch-cpu"})


@pytest.fixture
def both(redis: Redis) -> tuple[Company, Company]:
    """Two workers whose hearts have just beaten."""
    for worker in (A, B):
        presence.beat(redis, QUEUE, worker)
    return Company(redis, A), Company(redis, B)


def test_each_worker_sees_how_far_the_others_are(both: tuple[Company, Company]):
    a, b = both
    a.tell(ID, READY)
    b.tell(ID, Progress(Phase.LOADING, "Loaded by the worker."))
    roll = b.look(ID, QUEUE)
    assert roll.present == {A, B}
    assert roll.progress[A] == READY
    assert roll.ready == {A}
    assert not roll.are_all_ready

    b.tell(ID, READY)

    assert a.look(ID, QUEUE).are_all_ready
    # It is about one activation, and about the workers of one queue.
    assert a.look("trial:7", QUEUE).progress == {}
    assert a.look(ID, "gpu-large").present == {A}


def test_for_how_long_a_version_is_at_a_frame_is_told_to_all(
    both: tuple[Company, Company], redis: Redis
):
    for each, under_way_s in zip(both, (0.2, 6.5), strict=True):
        each.tell(ID, Progress(Phase.SERVING, under_way_s=under_way_s))
    assert both[0].look(ID, QUEUE).under_way_s == 6.5
    # Of a release before this was told.
    older = {"phase": "serving", "step": "", "check": {}}
    redis.hset(f"{ID}:workers", B, json.dumps(older))
    assert both[0].look(ID, QUEUE).under_way_s == 0.2


def test_whoever_falls_silent_is_doubted_and_then_lost(
    both: tuple[Company, Company], redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    for each in both:
        each.tell(ID, READY)

    def seen_by_b() -> Roll:
        presence.beat(redis, QUEUE, B)
        return both[1].look(ID, QUEUE)

    assert seen_by_b().doubtful == seen_by_b().lost == frozenset()

    monkeypatch.setattr(company_module, "DOUBTFUL_AFTER_MS", 50)
    wait_until(lambda: seen_by_b().doubtful == {A}, "a doubt")
    monkeypatch.setattr(company_module, "LOST_AFTER_MS", 100)
    wait_until(lambda: seen_by_b().lost == {A}, "a loss")
    assert seen_by_b().doubtful == frozenset()


def test_nobody_is_lost_while_redis_was_away(
    both: tuple[Company, Company], redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    for each, worker in zip(both, (A, B), strict=True):
        each.tell(ID, READY)
        redis.zincrby("worker:beats", -10_000, worker)
    roll = both[1].look(ID, QUEUE)
    assert (set(roll.lost), set(roll.doubtful)) == (set(), {A})

    presence.beat(redis, QUEUE, B)
    roll = both[1].look(ID, QUEUE)
    assert (set(roll.lost), set(roll.doubtful)) == (set(), {A})

    # Who doesn't come back is lost all the same.
    monkeypatch.setattr(company_module, "LOST_AFTER_MS", 2100)
    wait_until(lambda: both[1].look(ID, QUEUE).lost == {A}, "a loss")

    presence.beat(redis, QUEUE, A)
    roll = both[1].look(ID, QUEUE)
    assert not roll.lost | roll.doubtful


def test_whoever_says_that_it_leaves_is_not_lost(both: tuple[Company, Company]):
    a, b = both
    for each in both:
        each.tell(ID, READY)
    a.leave()
    # The thread that loads may still be about to say something.
    a.tell(ID, READY)
    roll = b.look(ID, QUEUE)
    assert (set(roll.progress), set(roll.lost)) == ({B}, set())


def test_whoever_answers_for_another_queue_now_is_not_lost(
    both: tuple[Company, Company], redis: Redis
):
    """A deployment's queue may change in the middle of an activation."""
    for each in both:
        each.tell(ID, READY)
    presence.beat(redis, "gpu-large", C := "gpu3:3:cc")
    roll = Company(redis, C).look(ID, "gpu-large")
    assert roll.present == {C}
    assert not roll.lost | roll.doubtful
    assert not roll.are_all_ready


def test_whoever_has_stopped_is_waited_for_no_more(redis: Redis):
    heart = Heartbeat(redis, [QUEUE], A)
    heart.start()
    company = Company(redis)
    wait_until(lambda: company.look(ID, QUEUE).present == {A}, "its first beat")
    heart.stop()
    assert company.look(ID, QUEUE).present == set()


def test_nobody_minds_what_becomes_of_who_has_withdrawn(both: tuple[Company, Company]):
    a, b = both
    for each in both:
        each.tell(ID, READY)
    a.withdraw(ID)
    assert set(b.look(ID, QUEUE).progress) == {B}


def test_a_worker_that_has_begun_counts_before_its_heart_beats(redis: Redis):
    company = Company(redis, A)
    assert not company.look(ID, QUEUE).are_all_ready
    company.tell(ID, READY)
    assert company.look(ID, QUEUE).are_all_ready


def test_what_workers_count_is_added_up(both: tuple[Company, Company]):
    for each in both:
        each.count(ID, Counter({"answered": 3, "age:120": 3}))
    minute = both[0].counted(ID)
    assert first_minute.total(minute.seconds) == {"answered": 6, "age:120": 6}
    assert 0 <= minute.lasted_s < 60


def test_a_worker_is_alive_as_long_as_one_of_its_queue_is(redis: Redis):
    presence.beat(redis, QUEUE, A)
    alive = presence.workers(redis, [QUEUE, "gpu-large"])
    assert alive == {QUEUE: [presence.Worker("gpu1:1", None)], "gpu-large": []}
    assert 0 < redis.pttl("worker:alive:gpu") <= presence.PRESENCE_LIFETIME_MS


def test_a_worker_says_which_share_of_the_time_its_models_are_at_work(redis: Redis):
    def busy() -> float | None:
        workers = presence.workers(redis, [QUEUE])[QUEUE]
        return workers[0].busy if workers else None

    heartbeat = presence.Heartbeat(
        redis, [QUEUE], A, busy_s=lambda: time.monotonic() / 4
    )
    heartbeat.start()
    try:
        wait_until(lambda: busy() == pytest.approx(0.25, abs=0.01), "the share")
    finally:
        heartbeat.stop()


def test_two_starts_of_a_worker_are_two_workers():
    assert presence.shown(A) == "gpu1:1"
    assert presence.THIS_WORKER.count(":") == 2
