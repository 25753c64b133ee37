"""What a shadow makes of the frames that are passed on to it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from redis import Redis

from apps.inference import results
from apps.inference.models import Deployment, ModelVersion, Trial
from apps.inference.serving.loading import LoadedVersion, load_version
from apps.inference.serving.tuning import Tuning
from apps.inference.trials import answerer as answering
from apps.inference.trials import relay, services
from apps.inference.trials.answerer import Answerer, rest_s
from apps.inference.trials.relay import Passed
from apps.inference.types import Frame
from tests.unit.inference.trials.answers import answer

pytestmark = pytest.mark.django_db

MIDDLE = (16.0, 12.0, 48.0, 36.0)
Begin = Callable[..., Answerer]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was published, and to whom."""
    published: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(
        results,
        "add_publish",
        lambda _, channel, message: published.append((channel, message)),
    )
    return published


@pytest.fixture
def begin(
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
    told: list[tuple[str, dict[str, Any]]],
) -> Begin:
    """A shadow of all frames, by a challenger that is scripted."""

    def begin(**config: object) -> Answerer:
        version = scripted_version(**config)
        trial = services.start(deployment, version, Trial.Kind.SHADOW, 1.0)
        tuning = Tuning()
        tuning.read()
        loaded = load_version(version)
        no_redis = cast(Redis, None)
        return Answerer(trial.pk, loaded, tuning, no_redis, threading.Event())

    return begin


def passed(session_id: str = "a", *found: Any, **said: Any) -> Passed:
    frame = Frame(session_id, 7, 64, 48, b"\x80" * (64 * 48 * 3 // 2))
    message = answer(*(found or [("hot dog", MIDDLE)]), **{"hot_dog": True, **said})
    return Passed(frame, "default", f"channel of {session_id}", message)


def figures(answerer: Answerer) -> dict[str, Any]:
    answerer.report()
    written: dict[str, Any] = Trial.objects.get().figures
    return written


def test_the_same_answer_is_agreed_on(
    begin: Begin, told: list[tuple[str, dict[str, Any]]]
):
    answerer = begin()
    answerer.compare([passed(), passed("b")])
    counted = figures(answerer)
    assert counted["agreement"]["verdict"] == {"both": 2}
    assert counted["agreement"]["iou"] == {"hot dog": {"20": 2}}
    assert counted["champion"]["answered"] == counted["challenger"]["answered"] == 2
    assert "age" in counted["champion"]
    assert "age" not in counted["challenger"]
    assert told == []


def test_a_session_hears_of_a_disagreement_now_and_then(
    begin: Begin, told: list[tuple[str, dict[str, Any]]]
):
    answerer = begin(label="banana")
    answerer.compare([passed(), passed(), passed("b")])
    assert [channel for channel, _ in told] == ["channel of a", "channel of b"]
    message = told[0][1]
    assert message["type"] == "inference.disagreement"
    assert message["seq"] == 7
    assert message["trial_id"] == Trial.objects.get().pk
    assert message["challenger"]["detections"][0]["label"] == "banana"
    assert figures(answerer)["agreement"]["compared"] == 3


def test_a_batch_that_it_fails_on_is_counted_as_that(begin: Begin):
    answerer = begin(fail_every=2)
    answerer.compare([passed()])
    assert figures(answerer)["challenger"] == {"failed": 1}


def test_the_deployment_s_scores_hold_for_both(begin: Begin, deployment: Deployment):
    Deployment.objects.update(hot_dog_score=0.95)
    answerer = begin()
    answerer.compare([passed(hot_dog=False)])
    assert figures(answerer)["agreement"]["verdict"] == {"neither": 1}


@pytest.mark.parametrize(
    ("worked_s", "rests_s"), [(0.001, 0.1), (0.03, 0.1), (0.2, 0.6), (2.0, 6.0)]
)
def test_it_works_a_quarter_of_its_time_and_ten_times_a_second_at_most(
    worked_s: float, rests_s: float
):
    assert rest_s(worked_s) == pytest.approx(rests_s)


def test_it_ends_with_its_trial(begin: Begin):
    answerer = begin()
    services.stop(Trial.objects.get(), "Enough.")
    answerer.report()
    assert answerer.is_over


def test_it_ends_if_its_parent_has_died_while_it_was_loading(
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
    monkeypatch: pytest.MonkeyPatch,
):
    trial = services.start(deployment, scripted_version(), Trial.Kind.SHADOW, 1.0)

    def load(version: ModelVersion) -> LoadedVersion:
        monkeypatch.setattr(os, "getppid", lambda: 1)
        return load_version(version)

    monkeypatch.setattr(answering, "_load_in_one_thread", load)
    for name in (
        "stand_behind_live_frames",
        "stand_behind_everybody",
        "close_old_connections",
    ):
        monkeypatch.setattr(answering, name, lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(Tuning, "start", lambda _: None)
    monkeypatch.setattr(Tuning, "stop", lambda _: None)
    monkeypatch.setattr(answering, "REPORT_INTERVAL_S", 0.0)
    asked: list[int] = []

    def ask_for(redis: Redis, trial_id: int, count: int) -> list[Passed]:
        assert asked == [], "it goes on"
        asked.append(trial_id)
        return []

    monkeypatch.setattr(relay, "ask_for", ask_for)

    answering.answer(trial.pk)

    assert asked == [trial.pk]
