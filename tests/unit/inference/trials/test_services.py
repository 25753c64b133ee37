"""A trial begins where it can tell something, ends once, and adds up what it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet

from apps.inference.exceptions import NotVerifiedError, TrialError
from apps.inference.models import Activation, Deployment, ModelVersion, Trial
from apps.inference.services import activate
from apps.inference.serving import switching
from apps.inference.tally import Sums
from apps.inference.trials import services
from apps.inference.trials.watching import LEAST_FRAMES

pytestmark = pytest.mark.django_db

State, Kind = Trial.State, Trial.Kind
FAILING: Sums = {"challenger": {"failed": LEAST_FRAMES}}


@pytest.fixture
def challenger(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> ModelVersion:
    return scripted_version(label="banana")


@pytest.fixture
def shadow(deployment: Deployment, challenger: ModelVersion) -> Trial:
    return services.start(deployment, challenger, Kind.SHADOW, 1.0)


@pytest.fixture
def canary(deployment: Deployment, challenger: ModelVersion) -> Trial:
    return services.start(deployment, challenger, Kind.CANARY, 0.25)


def test_a_trial_says_what_is_tried_by_whom(
    deployment: Deployment, challenger: ModelVersion
):
    operator = User.objects.create_user("operator")
    trial = services.start(deployment, challenger, Kind.CANARY, 0.25, operator)
    found = services.running(deployment)
    assert found == trial
    assert (trial.version, trial.share, trial.started_by) == (
        challenger,
        0.25,
        operator,
    )


def test_the_active_version_is_not_tried(deployment: Deployment):
    with pytest.raises(TrialError, match=r"is what default runs: there is nothing to"):
        services.start(deployment, deployment.active_version, Kind.SHADOW, 1.0)


@pytest.mark.parametrize(
    "state", sorted(set(ModelVersion.State) - {ModelVersion.State.VERIFIED})
)
def test_only_what_is_verified_is_tried(
    deployment: Deployment, challenger: ModelVersion, state: ModelVersion.State
):
    ModelVersion.objects.filter(pk=challenger.pk).update(state=state)
    with pytest.raises(NotVerifiedError, match="has not been verified"):
        services.start(deployment, challenger, Kind.SHADOW, 1.0)
    assert services.running(deployment) is None


def test_what_was_removed_meanwhile_is_not_tried(
    deployment: Deployment, challenger: ModelVersion
):
    ModelVersion.objects.filter(pk=challenger.pk).delete()
    with pytest.raises(NotVerifiedError, match="has been removed"):
        services.start(deployment, challenger, Kind.SHADOW, 1.0)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_a_share_is_some_of_all(
    deployment: Deployment, challenger: ModelVersion, share: float
):
    with pytest.raises(TrialError, match="The share must be above 0"):
        services.start(deployment, challenger, Kind.SHADOW, share)


def test_one_thing_is_tried_at_a_time(
    shadow: Trial, deployment: Deployment, scripted_version: Callable[..., ModelVersion]
):
    with pytest.raises(TrialError, match=r"as a shadow: stop it first\.$"):
        services.start(deployment, scripted_version(), Kind.CANARY, 0.5)


def test_a_trial_is_stopped_once(shadow: Trial, deployment: Deployment):
    services.stop(shadow, "Enough.")
    shadow.refresh_from_db()
    assert (shadow.state, shadow.reason) == (State.STOPPED, "Enough.")
    assert shadow.ended_at is not None
    with pytest.raises(TrialError, match="isn't running any more"):
        services.stop(shadow, "Again.")
    assert services.running(deployment) is None


def test_promoting_asks_the_workers_to_switch(
    canary: Trial, deployment: Deployment, challenger: ModelVersion
):
    operator = User.objects.create_user("operator")
    activation = services.promote(canary, operator)
    assert activation is not None
    assert (activation.to_version, activation.requested_by) == (challenger, operator)
    assert activation.note == f"Promoted after a canary of 25% (trial {canary.pk})."
    # Its sessions keep it meanwhile.
    canary.refresh_from_db()
    assert canary.state == State.RUNNING
    assert services.promote(canary) == activation

    switching.switch(activation.pk, {})

    canary.refresh_from_db()
    assert canary.state == State.PROMOTED
    assert canary.ended_at is not None
    with pytest.raises(TrialError, match="isn't running any more"):
        services.promote(canary)


@pytest.mark.parametrize("act", ["start", "promote"])
def test_the_deployment_is_locked_before_anything_else(
    deployment: Deployment,
    challenger: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
    act: str,
):
    """As workers do it that switch: two that lock in turn would wait for ever."""
    trial = Trial(deployment=deployment, version=challenger, kind=Kind.CANARY, share=1)
    if act == "promote":
        trial.save()
    locked: list[type[Model]] = []
    lock = QuerySet.select_for_update

    def noted(rows: QuerySet[Model], *args: Any, **options: Any) -> QuerySet[Model]:
        locked.append(rows.model)
        return lock(rows, *args, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", noted)
    if act == "promote":
        services.promote(trial)
    else:
        services.start(deployment, challenger, trial.kind, trial.share)
    assert locked[0] is Deployment
    assert ModelVersion in locked
    assert Trial not in locked


def test_one_that_can_not_take_over_goes_on_being_tried(canary: Trial):
    activation = services.promote(canary)
    assert activation is not None
    switching.roll_back(activation.pk, "It doesn't load.")
    canary.refresh_from_db()
    assert canary.state == State.RUNNING


def test_what_can_not_be_activated_goes_on_being_tried(
    shadow: Trial, challenger: ModelVersion
):
    ModelVersion.objects.filter(pk=challenger.pk).update(
        state=ModelVersion.State.FAILED
    )
    with pytest.raises(NotVerifiedError):
        services.promote(shadow)
    shadow.refresh_from_db()
    assert shadow.state == State.RUNNING
    assert not Activation.objects.exists()


def test_a_trial_ends_when_another_version_takes_over(
    shadow: Trial, deployment: Deployment, scripted_version: Callable[..., ModelVersion]
):
    activation = activate(deployment, scripted_version())
    assert activation is not None
    assert services.running(deployment) == shadow
    switching.switch(activation.pk, {})
    shadow.refresh_from_db()
    assert shadow.state == State.STOPPED
    assert shadow.reason == "Another version was activated beside it."


def test_nothing_is_tried_beside_what_is_about_to_change(
    deployment: Deployment,
    challenger: ModelVersion,
    scripted_version: Callable[..., ModelVersion],
):
    activate(deployment, scripted_version())
    with pytest.raises(TrialError, match="about to run another version"):
        services.start(deployment, challenger, Kind.SHADOW, 1.0)


def test_figures_add_up(shadow: Trial):
    assert services.report(shadow.pk, {"challenger": {"answered": 2}})
    assert services.report(shadow.pk, {"challenger": {"answered": 3, "failed": 1}})
    shadow.refresh_from_db()
    assert shadow.figures == {"challenger": {"answered": 5, "failed": 1}}


def test_what_is_over_is_not_added_to(shadow: Trial):
    services.stop(shadow, "Enough.")
    assert not services.report(shadow.pk, {"challenger": {"answered": 2}})
    shadow.refresh_from_db()
    assert shadow.figures == {}


def test_a_canary_that_does_badly_stops_by_itself(canary: Trial):
    assert not services.report(canary.pk, FAILING)
    canary.refresh_from_db()
    assert canary.state == State.STOPPED
    assert canary.reason.startswith("It failed on 100.0% of 100 frames;")


def test_a_canary_that_begins_to_do_badly_after_a_day_stops_by_itself(canary: Trial):
    good: Sums = {"challenger": {"answered": 1_000_000}}
    Trial.objects.update(figures=good | {"recent": {"before": {}, "now": {}}})
    assert services.report(canary.pk, {"challenger": {"answered": LEAST_FRAMES}})
    assert not services.report(canary.pk, FAILING)
    canary.refresh_from_db()
    assert canary.reason == (
        "Lately it failed on 50.0% of 200 frames; the deployment allows 5.0%."
    )


def test_a_shadow_that_does_badly_harms_nobody(shadow: Trial):
    assert services.report(shadow.pk, FAILING)
