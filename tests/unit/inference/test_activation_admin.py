"""One click has another version answer, and the page says how it goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from apps.inference.admin.activations import MOST_SHOWN
from apps.inference.models import Activation, Deployment, ModelVersion
from apps.inference.services import activate
from apps.inference.serving import switching

pytestmark = pytest.mark.django_db
Register = Callable[..., ModelVersion]


def page(row: Any) -> str:
    return reverse(f"admin:inference_{row._meta.model_name}_change", args=[row.pk])


def click(
    client: Client,
    deployment: Deployment,
    version: ModelVersion,
    note: str = "",
    **more: str,
) -> str:
    """Returns the page that one comes to."""
    response = client.post(
        reverse("admin:inference_activate"),
        {"deployment": deployment.pk, "version": version.pk, "note": note, **more},
        follow=True,
    )
    return str(response.content.decode())


def shown(client: Client, row: Any) -> str:
    return str(client.get(page(row)).content.decode())


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    """Someone who may look at everything and choose what answers."""
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__startswith="view_")
        | Permission.objects.filter(codename="activate_deployment")
    )
    client.force_login(user)
    return client


def test_a_click_asks_the_workers_to_switch(
    operator: Client, deployment: Deployment, scripted_version: Register
):
    version = scripted_version()

    content = click(operator, deployment, version, "It sees more.")

    activation = Activation.objects.get()
    assert (activation.deployment, activation.to_version) == (deployment, version)
    assert str(activation.requested_by) == "operator"
    assert activation.note == "It sees more."
    assert f"The workers are loading {version}" in content
    assert "“It sees more.”" in content
    assert "Waiting for a worker of the queue gpu." in content


def test_both_pages_offer_it(
    operator: Client, deployment: Deployment, scripted_version: Register
):
    version = scripted_version()
    before = deployment.active_version
    assert f'<option value="{version.pk}">{version}</option>' in shown(
        operator, deployment
    )
    assert f'name="deployment" value="{deployment.pk}"' in shown(operator, version)
    # Where it answers already there is nothing to click.
    assert 'name="deployment"' not in shown(operator, before)


def test_one_may_go_back_to_what_answered_before(
    operator: Client, deployment: Deployment, scripted_version: Register
):
    before, version = deployment.active_version, scripted_version()
    assert "Go back to" not in shown(operator, deployment)
    activation = activate(deployment, version)
    assert activation
    switching.switch(activation.pk, {})

    assert f"Go back to {before}" in shown(operator, deployment)
    ModelVersion.objects.filter(pk=before.pk).update(
        state=ModelVersion.State.FAILED, reason="It answers otherwise."
    )
    page = shown(operator, deployment)
    assert f"Go back to {before}" in page
    assert "It was verified anew since, and failed: It answers otherwise." in page


def test_the_way_back_is_a_click(
    operator: Client, deployment: Deployment, scripted_version: Register
):
    before, version = deployment.active_version, scripted_version()
    activation = activate(deployment, version)
    assert activation
    switching.switch(activation.pk, {})
    ModelVersion.objects.filter(pk=before.pk).update(state=ModelVersion.State.FAILED)
    assert 'name="goes_back" value="on"' in shown(operator, deployment)

    # A page that was open all the while names what answers by now.
    content = click(operator, deployment, version, goes_back="on")
    assert f"{version} answers now, and {before} did before." in content
    assert "has not been verified" in click(operator, deployment, before)

    content = click(operator, deployment, before, goes_back="on")
    assert f"The workers are loading {before}" in content


def test_choosing_what_is_active_changes_nothing_and_says_so(
    operator: Client, deployment: Deployment
):
    content = click(operator, deployment, deployment.active_version)
    assert not Activation.objects.exists()
    assert f"Nothing was changed: {deployment.active_version} is active" in content


def test_what_is_not_verified_is_refused_with_a_sentence(
    operator: Client, deployment: Deployment, scripted_version: Register
):
    version = scripted_version()
    ModelVersion.objects.filter(pk=version.pk).update(state=ModelVersion.State.FAILED)
    assert "has not been verified" in click(operator, deployment, version)
    assert 'name="deployment"' not in shown(operator, version)
    assert not Activation.objects.exists()


def test_who_may_only_look_sees_no_button_and_changes_nothing(
    client: Client, deployment: Deployment, scripted_version: Register
):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    version = scripted_version()

    assert "Activate" not in shown(client, deployment)
    assert "Activate for" not in shown(client, version)
    assert "Your account may not see or do this" in click(client, deployment, version)
    assert not Activation.objects.exists()


def test_the_page_of_a_deployment_shows_the_newest_and_saves_without_them(
    admin_client: Client, deployment: Deployment
):
    version = deployment.active_version
    made = [
        Activation.objects.create(
            deployment=deployment, to_version=version, state="switched", note=f"no. {n}"
        )
        for n in range(MOST_SHOWN + 5)
    ]
    content = shown(admin_client, deployment)
    assert page(made[-1]) in content
    assert f"“{made[5].note}”" in content
    assert f"“{made[4].note}”" not in content
    everything = reverse("admin:inference_activation_changelist")
    assert f"{everything}?deployment__id__exact={deployment.pk}" in content

    fields = dict(re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', content))
    # A few of the formset itself, and none of what was activated.
    assert not [name for name in fields if name.endswith("-state")]
    saved = admin_client.post(
        page(deployment), {**fields, "title": "Front"}, follow=True
    )
    assert "Changed: title." in saved.content.decode()
    assert Activation.objects.count() == len(made)


def test_a_version_that_never_was_is_no_choice(
    operator: Client, deployment: Deployment
):
    response = operator.post(
        reverse("admin:inference_activate"),
        {"deployment": deployment.pk, "version": 12345},
        follow=True,
    )
    assert "Choose a version of those that there are." in response.content.decode()
    assert operator.get(reverse("admin:inference_activate")).status_code == 405


def test_the_first_minute_is_followed_and_its_figures_stay(
    operator: Client, deployment: Deployment, scripted_version: Register
):
    activation = activate(deployment, scripted_version())
    assert activation
    switching.switch(activation.pk, {"check": {"gpu1:7": {"pictures": 4}}})
    # The class by which the page goes on asking.
    assert "state-watched" in shown(operator, deployment)

    figures = {"answered": 1234, "failed": 1, "p95_ms": 81.4}
    switching.finish(activation.pk, {"first_minute": figures})

    content = shown(operator, deployment)
    assert "state-watched" not in content
    assert "1234 answered, 1 failed" in content
    assert "p95 age 81 ms" in content
    assert "<dt>Gpu1:7</dt>" in shown(operator, activation)
