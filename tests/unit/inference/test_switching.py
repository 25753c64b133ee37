"""What becomes of an activation is written once, whoever says so and how often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from apps.inference.models import Activation, Deployment, ModelVersion
from apps.inference.services import activate
from apps.inference.serving import switching

State = Activation.State

pytestmark = pytest.mark.django_db


@pytest.fixture
def versions(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> list[ModelVersion]:
    """The active version and two more."""
    return [deployment.active_version, *(scripted_version() for _ in range(2))]


@pytest.fixture
def ask(
    deployment: Deployment, versions: list[ModelVersion]
) -> Callable[[int], Activation]:
    def ask(number: int) -> Activation:
        activation = activate(deployment, versions[number])
        assert activation is not None
        return activation

    return ask


Ask = Callable[[int], Activation]


def active(deployment: Deployment) -> ModelVersion:
    return Deployment.objects.get(pk=deployment.pk).active_version


def written(activation: Activation) -> Activation:
    return Activation.objects.get(pk=activation.pk)


def test_a_version_answers_from_the_switch_on(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    activation = ask(1)
    assert switching.switch(activation.pk, {"check": {"gpu1:7": {"pictures": 4}}})
    assert active(deployment) == versions[1]
    switched = written(activation)
    assert (switched.state, switched.is_watched) == (State.SWITCHED, True)
    assert switched.figures == {"check": {"gpu1:7": {"pictures": 4}}}


def test_what_failed_to_be_verified_anew_meanwhile_is_not_switched_to(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    activation = ask(1)
    ModelVersion.objects.filter(pk=versions[1].pk).update(
        state=ModelVersion.State.FAILED, reason="It answers otherwise."
    )
    assert not switching.switch(activation.pk, {"check": {}})
    assert active(deployment) == versions[0]
    assert written(activation).state == State.ROLLED_BACK
    assert written(activation).reason == (
        f"{versions[1]} was verified anew meanwhile, and failed: It answers otherwise."
    )


def test_only_the_first_worker_switches(deployment: Deployment, ask: Ask):
    activation = ask(1)
    assert switching.switch(activation.pk, {})
    before = written(activation)
    assert not switching.switch(activation.pk, {"check": {}})
    assert written(activation).changed_at == before.changed_at
    assert written(activation).figures == {}


def test_what_was_overtaken_never_answers(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    first, second = ask(1), ask(2)
    assert not switching.switch(first.pk, {})
    assert not switching.roll_back(first.pk, "The file is cut short.")
    assert active(deployment) == versions[0]
    assert written(first).state == State.SUPERSEDED
    assert written(second).state == State.REQUESTED


def test_a_version_that_fails_before_it_answers_changes_nothing(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    activation = ask(1)
    assert switching.roll_back(activation.pk, "The file is cut short.")
    assert active(deployment) == versions[0]
    failed = written(activation)
    assert (failed.state, failed.reason) == (
        State.ROLLED_BACK,
        "The file is cut short.",
    )
    assert failed.finished_at is not None
    assert not switching.roll_back(activation.pk, "Another reason.")
    assert written(activation).reason == "The file is cut short."


def test_a_version_that_fails_in_its_first_minute_gives_way_to_the_one_before(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    activation = ask(1)
    switching.switch(activation.pk, {"check": {}})
    assert switching.roll_back(activation.pk, "It fails.", {"first_minute": {}})
    assert active(deployment) == versions[0]
    assert written(activation).figures == {"check": {}, "first_minute": {}}


def test_a_version_whose_first_minute_is_over_stays(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    activation = ask(1)
    switching.switch(activation.pk, {})
    assert switching.finish(activation.pk, {"first_minute": {"failed": 0}})
    assert not switching.roll_back(activation.pk, "It fails.")
    assert not switching.finish(activation.pk, {})
    assert active(deployment) == versions[1]
    assert written(activation).figures == {"first_minute": {"failed": 0}}


def test_the_next_switch_ends_the_first_minute_of_the_one_before(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    first = ask(1)
    switching.switch(first.pk, {})
    switching.switch(ask(2).pk, {})
    assert not switching.roll_back(first.pk, "It fails.")
    assert active(deployment) == versions[2]


def test_the_way_back_is_to_what_answered_at_the_switch(
    deployment: Deployment, versions: list[ModelVersion], ask: Ask
):
    """Not to what answered when it was asked for: that may have failed meanwhile."""
    first = ask(1)
    switching.switch(first.pk, {})
    second = ask(2)
    switching.roll_back(first.pk, "It fails.")
    switching.switch(second.pk, {})
    switching.roll_back(second.pk, "It fails, too.")
    assert active(deployment) == versions[0]


def test_how_far_it_is_is_told_while_it_is_under_way(ask: Ask):
    activation = ask(1)
    switching.tell(activation, State.LOADING, "Loaded by the worker.")
    assert written(activation).state == State.LOADING
    stale = written(activation)
    switching.switch(activation.pk, {})
    switching.tell(stale, State.CHECKING, "Held against its golden answers.")
    assert written(activation).state == State.SWITCHED


def test_a_wait_for_a_worker_never_looks_like_a_wait_without_end(ask: Ask):
    activation = ask(1)
    long_ago = timezone.now() - timedelta(hours=3)
    switching.wait(activation, "No worker.")
    Activation.objects.update(changed_at=long_ago)
    switching.wait(written(activation), "No worker.")
    assert timezone.now() - written(activation).changed_at < timedelta(minutes=1)


def test_a_worker_that_cannot_load_what_is_active_says_so_once(
    deployment: Deployment, versions: list[ModelVersion]
):
    for _ in range(2):
        switching.write_failure(deployment.pk, versions[0].pk, "It is cut short.")
        switching.write_failure(deployment.pk, versions[1].pk, "It isn't active.")
    failure = deployment.activations.get()
    assert (failure.to_version, failure.state) == (versions[0], State.FAILED)
    assert active(deployment) == versions[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("act", "states"),
    [
        ("fail", {State.FAILED}),
        ("activate", {State.REQUESTED, State.SUPERSEDED}),
        ("switch", {State.SWITCHED}),
    ],
)
def test_two_in_the_same_moment_come_to_one_end(
    deployment: Deployment,
    versions: list[ModelVersion],
    act: str,
    states: set[str],
):
    together = threading.Barrier(2)
    acts: dict[str, Callable[[int], object]] = {
        "fail": lambda _: switching.write_failure(
            deployment.pk, versions[0].pk, "It is cut short."
        ),
        "activate": lambda number: activate(deployment, versions[number]),
        "switch": lambda _: switching.switch(Activation.objects.get().pk, {}),
    }

    def run(number: int) -> None:
        together.wait()
        try:
            acts[act](number)
        finally:
            connections.close_all()

    for _ in range(3):
        Activation.objects.all().delete()
        Deployment.objects.update(active_version=versions[0])
        if act == "switch":
            activate(deployment, versions[1])
        workers = [threading.Thread(target=run, args=(number,)) for number in (1, 2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        found = [each.state for each in deployment.activations.all()]
        assert (set(found), len(found)) == (states, len(states))
