"""What a browser shows that is refused: a sentence, and a way back."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client: Client) -> Client:
    user = User.objects.create_user("viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("emporium_sessions_capture_changelist", "Your account may not see or do this"),
        ("emporium_sessions_capture_review", "Only who reviews captures can see them."),
        ("auth_user_changelist", "Your account may not see or do this"),
    ],
)
def test_who_may_not_is_told_and_led_back(viewer: Client, address: str, sentence: str):
    response = viewer.get(reverse(f"admin:{address}"))
    assert response.status_code == 403
    page = response.content.decode()
    assert sentence in page
    assert 'href="/admin/">Back to the admin</a>' in page


def test_a_form_of_elsewhere_is_refused_with_a_way_back():
    response = Client(enforce_csrf_checks=True).post("/admin/login/")
    assert response.status_code == 403
    page = response.content.decode()
    assert "send it once more" in page
    assert 'href="/">Back to the camera</a>' in page
