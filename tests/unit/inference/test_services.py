"""Which version a deployment runs, whoever asks for what and whatever becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connections

from apps.inference.exceptions import NotVerifiedError
from apps.inference.models import Activation, Deployment, ModelVersion
from apps.inference.services import (
    activate,
    confirm_activation,
    roll_back,
    tell_loading,
)

State = Activation.State

pytestmark = pytest.mark.django_db


@pytest.fixture
def versions(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> list[ModelVersion]:
    """The active version and three more."""
    return [deployment.active_version, *(scripted_version() for _ in range(3))]


def active(deployment: Deployment) -> ModelVersion:
    return Deployment.objects.get(pk=deployment.pk).active_version


def history(deployment: Deployment) -> list[tuple[ModelVersion, str]]:
    """What was asked for and what came of it, in the order of the asking."""
    return [(each.to_version, each.state) for each in deployment.activations.all()][
        ::-1
    ]


def test_activating_is_a_wish_with_a_record(
    deployment: Deployment, versions: list[ModelVersion]
):
    operator = User.objects.create_user("operator")

    activation = activate(deployment, versions[1], operator)

    assert active(deployment) == versions[1]
    assert activation is not None
    activation.refresh_from_db()
    assert activation.from_version == versions[0]
    assert activation.requested_by == operator
    assert (activation.state, activation.finished_at) == (State.REQUESTED, None)


@pytest.mark.parametrize(
    "state", sorted(set(ModelVersion.State) - {ModelVersion.State.VERIFIED})
)
def test_what_is_not_verified_is_not_activated(
    deployment: Deployment, versions: list[ModelVersion], state: ModelVersion.State
):
    versions[1].state = state
    with pytest.raises(NotVerifiedError, match=f"^{versions[1]} has not been verified"):
        activate(deployment, versions[1])
    assert active(deployment) == versions[0]
    assert history(deployment) == []


def test_activating_what_is_active_is_no_news(
    deployment: Deployment, versions: list[ModelVersion]
):
    assert activate(deployment, versions[0]) is None
    assert history(deployment) == []


def test_a_stale_page_does_not_hide_what_another_operator_activated(
    deployment: Deployment, versions: list[ModelVersion]
):
    seen_by_second = Deployment.objects.get(pk=deployment.pk)
    activate(deployment, versions[1])

    activation = activate(seen_by_second, versions[2])

    assert activation is not None
    assert activation.from_version == versions[1]
    # And back: what the stale page calls active no longer is.
    assert activate(seen_by_second, versions[0]) is not None


def test_the_first_worker_that_answers_is_recorded(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    confirm_activation(deployment.pk, versions[1].pk)
    activation = deployment.activations.get()
    assert (activation.state, activation.reason) == (State.SWITCHED, "")
    assert activation.finished_at is not None

    confirm_activation(deployment.pk, versions[1].pk)

    assert deployment.activations.get().finished_at == activation.finished_at


def test_confirming_is_about_one_version_of_one_deployment(
    deployment: Deployment, versions: list[ModelVersion]
):
    other = Deployment.objects.create(name="other", active_version=versions[0])
    activate(deployment, versions[1])
    activate(other, versions[1])

    confirm_activation(deployment.pk, versions[2].pk)
    confirm_activation(other.pk, versions[1].pk)

    assert history(deployment) == [(versions[1], State.REQUESTED)]
    assert history(other) == [(versions[1], State.SWITCHED)]


def test_a_version_that_fails_gives_way_to_the_one_before(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])

    roll_back(deployment.pk, versions[1].pk, "The file is cut short.")

    assert active(deployment) == versions[0]
    activation = deployment.activations.get()
    assert activation.state == State.ROLLED_BACK
    assert activation.reason == "The file is cut short."
    assert activation.finished_at is not None


def test_a_version_that_answers_elsewhere_is_not_rolled_back(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    confirm_activation(deployment.pk, versions[1].pk)

    roll_back(deployment.pk, versions[1].pk, "This worker has no disk.")

    assert active(deployment) == versions[1]
    assert history(deployment) == [
        (versions[1], State.SWITCHED),
        (versions[1], State.FAILED),
    ]


def test_a_deployment_that_never_had_another_version_waits_to_be_mended(
    deployment: Deployment, versions: list[ModelVersion]
):
    for _ in range(2):
        roll_back(deployment.pk, versions[0].pk, "The file is cut short.")
    assert active(deployment) == versions[0]
    assert history(deployment) == [(versions[0], State.FAILED)]
    assert deployment.activations.get().reason == "The file is cut short."


def test_a_failure_does_not_undo_what_the_second_operator_asked_for(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    activate(deployment, versions[2])

    roll_back(deployment.pk, versions[1].pk, "The file is cut short.")

    assert active(deployment) == versions[2]
    assert history(deployment) == [
        (versions[1], State.SUPERSEDED),
        (versions[2], State.REQUESTED),
    ]


def test_a_choice_that_is_overtaken_is_told_so(
    deployment: Deployment, versions: list[ModelVersion]
):
    other = Deployment.objects.create(name="other", active_version=versions[0])
    activate(other, versions[1])
    activate(deployment, versions[1])
    tell_loading(deployment.pk, versions[1].pk, "Loaded by the worker.")
    activate(deployment, versions[0])

    confirm_activation(deployment.pk, versions[1].pk)
    confirm_activation(deployment.pk, versions[0].pk)

    overtaken = deployment.activations.last()
    assert overtaken is not None
    assert (overtaken.state, overtaken.step) == (State.SUPERSEDED, "")
    assert overtaken.reason == "Another version was chosen before it answered."
    assert overtaken.finished_at is not None
    assert history(deployment)[1] == (versions[0], State.SWITCHED)
    assert history(other) == [(versions[1], State.REQUESTED)]


def test_only_what_was_asked_for_is_told_to_be_loading(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    tell_loading(deployment.pk, versions[2].pk, "Loaded by the worker.")
    assert history(deployment) == [(versions[1], State.REQUESTED)]

    tell_loading(deployment.pk, versions[1].pk, "Loaded by the worker.")
    assert history(deployment) == [(versions[1], State.LOADING)]

    confirm_activation(deployment.pk, versions[1].pk)
    assert history(deployment) == [(versions[1], State.SWITCHED)]
    assert deployment.activations.get().step == ""


def test_failures_one_after_the_other_lead_back_to_what_worked(
    deployment: Deployment, versions: list[ModelVersion]
):
    for version in versions[1:]:
        activate(deployment, version)
    for version in versions[1:]:
        roll_back(deployment.pk, version.pk, "The file is cut short.")
    assert active(deployment) == versions[0]


def test_versions_that_fail_in_turn_lead_out_of_the_circle(
    deployment: Deployment, versions: list[ModelVersion]
):
    """An operator goes to and fro between two versions that both fail in the end."""
    for version in (versions[1], versions[2], versions[1]):
        activate(deployment, version)
    for version in (versions[2], versions[1], versions[1]):
        roll_back(deployment.pk, version.pk, "The file is cut short.")
    assert active(deployment) == versions[0]


def test_the_version_before_is_the_one_that_the_last_operator_saw(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    confirm_activation(deployment.pk, versions[1].pk)
    activate(deployment, versions[2])
    roll_back(deployment.pk, versions[2].pk, "The file is cut short.")
    assert active(deployment) == versions[1]


def test_a_version_that_failed_once_and_was_mended_counts_as_good(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    roll_back(deployment.pk, versions[1].pk, "The file is cut short.")
    activate(deployment, versions[1])
    confirm_activation(deployment.pk, versions[1].pk)
    activate(deployment, versions[2])

    roll_back(deployment.pk, versions[2].pk, "The file is cut short.")

    assert active(deployment) == versions[1]


def test_rolling_back_twice_changes_nothing_more(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    roll_back(deployment.pk, versions[1].pk, "The first reason.")
    roll_back(deployment.pk, versions[1].pk, "Another reason.")
    assert deployment.activations.get().reason == "The first reason."
    assert active(deployment) == versions[0]


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_fail_in_the_same_moment_write_one_failure(
    deployment: Deployment, versions: list[ModelVersion]
):
    together = threading.Barrier(2)

    def fail() -> None:
        together.wait()
        try:
            roll_back(deployment.pk, versions[0].pk, "The file is cut short.")
        finally:
            connections.close_all()

    for _ in range(5):
        Activation.objects.all().delete()
        workers = [threading.Thread(target=fail) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert history(deployment) == [(versions[0], State.FAILED)]
