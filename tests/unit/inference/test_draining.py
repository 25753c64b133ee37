"""The engine has the next batch when it is done with one, and that batch is fresh."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.inference import answering
from apps.inference.answering import Answers
from apps.inference.draining import Drain, Pace
from apps.inference.mailbox import WorkerMailbox
from apps.inference.serving.host import ModelHost
from apps.inference.trials.trying import Trials

PATIENCE_S = 30


class Stage:
    """Stands in for a mailbox, a model and a channel layer, and writes down who acts.

    Letters are names. What is to be waited for is said by `hold`.
    """

    def __init__(self, *waiting: str, lives_on: bool = False, at_once: int = 1) -> None:
        self.waiting = list(waiting)
        self.batch_size = at_once
        self.late: list[str] = []  # who come while they are waited for
        self.lives_on = lives_on  # a session that sends again once it is answered
        self.acts: list[str] = []
        self.noted: list[str] = []  # what those hear of who try another version
        self.threads: dict[str, set[str]] = {}
        self.held: dict[str, threading.Event] = {}
        self.came: dict[str, threading.Event] = {}

    def act(self, what: str, name: str) -> None:
        act = f"{what} {name}"
        self.acts.append(act)
        self.threads.setdefault(what, set()).add(threading.current_thread().name)
        self.came.setdefault(act, threading.Event()).set()
        if act in self.held:
            assert self.held[act].wait(PATIENCE_S), f"{act} was held for ever"

    def hold(self, act: str) -> threading.Event:
        self.held[act] = threading.Event()
        return self.held[act]

    def has_come(self, act: str) -> None:
        assert self.came.setdefault(act, threading.Event()).wait(PATIENCE_S), act

    def wait(self, patience_s: float) -> bool:
        """Somebody comes late, or nobody any more."""
        self.act("wait", "for more")
        if not self.waiting and self.late:
            self.waiting.append(self.late.pop(0))
        return bool(self.waiting)

    def take(self, limit: int) -> list[str]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        for name in taken or ["nothing"]:
            self.act("take", name)
        return taken

    def batches_of(self, host: ModelHost, letters: Sequence[str]) -> list[StagedBatch]:
        for letter in letters:
            self.act("prepare", letter)
        return [StagedBatch(self, letter) for letter in letters]

    def publish(self, redis: Redis, mailbox: WorkerMailbox, answers: Answers) -> None:
        (letter,) = cast("list[str]", answers)
        self.act("publish", letter)
        if self.lives_on:
            self.lives_on = False
            self.waiting.append(f"{letter} again")

    def take_note(self, answers: Answers) -> None:
        self.noted += cast("list[str]", answers)


@dataclass
class StagedBatch:
    stage: Stage
    letter: str
    kind: str = "a model"

    def infer(self) -> None:
        self.stage.act("infer", self.letter)

    def answers(self) -> list[str]:
        self.stage.act("decode", self.letter)
        return [self.letter]


@contextmanager
def draining(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drain]:
    monkeypatch.setattr(answering, "batches_of", stage.batches_of)
    monkeypatch.setattr(answering, "publish", stage.publish)
    drain = Drain(
        cast(Redis, stage),
        cast(WorkerMailbox, stage),
        cast(ModelHost, stage),
        cast(Trials, stage),
    )
    try:
        yield drain
    finally:
        for held in stage.held.values():
            held.set()
        drain.close()


def test_all_that_wait_are_answered_in_their_order(monkeypatch: pytest.MonkeyPatch):
    stage = Stage("a", "b", "c")
    with draining(stage, monkeypatch) as drain:
        drain.run(PATIENCE_S)
    for what in ("take", "prepare", "infer", "decode", "publish"):
        names = [act.split()[1] for act in stage.acts if act.startswith(what)]
        assert [name for name in names if name != "nothing"] == ["a", "b", "c"]
    assert stage.noted == ["a", "b", "c"]
    assert stage.threads["infer"] == {threading.current_thread().name}


def test_the_next_is_made_ready_while_one_is_inferred(monkeypatch: pytest.MonkeyPatch):
    stage = Stage("a", "b")
    inferred = stage.hold("infer a")
    with draining(stage, monkeypatch) as drain:
        thread = threading.Thread(target=drain.run, args=(PATIENCE_S,))
        thread.start()
        stage.has_come("prepare b")
        assert "publish a" not in stage.acts
        inferred.set()
        thread.join()


@pytest.mark.parametrize("what", ["decode", "publish"])
def test_one_is_published_while_the_next_is_inferred(
    monkeypatch: pytest.MonkeyPatch, what: str
):
    stage = Stage("a", "b", "c")
    published = stage.hold(f"{what} a")
    with draining(stage, monkeypatch) as drain:
        thread = threading.Thread(target=drain.run, args=(PATIENCE_S,))
        thread.start()
        stage.has_come("infer b")
        published.set()
        thread.join()
    # An engine leaves an answer alone for one more batch, not for two.
    assert stage.acts.index("publish a") < stage.acts.index("infer c")


def test_of_several_batches_that_are_taken_at_once_each_has_its_turn(
    monkeypatch: pytest.MonkeyPatch,
):
    stage = Stage("a", "b", "c", at_once=2)
    with draining(stage, monkeypatch) as drain:
        drain.run(PATIENCE_S)
    inferred = [act for act in stage.acts if act.startswith("infer")]
    assert inferred == ["infer a", "infer b", "infer c"]


def test_who_has_been_answered_may_come_again(monkeypatch: pytest.MonkeyPatch):
    """A single session is in flight while it is inferred: nothing can be taken."""
    stage = Stage("a", lives_on=True)
    with draining(stage, monkeypatch) as drain:
        drain.run(PATIENCE_S)
    assert stage.acts[-1] == "wait for more"
    assert "publish a again" in stage.acts


def test_it_stays_for_the_next_frame_without_a_doorbell(
    monkeypatch: pytest.MonkeyPatch,
):
    stage = Stage("a")
    stage.late = ["b", "c"]
    with draining(stage, monkeypatch) as drain:
        drain.run(PATIENCE_S)
    published = [act for act in stage.acts if act.startswith("publish")]
    assert published == ["publish a", "publish b", "publish c"]


def test_another_worker_may_be_quicker(monkeypatch: pytest.MonkeyPatch):
    stage = Stage("a")
    others = [True, True, False]
    monkeypatch.setattr(stage, "wait", lambda patience_s: others.pop(0))
    with draining(stage, monkeypatch) as drain:
        drain.run(PATIENCE_S)
    assert others == []


def test_who_is_told_to_end_stays_for_nobody(monkeypatch: pytest.MonkeyPatch):
    stage = Stage("a")
    stage.late = ["b"]
    published = stage.hold("publish a")
    with draining(stage, monkeypatch) as drain:
        thread = threading.Thread(target=drain.run, args=(PATIENCE_S,))
        thread.start()
        stage.has_come("publish a")
        drain.end()
        published.set()
        thread.join()
    assert "wait for more" not in stage.acts


def test_a_slice_that_is_over_takes_nothing_more(monkeypatch: pytest.MonkeyPatch):
    stage = Stage("a", "b", "c")
    with draining(stage, monkeypatch) as drain:
        drain.run(0)
    assert stage.acts == [*("take a", "prepare a", "infer a", "decode a", "publish a")]
    assert stage.waiting == ["b", "c"]


def test_who_is_told_to_end_answers_what_it_has_taken_and_takes_no_more(
    monkeypatch: pytest.MonkeyPatch,
):
    stage = Stage("a", "b", "c", "d", at_once=2)
    inferred = stage.hold("infer a")
    with draining(stage, monkeypatch) as drain:
        thread = threading.Thread(target=drain.run, args=(PATIENCE_S,))
        thread.start()
        stage.has_come("infer a")
        drain.end()
        inferred.set()
        thread.join()
        drain.run(PATIENCE_S)
    published = [act for act in stage.acts if act.startswith("publish")]
    assert published == ["publish a", "publish b"]
    assert stage.waiting == ["c", "d"]


def test_a_redis_that_fails_ends_the_slice_with_its_error(
    monkeypatch: pytest.MonkeyPatch,
):
    stage = Stage("a", "b")

    def refuse(*_: object) -> None:
        raise RedisConnectionError("it went")

    with draining(stage, monkeypatch) as drain:
        monkeypatch.setattr(answering, "publish", refuse)
        with pytest.raises(RedisConnectionError, match="it went"):
            drain.run(PATIENCE_S)


def pace(inferred_s: Sequence[float], ready_s: Sequence[float]) -> Pace:
    pace = Pace()
    for seconds in inferred_s:
        pace.inferred("a model", seconds)
    for seconds in ready_s:
        pace.made_ready(seconds)
    return pace


@pytest.mark.parametrize(
    ("inferred_s", "ready_s", "delay_s"),
    [
        ([], [], 0.0),
        ([0.2], [], 0.0),
        ([0.2], [0.002], 0.197),
        # As early as the fastest and the slowest of late make wise.
        ([0.3, 0.2, 0.4], [0.002, 0.02], 0.17),
        ([0.001], [0.002], 0.0),
        # What is long ago counts no more.
        ([0.001, *[0.2] * Pace.REMEMBERED], [0.002], 0.197),
    ],
)
def test_the_next_is_taken_as_late_as_it_is_ready_in_time(
    inferred_s: Sequence[float], ready_s: Sequence[float], delay_s: float
):
    assert pace(inferred_s, ready_s).delay_s("a model") == pytest.approx(delay_s)


def test_how_long_one_model_takes_says_nothing_of_another():
    """Else what waits for a quick one would be taken long before a slow one is done."""
    both = pace([0.5], [0.002])
    both.inferred("a quick model", 0.01)
    assert both.delay_s("a model") == pytest.approx(0.497)
    assert both.delay_s("a quick model") == pytest.approx(0.007)
    assert both.delay_s("a new model") == 0.0
