"""Accounts go, but for those that records name."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.inference.models import Activation, Deployment, Trial
from apps.sessions.models import CaptureAccess
from tests.unit.sessions.conftest import KeepOne


@pytest.fixture
def chef(db: None) -> User:
    return User.objects.create_user("chef", is_staff=True)


def removed(client: Client, user: User) -> str:
    address = reverse("admin:auth_user_delete", args=(user.pk,))
    response: Any = client.post(address, {"post": "yes"}, follow=True)
    return str(response.content.decode())


def test_an_account_that_has_done_nothing_is_removed(admin_client: Client, chef: User):
    assert "deleted successfully" in removed(admin_client, chef)
    assert not User.objects.filter(pk=chef.pk).exists()


def test_who_has_acted_stays_with_a_sentence(
    admin_client: Client, chef: User, deployment: Deployment, keep: KeepOne
):
    version = deployment.active_version
    capture = keep()
    capture.reviewed_by = chef
    capture.save()
    rows = (
        capture,
        CaptureAccess.objects.create(act="seen", user=chef),
        Activation.objects.create(
            deployment=deployment, to_version=version, requested_by=chef
        ),
        Trial.objects.create(
            deployment=deployment, version=version, share=1, started_by=chef
        ),
    )
    assert (
        "Chef stays, for records say that it was chef: activations, capture accesses,"
        " captures, trials. Make the account inactive instead."
    ) in removed(admin_client, chef)
    for row in rows:
        assert "Make the account inactive" in removed(admin_client, chef)
        row.delete()
    assert "deleted successfully" in removed(admin_client, chef)


def test_several_at_once_are_not_removed(admin_client: Client, chef: User):
    listed = admin_client.get(reverse("admin:auth_user_changelist"))
    assert "delete_selected" not in listed.content.decode()
