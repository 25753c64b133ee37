"""Workers see each other through Redis: who is there, who is gone, who has left."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from redis import Redis

from apps.inference import presence
from apps.inference.serving import company as company_module
from apps.inference.serving import first_minute
from apps.inference.serving.company import Company, Phase, Progress
from bench.processes import wait_until

ID, QUEUE = 7, "gpu"
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
    assert a.look(ID + 1, QUEUE).progress == {}
    assert a.look(ID, "gpu-large").present == {A}


def test_whoever_falls_silent_is_doubted_and_then_lost(
    both: tuple[Company, Company], monkeypatch: pytest.MonkeyPatch
):
    _, b = both
    for each in both:
        each.tell(ID, READY)
    assert b.look(ID, QUEUE).doubtful == b.look(ID, QUEUE).lost == frozenset()

    monkeypatch.setattr(company_module, "DOUBTFUL_AFTER_MS", 50)
    wait_until(lambda: b.look(ID, QUEUE).doubtful == {A}, "a doubt")
    monkeypatch.setattr(company_module, "LOST_AFTER_MS", 100)
    wait_until(lambda: b.look(ID, QUEUE).lost == {A}, "a loss")
    assert b.look(ID, QUEUE).doubtful == frozenset()


def test_whoever_says_that_it_leaves_is_not_lost(both: tuple[Company, Company]):
    a, b = both
    for each in both:
        each.tell(ID, READY)
    a.leave()
    # The thread that loads may still be about to say something.
    a.tell(ID, READY)
    roll = b.look(ID, QUEUE)
    assert (set(roll.progress), set(roll.lost)) == ({B}, set())


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
        (worker,) = presence.workers(redis, [QUEUE])[QUEUE] or [None]
        return worker and worker.busy

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
