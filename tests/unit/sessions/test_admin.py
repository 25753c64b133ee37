"""What operators can see and do. Every page answers, and none asks row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.inference.models import (
    Activation,
    Deployment,
    ModelVersion,
    RegisteredModel,
)
from apps.inference.services import activate, confirm_activation, roll_back
from apps.sessions import services
from apps.sessions.models import CameraSession, Run
from tests.unit.sessions.test_services import FIGURES

MODELS = (RegisteredModel, ModelVersion, Deployment, Activation, CameraSession, Run)
READ_ONLY = tuple(model for model in MODELS if model is not Deployment)

Grow = Callable[[], None]


@pytest.fixture
def grow(deployment: Deployment, scripted_version: Callable[..., ModelVersion]) -> Grow:
    """Make one more row of everything, with all that a row can have."""
    operator = User.objects.create_user("somebody")
    numbers = iter(range(1000))

    def add() -> None:
        number = next(numbers)
        version, broken = scripted_version(), scripted_version()
        other = Deployment.objects.create(name=f"d{number}", active_version=version)
        RegisteredModel.objects.create(name=f"m{number}", family="scripted")
        activate(other, deployment.active_version, operator)
        activate(other, broken, operator)
        roll_back(other.pk, broken.pk, "The head is missing.")
        activate(deployment, version, operator)
        confirm_activation(deployment.pk, version.pk)
        session = services.open_session(
            deployment=deployment.name, user=operator, client="Mozilla/5.0"
        )
        for _ in range(number + 1):
            run_id = services.start_run(session.pk, version.pk, timezone.now())
        services.finish_run(run_id, FIGURES)
        services.start_run(session.pk, deployment.active_version_id, timezone.now())

    add()
    return add


@pytest.fixture
def operator(db: None, client: Client) -> Client:
    """Someone who may look at everything and change nothing."""
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def list_page(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_of(row: Any) -> str:
    return reverse(
        f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=(row.pk,)
    )


def add_page(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def test_everything_we_have_is_in_the_admin():
    ours = {
        model
        for model in admin.site._registry
        if model._meta.app_label in {"inference", "emporium_sessions"}
    }
    assert ours == set(MODELS)


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", MODELS)
def test_every_page_answers(admin_client: Client, model: type[Model]):
    assert admin_client.get(list_page(model)).status_code == 200
    rows = model._default_manager.all()
    assert rows
    for row in rows:
        assert admin_client.get(page_of(row)).status_code == 200


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("model", MODELS)
def test_every_list_answers_when_it_is_empty(admin_client: Client, model: type[Model]):
    assert admin_client.get(list_page(model)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_a_list_asks_as_often_for_many_rows_as_for_few(
    admin_client: Client, grow: Grow, model: type[Model]
):
    # The content types are asked for once a process.
    admin_client.get(list_page(model))

    few = queries(admin_client, list_page(model))
    for _ in range(4):
        grow()
    many = queries(admin_client, list_page(model))

    assert many <= few


@pytest.mark.parametrize(
    "model",
    [CameraSession, Deployment, RegisteredModel],
)
def test_a_page_asks_as_often_for_many_parts_as_for_few(
    admin_client: Client, grow: Grow, model: type[Model], deployment: Deployment
):
    def richest() -> str:
        rows = {
            CameraSession: CameraSession.objects.order_by("-opened_at"),
            Deployment: Deployment.objects.filter(pk=deployment.pk),
            RegisteredModel: RegisteredModel.objects.filter(name="scripted"),
        }
        return page_of(rows[model].first())

    admin_client.get(richest())
    few = queries(admin_client, richest())
    for _ in range(4):
        grow()
    many = queries(admin_client, richest())

    assert many <= few


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", MODELS)
def test_an_operator_who_may_only_look_can_look(operator: Client, model: type[Model]):
    assert operator.get(list_page(model)).status_code == 200
    row = model._default_manager.first()
    assert operator.get(page_of(row)).status_code == 200


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", MODELS)
def test_an_operator_who_may_only_look_changes_nothing(
    operator: Client, model: type[Model]
):
    before = list(model._default_manager.values())
    page = page_of(model._default_manager.first())
    assert operator.post(page, {"name": "mine"}).status_code == 403
    delete = operator.post(page.replace("/change/", "/delete/"), {"post": "yes"})
    assert delete.status_code == 403
    assert operator.get(add_page(model)).status_code == 403
    assert list(model._default_manager.values()) == before


def test_an_operator_who_may_only_look_activates_nothing(
    operator: Client,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    before = deployment.active_version
    response = operator.post(page_of(deployment), form(scripted_version()))
    assert response.status_code == 403
    assert Deployment.objects.get().active_version == before
    assert not Activation.objects.exists()


@pytest.mark.usefixtures("grow")
@pytest.mark.parametrize("model", READ_ONLY)
def test_what_the_system_writes_is_not_even_changed_by_a_superuser(
    admin_client: Client, model: type[Model]
):
    row = model._default_manager.first()
    assert admin_client.post(page_of(row), {}).status_code == 403
    assert admin_client.get(add_page(model)).status_code == 403


def test_a_visitor_sees_a_login(client: Client, db: None):
    for model in MODELS:
        response = client.get(list_page(model))
        assert response.status_code == 302
        assert "/admin/login/" in response.headers["Location"]


def form(version: ModelVersion) -> dict[str, object]:
    """The deployment's form with this version chosen."""
    return {
        "active_version": version.pk,
        "activations-TOTAL_FORMS": 0,
        "activations-INITIAL_FORMS": 0,
    }


def test_choosing_another_version_asks_the_workers_to_switch(
    admin_client: Client,
    admin_user: User,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    before, version = deployment.active_version, scripted_version()

    response = admin_client.post(page_of(deployment), form(version), follow=True)

    assert Deployment.objects.get().active_version == version
    activation = Activation.objects.get()
    assert activation.deployment == deployment
    assert (activation.from_version, activation.to_version) == (before, version)
    assert activation.requested_by == admin_user
    assert activation.state == Activation.State.REQUESTED
    assert f"The workers are loading {version}" in response.content.decode()


def test_saving_without_a_change_asks_for_nothing(
    admin_client: Client, deployment: Deployment
):
    response = admin_client.post(
        page_of(deployment), form(deployment.active_version), follow=True
    )
    assert response.status_code == 200
    assert not Activation.objects.exists()
    assert "are loading" not in response.content.decode()


def test_what_came_of_it_is_on_the_page(
    admin_client: Client,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    version = scripted_version()
    activate(deployment, version)
    roll_back(deployment.pk, version.pk, "The <head> is missing.")
    for page in (page_of(deployment), list_page(Deployment), list_page(Activation)):
        content = admin_client.get(page).content.decode()
        assert "rolled back" in content
        assert "The &lt;head&gt; is missing." in content


def test_a_run_shows_its_ledger_and_its_percentiles(
    admin_client: Client, deployment: Deployment
):
    session = services.open_session(deployment=deployment.name, user=None, client="")
    run_id = services.start_run(
        session.pk, deployment.active_version_id, timezone.now()
    )
    services.finish_run(run_id, FIGURES)

    content = admin_client.get(page_of(Run.objects.get())).content.decode()

    for name in ("received", "inferred", "superseded", "expired", "failed", "lost"):
        assert f"field-{name}" in content
    assert "<div>hot dog: 4</div>" in content
    assert "<td>30.0</td><td>50.0</td>" in content
