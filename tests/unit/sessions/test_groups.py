"""Who may what: viewers look at all but pictures, operators also operate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.sessions.groups import APPS, OPERATOR, VIEWER
from apps.sessions.models import Capture
from tests.unit.sessions.rows import one_of_each

OURS = [model for model in admin.site._registry if model._meta.app_label in APPS]
OTHERS = [model for model in admin.site._registry if model not in OURS]

Login = Callable[[str], Client]


@pytest.fixture
def login(db: None) -> Login:
    """Somebody who is staff and in this group alone."""

    def enter(group: str) -> Client:
        user = User.objects.create_user(group, is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client = Client()
        client.force_login(user)
        return client

    return enter


def address(model: type[Model], view: str, *args: Any) -> str:
    name = f"{model._meta.app_label}_{model._meta.model_name}_{view}"
    return reverse(f"admin:{name}", args=args)


@pytest.mark.parametrize("model", OURS)
def test_a_viewer_opens_every_page_but_those_of_pictures(
    login: Login, model: type[Model]
):
    row = one_of_each()[model]
    viewer = login(VIEWER)
    expected = 403 if model is Capture else 200
    assert viewer.get(address(model, "changelist")).status_code == expected
    assert viewer.get(address(model, "change", row.pk)).status_code == expected


@pytest.mark.parametrize("model", OURS)
def test_a_viewer_changes_nothing(login: Login, model: type[Model]):
    row = one_of_each()[model]
    viewer = login(VIEWER)
    before = list(model._default_manager.values())

    assert viewer.get(address(model, "add")).status_code == 403
    assert viewer.post(address(model, "add"), {}).status_code == 403
    assert viewer.post(address(model, "change", row.pk), {}).status_code == 403
    sure = {"post": "yes"}
    assert viewer.post(address(model, "delete", row.pk), sure).status_code == 403
    # Whatever can be done to several at once is not even offered.
    listed = viewer.get(address(model, "changelist")).content.decode()
    assert 'name="action"' not in listed
    for action in ("delete_selected", *(admin.site._registry[model].actions or ())):
        name = action if isinstance(action, str) else action.__name__
        chosen = {"action": name, "_selected_action": row.pk}
        viewer.post(address(model, "changelist"), chosen)

    assert list(model._default_manager.values()) == before


@pytest.mark.parametrize("model", OURS)
def test_an_operator_opens_every_page(login: Login, model: type[Model]):
    row = one_of_each()[model]
    operator = login(OPERATOR)
    assert operator.get(address(model, "changelist")).status_code == 200
    assert operator.get(address(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("group", [VIEWER, OPERATOR])
@pytest.mark.parametrize("model", OTHERS)
def test_accounts_are_the_superusers(login: Login, model: type[Model], group: str):
    client = login(group)
    assert client.get(address(model, "changelist")).status_code == 403


@pytest.mark.parametrize(
    ("permission", "is_operators"),
    [
        ("inference.activate_deployment", True),
        ("emporium_sessions.review_capture", True),
        ("emporium_sessions.view_capture", True),
        ("inference.add_job", True),
        ("inference.add_dataset", True),
        ("inference.change_dataset", True),
        ("inference.delete_example", True),
        # No page asks for these: other permissions stand for them.
        ("inference.add_trial", False),
        ("inference.change_trial", False),
        ("inference.change_job", False),
        ("inference.add_example", False),
        ("inference.change_example", False),
        ("emporium_sessions.change_capture", False),
        ("emporium_sessions.delete_capture", False),
        # Models come from addresses and files: that's trusted to superusers alone.
        ("inference.add_modelversion", False),
        ("inference.delete_modelversion", False),
        ("inference.change_deployment", False),
        ("emporium_sessions.delete_captureaccess", False),
        ("auth.add_user", False),
    ],
)
@pytest.mark.django_db
def test_what_an_operator_may_and_a_viewer_may_not(permission: str, is_operators: bool):
    users = {}
    for name in (VIEWER, OPERATOR):
        users[name] = User.objects.create_user(name)
        users[name].groups.add(Group.objects.get(name=name))
    assert users[OPERATOR].has_perm(permission) is is_operators
    assert not users[VIEWER].has_perm(permission)


@pytest.mark.django_db
def test_a_migration_makes_the_groups_again_and_takes_nothing_away():
    Group.objects.get(name=OPERATOR).delete()
    viewers = Group.objects.get(name=VIEWER)
    given = Permission.objects.get(codename="add_user")
    viewers.permissions.clear()
    viewers.permissions.add(given)

    call_command("migrate", verbosity=0)

    assert Group.objects.get(name=OPERATOR).permissions.exists()
    names = set(viewers.permissions.values_list("codename", flat=True))
    assert {"view_run", "add_user"} <= names
    assert not {name for name in names if not name.startswith("view_")} - {"add_user"}


@pytest.mark.django_db
def test_an_empty_account_sees_no_panel_of_what_runs(client: Client, login: Login):
    nobody = User.objects.create_user("nobody", is_staff=True)
    client.force_login(nobody)
    index = reverse("admin:index")
    assert "Right now" not in client.get(index).content.decode()
    assert "Right now" in login(VIEWER).get(index).content.decode()
