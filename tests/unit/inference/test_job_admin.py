"""The admin shows how far each job is, and who may asks for it to stop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.inference.models import Job, ModelVersion

pytestmark = pytest.mark.django_db
State = Job.State
LIST = "admin:inference_job_changelist"


def someone(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=("view_job", *permissions))
    )
    client.force_login(user)
    return client


def job_as(state: str, **columns: object) -> Job:
    return Job.objects.create(kind="waits", state=state, **columns)


def cancelled(client: Client, job: Job) -> str:
    response = client.post(
        reverse(LIST), {"action": "cancel", "_selected_action": job.pk}, follow=True
    )
    return str(response.content.decode())


def test_each_says_how_far_it_is(client: Client):
    job_as(State.RUNNING, progress=0.25, step="Reading pictures.")
    job_as(State.WAITING)
    job_as(State.FAILED, reason="a.png: It is no picture.\nb.png: It is none either.")
    job_as(State.RUNNING, is_cancelling=True)
    content = someone(client).get(reverse(LIST)).content.decode()
    # The two states that the page follows by itself.
    assert 'class="state state-working"' in content
    assert 'class="state state-queued"' in content
    assert "25% Reading pictures." in content
    assert "Waiting for its turn, and a worker of the queue jobs." in content
    assert "a.png: It is no picture.\nb.png" in content
    assert "It is being cancelled." in content


def test_it_says_what_it_is_about_and_leads_there(
    client: Client, scripted_version: Callable[..., ModelVersion]
):
    version = scripted_version()
    asked = {"what": f"{version} on cups", "version": version.pk, "dataset": 1_000_000}
    job = job_as(State.DONE, parameters=asked, result={"map50_95": 0.7222222})
    viewer = someone(client)
    title = f"Waits {version} on cups"
    assert title in viewer.get(reverse(LIST)).content.decode()
    page = viewer.get(reverse("admin:inference_job_change", args=[job.pk]))
    content = page.content.decode()
    assert title in content
    assert f">{version}</a></dd>" in content
    # It is gone.
    assert "<dt>Dataset</dt><dd>1,000,000</dd>" in content
    assert "<dt>mAP50-95</dt><dd>0.7222</dd>" in content


def test_who_may_stops_one(client: Client):
    job = job_as(State.RUNNING)
    operator = someone(client, "add_job")
    page = operator.get(reverse("admin:inference_job_change", args=[job.pk]))
    assert "Cancel</button>" in page.content.decode()
    assert f"Waits {job.pk} is being cancelled." in cancelled(operator, job)
    job.refresh_from_db()
    assert job.is_cancelling


def test_who_may_not_is_not_offered_it_and_does_not(client: Client):
    job = job_as(State.RUNNING)
    viewer = someone(client)
    page = viewer.get(reverse("admin:inference_job_change", args=[job.pk]))
    assert page.status_code == 200
    assert "Cancel</button>" not in page.content.decode()
    cancelled(viewer, job)
    job.refresh_from_db()
    assert not job.is_cancelling


def test_what_is_over_is_not_stopped(client: Client):
    job = job_as(State.DONE, finished_at=timezone.now())
    operator = someone(client, "add_job")
    page = operator.get(reverse("admin:inference_job_change", args=[job.pk]))
    assert "Cancel</button>" not in page.content.decode()
    assert f"Waits {job.pk} is over already." in cancelled(operator, job)
