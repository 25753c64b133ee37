"""Which version a deployment is to run, whoever asks for what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from apps.inference.exceptions import InferenceError, InUseError, NotVerifiedError
from apps.inference.models import Activation, Deployment, ModelVersion
from apps.inference.registering import removing
from apps.inference.services import activate, go_back, replace, version_before
from apps.inference.serving import switching

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


def switched(deployment: Deployment, version: ModelVersion) -> Activation:
    """Ask for a version and have it answer."""
    activation = activate(deployment, version)
    assert activation is not None
    assert switching.switch(activation.pk, {})
    return activation


def test_activating_is_a_wish_with_a_record(
    deployment: Deployment, versions: list[ModelVersion]
):
    operator = User.objects.create_user("operator")

    activation = activate(deployment, versions[1], operator, "It sees more.")

    assert active(deployment) == versions[0]
    assert activation is not None
    activation.refresh_from_db()
    assert (activation.from_version, activation.to_version) == (
        versions[0],
        versions[1],
    )
    assert (activation.requested_by, activation.note) == (operator, "It sees more.")
    assert (activation.state, activation.finished_at) == (State.REQUESTED, None)


@pytest.mark.parametrize(
    "state", sorted(set(ModelVersion.State) - {ModelVersion.State.VERIFIED})
)
def test_what_is_not_verified_is_not_activated(
    deployment: Deployment, versions: list[ModelVersion], state: ModelVersion.State
):
    # Whatever a page that was loaded before says.
    ModelVersion.objects.filter(pk=versions[1].pk).update(state=state)
    with pytest.raises(NotVerifiedError, match=f"^{versions[1]} has not been verified"):
        activate(deployment, versions[1])
    assert history(deployment) == []


def test_what_has_been_removed_is_not_activated(
    deployment: Deployment, versions: list[ModelVersion]
):
    ModelVersion.objects.filter(pk=versions[1].pk).delete()
    with pytest.raises(NotVerifiedError, match=f"^{versions[1]} has been removed"):
        activate(deployment, versions[1])


def test_activating_what_is_active_is_no_news(
    deployment: Deployment, versions: list[ModelVersion]
):
    assert activate(deployment, versions[0]) is None
    assert history(deployment) == []


def test_the_second_operator_takes_the_place_of_the_first(
    deployment: Deployment, versions: list[ModelVersion]
):
    other = Deployment.objects.create(name="other", active_version=versions[0])
    activate(other, versions[1])
    activate(deployment, versions[1])

    activate(deployment, versions[2])

    assert history(deployment) == [
        (versions[1], State.SUPERSEDED),
        (versions[2], State.REQUESTED),
    ]
    overtaken = deployment.activations.last()
    assert overtaken is not None
    assert overtaken.reason == "Another version was chosen before it answered."
    assert overtaken.finished_at is not None
    assert history(other) == [(versions[1], State.REQUESTED)]


def test_two_operators_who_want_the_same_share_one_activation(
    deployment: Deployment, versions: list[ModelVersion]
):
    first = activate(deployment, versions[1])
    assert activate(deployment, versions[1]) == first
    assert history(deployment) == [(versions[1], State.REQUESTED)]


def test_choosing_what_answers_calls_off_what_is_under_way(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])

    activation = activate(deployment, versions[0])

    assert activation is not None
    assert activation.finished_at is not None
    assert history(deployment) == [
        (versions[1], State.SUPERSEDED),
        (versions[0], State.SWITCHED),
    ]
    assert active(deployment) == versions[0]


def test_going_back_leads_to_what_answered_before(
    deployment: Deployment, versions: list[ModelVersion]
):
    switched(deployment, versions[1])
    switched(deployment, versions[2])
    deployment.refresh_from_db()

    activation = go_back(deployment, note="It was better.")

    assert activation is not None
    assert (activation.to_version, activation.note) == (versions[1], "It was better.")


def test_to_go_back_is_possible_whatever_came_of_verifying_anew(
    deployment: Deployment, versions: list[ModelVersion]
):
    switched(deployment, versions[1])
    deployment.refresh_from_db()
    ModelVersion.objects.filter(pk=versions[0].pk).update(
        state=ModelVersion.State.FAILED, reason="Its process was killed."
    )

    activation = go_back(deployment)

    assert activation is not None
    assert switching.switch(activation.pk, {})
    assert active(deployment) == versions[0]


def test_going_back_passes_over_what_was_taken_back(
    deployment: Deployment, versions: list[ModelVersion]
):
    switched(deployment, versions[1])
    failed = switched(deployment, versions[2])
    switching.roll_back(failed.pk, "It fails.")
    deployment.refresh_from_db()
    assert version_before(deployment) == versions[0]


def test_where_nothing_answered_before_there_is_no_way_back(
    deployment: Deployment, versions: list[ModelVersion]
):
    with pytest.raises(InferenceError, match=r"^Nothing answered for default before\."):
        go_back(deployment)


def test_what_has_no_files_any_more_is_replaced_at_once(
    deployment: Deployment, versions: list[ModelVersion]
):
    replace(deployment, versions[1], "The starter was trained anew.")
    assert active(deployment) == versions[1]
    assert history(deployment) == [(versions[1], State.SWITCHED)]


def test_what_is_being_activated_is_not_removed(
    deployment: Deployment, versions: list[ModelVersion]
):
    activate(deployment, versions[1])
    with pytest.raises(InUseError, match="is being activated in default"):
        removing.remove(versions[1])
    assert ModelVersion.objects.filter(pk=versions[1].pk).exists()
