"""Trials in the admin: started, read, stopped and promoted by whoever may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from apps.inference.models import Activation, Deployment, ModelVersion, Trial
from apps.inference.serving.company import Company, Phase, Progress, Roll
from apps.inference.tally import Sums
from apps.inference.trials import agreement, services
from apps.inference.trials.figures import of_message
from apps.sessions import services as session_services
from apps.sessions.models import Capture
from tests.unit.inference.trials.answers import answer

pytestmark = pytest.mark.django_db

START = reverse("admin:inference_trial_start")
BOX = (0.0, 0.0, 10.0, 10.0)
FIGURES: Sums = {
    "champion": of_message(answer(age_ms=40.0)),
    "challenger": {"answered": 0, "failed": 1},
    "agreement": agreement.compare(
        answer(("cup", BOX), hot_dog=True), answer(("cup", BOX))
    ),
}


def page_of(trial: Trial, what: str = "change") -> str:
    return reverse(f"admin:inference_trial_{what}", args=[trial.pk])


def content(response: Any) -> str:
    decoded: str = response.content.decode()
    return decoded


@pytest.fixture
def challenger(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> ModelVersion:
    return scripted_version(label="banana")


@pytest.fixture
def shadow(deployment: Deployment, challenger: ModelVersion) -> Trial:
    return services.start(deployment, challenger, Trial.Kind.SHADOW, 1.0)


@pytest.fixture
def viewer(client: Client) -> Client:
    """Who may look at everything here and change nothing."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def test_a_trial_is_started_on_the_page_of_its_deployment(
    admin_client: Client, deployment: Deployment, challenger: ModelVersion
):
    page = reverse("admin:inference_deployment_change", args=[deployment.pk])
    assert f'action="{START}"' in content(admin_client.get(page))
    said = {
        "deployment": deployment.pk,
        "version": challenger.pk,
        "kind": "canary",
        "percent": "3.7",
    }
    response = admin_client.post(START, said, follow=True)
    trial = Trial.objects.get()
    assert (trial.version, trial.kind) == (challenger, "canary")
    assert trial.share == pytest.approx(0.037)
    assert "3.7% of the sessions." in content(response)
    assert ">3.7%</" in content(admin_client.get(page_of(trial)))
    shown = content(admin_client.get(page))
    assert page_of(trial) in shown
    assert f'action="{START}"' not in shown


def test_what_can_not_be_started_says_why(
    admin_client: Client, deployment: Deployment, shadow: Trial
):
    said = {
        "deployment": deployment.pk,
        "version": shadow.version_id,
        "kind": "canary",
        "percent": "25",
    }
    response = admin_client.post(START, said, follow=True)
    assert "as a shadow: stop it first." in content(response)
    response = admin_client.post(START, {**said, "percent": "much"}, follow=True)
    assert "a share in percent" in content(response)
    assert Trial.objects.count() == 1


def test_its_page_shows_both_versions_and_how_alike_they_are(
    admin_client: Client, shadow: Trial
):
    services.report(shadow.pk, FIGURES)
    shown = content(admin_client.get(page_of(shadow)))
    for words in (
        "champion alone: 1 frames",
        "100.0%",
        "overlap of cup",
        "1 (100.0%)",
        "None was kept",
    ):
        assert words in shown


def test_of_boxes_nothing_is_said_where_one_of_both_draws_none(
    admin_client: Client, shadow: Trial
):
    found, named = answer(("cup", BOX)), answer(top="cup")
    services.report(shadow.pk, {"agreement": agreement.compare(found, named)})
    shown = content(admin_client.get(page_of(shadow)))
    assert "only detectors draw some" in shown
    assert "found by both" not in shown


def test_an_operator_stops_it(admin_client: Client, shadow: Trial):
    shown = content(admin_client.post(page_of(shadow, "stop"), follow=True))
    assert "admin stopped it." in shown
    shadow.refresh_from_db()
    assert shadow.state == Trial.State.STOPPED
    # The button is gone, and who had the page open yet is told.
    assert page_of(shadow, "stop") not in shown
    again = content(admin_client.post(page_of(shadow, "stop"), follow=True))
    assert "any more." in again


def test_an_operator_promotes_it(
    admin_client: Client, shadow: Trial, deployment: Deployment
):
    response = admin_client.post(page_of(shadow, "promote"), follow=True)
    activation = Activation.objects.get()
    assert activation.to_version == shadow.version
    assert activation.requested_by == User.objects.get(username="admin")
    page = reverse("admin:inference_deployment_change", args=[deployment.pk])
    assert response.redirect_chain[-1][0] == page


def test_who_may_only_look_is_offered_nothing_and_refused(
    viewer: Client, deployment: Deployment, shadow: Trial
):
    shown = content(viewer.get(page_of(shadow)))
    assert str(shadow.version) in shown
    assert page_of(shadow, "stop") not in shown
    for what in ("stop", "promote"):
        assert viewer.post(page_of(shadow, what)).status_code == 403
    assert viewer.post(START, {}).status_code == 403
    page = reverse("admin:inference_deployment_change", args=[deployment.pk])
    assert f'action="{START}"' not in content(viewer.get(page))
    shadow.refresh_from_db()
    assert shadow.state == Trial.State.RUNNING


@pytest.mark.parametrize("what", ["stop", "promote"])
def test_nothing_is_done_by_following_a_link(
    admin_client: Client, shadow: Trial, what: str
):
    assert admin_client.get(page_of(shadow, what)).status_code == 405


def test_kept_pictures_are_shown_to_who_may_review_them(
    admin_client: Client, shadow: Trial
):
    session = session_services.open_session(deployment="default", user=None, client="")
    capture = Capture.objects.create(
        session=session,
        model_version=shadow.version,
        trial=shadow,
        reason="disagreement",
        file="none.png",
        width=8,
        height=8,
    )
    picture = reverse("admin:emporium_sessions_capture_picture", args=[capture.pk])
    assert picture in content(admin_client.get(page_of(shadow)))
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    admin_client.force_login(user)
    assert picture not in content(admin_client.get(page_of(shadow)))


@pytest.mark.parametrize(
    ("roll", "words"),
    [
        (Roll(), "No worker of the queue gpu is running."),
        (
            Roll(frozenset("ab"), progress={"a": Progress(Phase.READY)}),
            "1 of 2 workers are ready: it answers once all are.",
        ),
        (
            Roll(frozenset("a"), progress={"a": Progress(Phase.SERVING)}),
            "All workers answer with it.",
        ),
    ],
)
def test_how_many_workers_have_a_canary_is_told(
    admin_client: Client,
    deployment: Deployment,
    challenger: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
    roll: Roll,
    words: str,
):
    monkeypatch.setattr(Company, "look", lambda *_: roll)
    canary = services.start(deployment, challenger, Trial.Kind.CANARY, 0.1)
    assert words in content(admin_client.get(page_of(canary)))


def test_without_redis_a_canary_s_page_says_so(
    admin_client: Client, deployment: Deployment, challenger: ModelVersion
):
    canary = services.start(deployment, challenger, Trial.Kind.CANARY, 0.1)
    assert "Redis doesn’t answer" in content(admin_client.get(page_of(canary)))


def test_the_list_shows_what_came_of_each(admin_client: Client, shadow: Trial):
    services.report(shadow.pk, FIGURES)
    services.stop(shadow, "Enough.")
    shown = content(admin_client.get(reverse("admin:inference_trial_changelist")))
    assert "Enough." in shown
    assert "0.0%" in shown
