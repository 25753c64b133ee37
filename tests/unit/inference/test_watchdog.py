"""A worker begins anew where a pass has no end, never where one merely takes long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, ModelVersion
from apps.inference.services import activate
from apps.inference.serving import first_minute, watchdog
from apps.inference.serving.company import Phase, Progress
from apps.inference.serving.following import Follower
from apps.inference.serving.host import ModelHost
from apps.inference.serving.loading import load_version
from apps.inference.serving.watchdog import Watchdog
from apps.inference.trials.canary import Canary
from tests.alone import Alone
from tests.scripted_predictor import unrehearsed


@pytest.fixture
def company() -> Alone:
    return Alone()


@pytest.fixture
def follower(deployment: Deployment, company: Alone) -> Follower:
    follower = Follower(ModelHost(), unrehearsed, company)
    follower.follow()
    return follower


@pytest.fixture
def host(follower: Follower) -> ModelHost:
    return follower.host


@pytest.fixture
def begins_anew(host: ModelHost, company: Alone) -> Callable[[], bool]:
    """Have a watchdog look, and tell whether that made the worker begin anew."""

    def looks() -> bool:
        times: list[str] = []
        Watchdog(host, company, lambda: times.append("once")).look()
        return bool(times)

    return looks


def test_a_pass_that_goes_on_is_left_alone(
    host: ModelHost, begins_anew: Callable[[], bool]
):
    assert not begins_anew()
    with host.passes.under_way(host.version_for(DEFAULT_DEPLOYMENT)):
        assert not begins_anew()


def test_what_answers_has_longer_than_what_was_taken_back(
    deployment: Deployment,
    follower: Follower,
    host: ModelHost,
    scripted_version: Callable[..., ModelVersion],
    begins_anew: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(first_minute, "STUCK_AFTER_S", 0.0)
    with host.passes.under_way(host.version_for(DEFAULT_DEPLOYMENT)):
        assert not begins_anew()
        activate(deployment, scripted_version())
        follower.follow()
        assert begins_anew()
    assert not begins_anew()
    assert "answers no more: this worker begins anew" in caplog.text


def test_a_canary_answers_as_long_as_it_has_its_share(
    deployment: Deployment,
    host: ModelHost,
    begins_anew: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(first_minute, "STUCK_AFTER_S", 0.0)
    canary = Canary(1, 0.5, load_version(deployment.active_version))
    host.answer_share(DEFAULT_DEPLOYMENT, canary)
    with host.passes.under_way(canary.loaded):
        assert not begins_anew()
        host.answer_all(DEFAULT_DEPLOYMENT)
        assert begins_anew()


def test_who_begins_anew_is_no_worker_that_was_lost(
    host: ModelHost,
    company: Alone,
    begins_anew: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
):
    company.tell("activation:7", Progress(Phase.READY))
    monkeypatch.setattr(watchdog, "ANSWERS_STUCK_AFTER_S", 0.0)
    with host.passes.under_way(host.version_for(DEFAULT_DEPLOYMENT)):
        assert begins_anew()
    assert company.look("activation:7", "gpu").progress == {}
