"""Deployments in the admin: added, set, looked at, removed where nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from apps.inference.admin import workforce
from apps.inference.models import Activation, Deployment, ModelVersion
from apps.inference.presence import Worker
from apps.inference.services import activate
from apps.sessions import services

ADD = reverse("admin:inference_deployment_add")
LIST = reverse("admin:inference_deployment_changelist")
NO_ROWS = {"activations-TOTAL_FORMS": 0, "activations-INITIAL_FORMS": 0}

Versions = Callable[..., ModelVersion]


def change(deployment: Deployment) -> str:
    return reverse("admin:inference_deployment_change", args=[deployment.pk])


def delete(deployment: Deployment) -> str:
    return reverse("admin:inference_deployment_delete", args=[deployment.pk])


def form(version: ModelVersion, **fields: Any) -> dict[str, Any]:
    return {
        "active_version": version.pk,
        "queue": "gpu",
        "most_failed_share": 0.05,
        "sample_share": 0,
        "retention_days": 30,
        **NO_ROWS,
        **fields,
    }


def content(response: Any) -> str:
    decoded: str = response.content.decode()
    return decoded


@pytest.fixture
def fruit(scripted_version: Versions) -> Deployment:
    return Deployment.objects.create(
        name="fruit", title="Fruit", active_version=scripted_version(label="banana")
    )


def test_a_deployment_is_added_with_all_that_it_asks_for(
    admin_client: Client, scripted_version: Versions
):
    version = scripted_version()
    fields = {
        "name": "fruit",
        "title": "Fruit",
        "queue": "gpu-large",
        "min_score": "0.3",
        "hot_dog_score": "0.7",
        "age_budget_ms": "400",
    }
    response = admin_client.post(ADD, form(version, **fields), follow=True)

    deployment = Deployment.objects.get()
    assert deployment.active_version == version
    assert (deployment.name, deployment.title) == ("fruit", "Fruit")
    assert (deployment.queue, deployment.age_budget_ms) == ("gpu-large", 400)
    assert (deployment.min_score, deployment.hot_dog_score) == (0.3, 0.7)
    assert "once a worker of the queue gpu-large has loaded it" in content(response)
    assert "/s/fruit" in content(response)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"queue": "jobs"}, "A queue is called gpu, or gpu-large and the like."),
        ({"queue": "gpu large"}, "A queue is called gpu, or gpu-large and the like."),
        ({"name": "hot dogs"}, "Enter a valid “slug”"),
        ({"name": "default"}, "Deployment with this Name already exists."),
        ({"hot_dog_score": "1.1"}, "less than or equal to 1.0"),
        ({"min_score": "nan"}, "Enter a number."),
        ({"age_budget_ms": "1"}, "greater than or equal to 50"),
        ({"retention_days": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(
    admin_client: Client, deployment: Deployment, fields: dict[str, str], sentence: str
):
    given = form(deployment.active_version, **{"name": "fruit", **fields})
    assert sentence in content(admin_client.post(ADD, given))
    assert list(Deployment.objects.all()) == [deployment]


def test_what_nobody_has_verified_is_not_deployed(
    admin_client: Client, deployment: Deployment
):
    version = deployment.active_version
    ModelVersion.objects.update(state=ModelVersion.State.FAILED)
    response = admin_client.post(ADD, form(version, name="fruit"))
    assert "Select a valid choice" in content(response)
    assert list(Deployment.objects.all()) == [deployment]


def test_settings_are_changed_and_the_version_and_the_name_are_left_alone(
    admin_client: Client, fruit: Deployment, scripted_version: Versions
):
    version = fruit.active_version
    given = form(
        version, name="other", title="Fruit", queue="gpu-large", hot_dog_score="0.9"
    )
    response = admin_client.post(change(fruit), given, follow=True)

    fruit.refresh_from_db()
    assert (fruit.name, fruit.queue, fruit.hot_dog_score) == ("fruit", "gpu-large", 0.9)
    assert "Changed: queue, score of a hot dog." in content(response)
    assert "Nothing was changed" not in content(response)
    assert not Activation.objects.exists()


def test_whoever_may_look_reads_what_a_version_is_asked_for(
    client: Client, admin_client: Client, fruit: Deployment
):
    user = User.objects.create_user("viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    for gates, words in (
        ({}, "no figures"),
        ({"map50": 0.5}, "at least mAP50 0.5 on held-out scenes"),
    ):
        Deployment.objects.filter(pk=fruit.pk).update(gates=gates)
        assert words in content(client.get(change(fruit)))
        assert words in content(admin_client.get(change(fruit)))


def test_the_list_says_where_each_is_and_whether_it_is_answered(
    admin_client: Client,
    deployment: Deployment,
    fruit: Deployment,
    monkeypatch: pytest.MonkeyPatch,
):
    Deployment.objects.filter(pk=fruit.pk).update(queue="gpu-large")
    for status in ("live", "live", "waiting"):
        session = services.open_session(deployment="fruit", user=None, client="")
        services.change_status(session.pk, status, "")
    services.close_session(session.pk, sentence="")
    present = {"gpu": [Worker("here:1", None)], "gpu-large": []}
    monkeypatch.setattr(workforce, "present", lambda queues: present)

    html = content(admin_client.get(LIST))

    assert '<a href="/s/fruit">/s/fruit</a>' in html
    assert '<a href="/">/</a>' in html
    assert html.count("1 worker") == 1
    assert "gpu-large: celery -A emporium worker -Q gpu-large" in html
    assert '<td class="field-live">2</td>' in html
    assert '<td class="field-live">0</td>' in html


@pytest.mark.usefixtures("deployment")
def test_without_redis_the_list_says_so(admin_client: Client):
    assert "Redis doesn’t answer" in content(admin_client.get(LIST))


def test_what_nothing_has_ever_used_can_be_removed(
    admin_client: Client, deployment: Deployment, fruit: Deployment
):
    response = admin_client.post(delete(fruit), {"post": "yes"}, follow=True)
    assert "Fruit is removed." in content(response)
    assert list(Deployment.objects.all()) == [deployment]


def test_what_has_been_used_stays_with_a_sentence(
    admin_client: Client,
    deployment: Deployment,
    fruit: Deployment,
    scripted_version: Versions,
):
    services.open_session(deployment="fruit", user=None, client="")
    bread = Deployment.objects.create(name="bread", active_version=scripted_version())
    activate(bread, scripted_version())
    for used, sentence in (
        (deployment, "Default stays, for the page at / asks for it."),
        (fruit, "Fruit stays, for sessions have used it"),
        (bread, "Bread stays, for the record of its activations is kept."),
    ):
        for method in (admin_client.get, admin_client.post):
            response = method(delete(used), {"post": "yes"}, follow=True)
            assert sentence in content(response)
    assert Deployment.objects.count() == 3


def test_who_may_only_choose_versions_removes_nothing(
    client: Client, deployment: Deployment, fruit: Deployment
):
    operator = User.objects.create_user("operator", is_staff=True)
    operator.user_permissions.set(
        Permission.objects.filter(
            codename__in=["view_deployment", "change_deployment"],
        )
    )
    client.force_login(operator)
    assert client.post(delete(fruit), {"post": "yes"}).status_code == 403
    assert client.get(ADD).status_code == 403
    assert Deployment.objects.count() == 2
