"""Asking for a finetune in the admin and on the command line, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from apps.inference import jobs
from apps.inference.finetuning import plan
from apps.inference.management.commands.finetune import Command
from apps.inference.models import Dataset, Evaluation, Example, Job, ModelVersion
from apps.inference.registering.registry import register_starters

PAGE = "admin:inference_finetune"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unrung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ring", lambda: None)


@pytest.fixture
def parent() -> ModelVersion:
    register_starters()
    return ModelVersion.objects.get(model__name="starter-detector")


@pytest.fixture
def dataset() -> Dataset:
    dataset = Dataset.objects.create(name="slippers")
    Example.objects.create(
        dataset=dataset, file="a.png", sha256="0" * 64, width=8, height=8
    )
    return dataset


@pytest.fixture
def viewer(client: Client) -> Client:
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def content(response: Any) -> str:
    return str(response.content.decode())


def filled(parent: ModelVersion, dataset: Dataset) -> dict[str, Any]:
    return {
        "parent": parent.pk,
        "dataset": dataset.pk,
        "steps": 120,
        "learning_rate": "0.0005",
        "rehearsal": "",
        "seed": 3,
    }


def version_page(version: ModelVersion) -> str:
    return reverse("admin:inference_modelversion_change", args=[version.pk])


def test_a_version_leads_to_the_form_which_asks_for_the_job(
    admin_client: Client, admin_user: User, parent: ModelVersion, dataset: Dataset
):
    address = f"{reverse(PAGE)}?parent={parent.pk}"
    assert address in content(admin_client.get(version_page(parent)))
    form = content(admin_client.get(address))
    assert f'<option value="{parent.pk}" selected>{parent}' in form

    response = admin_client.post(reverse(PAGE), filled(parent, dataset))

    job = Job.objects.get()
    assert response.headers["Location"] == reverse(
        "admin:inference_job_change", args=[job.pk]
    )
    assert (job.kind, job.requested_by) == ("finetune", admin_user)
    asked = {k: v for k, v in job.parameters.items() if k != "token"}
    assert asked == {
        "what": f"{parent} on slippers",
        "parent": parent.pk,
        "dataset": dataset.pk,
        "steps": 120,
        "learning_rate": 0.0005,
        "rehearsal": None,
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"steps": 0}, "greater than or equal to 1"),
        ({"learning_rate": "fast"}, "Enter a number"),
        ({"dataset": ""}, "required"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    admin_client: Client,
    parent: ModelVersion,
    dataset: Dataset,
    wrong: dict[str, Any],
    why: str,
):
    response = admin_client.post(reverse(PAGE), filled(parent, dataset) | wrong)
    assert why in content(response)
    assert not Job.objects.exists()


def test_what_cannot_be_done_is_said_in_a_sentence(
    admin_client: Client, parent: ModelVersion, dataset: Dataset
):
    dataset.examples.update(split="held_out")
    response = admin_client.post(reverse(PAGE), filled(parent, dataset))
    assert "has no pictures to train on" in content(response)
    assert not Job.objects.exists()


def test_a_viewer_neither_sees_the_form_nor_asks(
    viewer: Client, parent: ModelVersion, dataset: Dataset
):
    assert reverse(PAGE) not in content(viewer.get(version_page(parent)))
    assert viewer.get(reverse(PAGE)).status_code == 403
    asked = viewer.post(reverse(PAGE), filled(parent, dataset))
    assert asked.status_code == 403
    assert not Job.objects.exists()


def test_only_what_can_be_trained_is_offered(
    admin_client: Client, parent: ModelVersion
):
    parent.model.family = "exported"
    parent.model.save()
    assert reverse(PAGE) not in content(admin_client.get(version_page(parent)))
    assert str(parent) not in content(admin_client.get(reverse(PAGE)))


def test_a_versions_page_says_where_it_comes_from(
    admin_client: Client, parent: ModelVersion, dataset: Dataset
):
    child = ModelVersion.objects.create(
        model=parent.model,
        version="abcd1234",
        sha256="a" * 64,
        state=ModelVersion.State.VERIFIED,
        parent=parent,
        lineage={
            "dataset": "slippers",
            "seed": 3,
            "token": "t0k3n",
            "curve": [[1, 2.0], [2, 1.0]],
            "validation": [[0, {"map50": 0.25}], [2, {"map50": 0.75}]],
        },
    )
    for version, map50 in ((parent, 0.25), (child, 0.75)):
        Evaluation.objects.create(
            version=version,
            dataset=dataset,
            data_sha256="d" * 64,
            pictures=4,
            figures={"map50": map50},
        )
    shown = content(admin_client.get(version_page(child)))
    assert f'<a href="{version_page(parent)}">{parent}</a>' in shown
    assert "<dt>Seed</dt><dd>3</dd>" in shown
    assert "t0k3n" not in shown
    assert "Loss by step" in shown
    assert "Figures on held-out pictures by step" in shown
    assert "mAP50: from 0.25 to 0.75" in shown
    assert '<td class="figure">0.250</td><td class="figure">0.750</td>' in shown
    assert f'<a href="{version_page(child)}">{child}</a>' in content(
        admin_client.get(version_page(parent))
    )


def test_a_job_leads_to_the_version_that_it_made(
    admin_client: Client, parent: ModelVersion
):
    job = Job.objects.create(kind="finetune", result={"version": parent.pk})
    page = reverse("admin:inference_job_change", args=[job.pk])
    assert f'<a href="{version_page(parent)}">{parent}</a>' in content(
        admin_client.get(page)
    )


def test_the_page_of_a_job_draws_what_is_learned(
    admin_client: Client, parent: ModelVersion
):
    job = Job.objects.create(kind="finetune", state=Job.State.RUNNING)
    other = Job.objects.create(kind="evaluate", state=Job.State.RUNNING)
    page, other_page = (
        reverse("admin:inference_job_change", args=[each.pk]) for each in (job, other)
    )
    assert "Loss by step" not in content(admin_client.get(page))
    job.result = {"curve": [[1, 2.0], [2, 1.0]], "validation": []}
    job.save()
    shown = content(admin_client.get(page))
    assert "Loss by step" in shown
    assert "Curve" not in shown
    assert "held-out pictures by step" not in shown
    assert "How it learns" in shown
    assert "How it learns" not in content(admin_client.get(other_page))

    parent.lineage = job.result
    parent.save()
    job.result = {"version": parent.pk}
    job.save()
    assert "Loss by step" in content(admin_client.get(page))


def test_the_page_of_a_dataset_leads_to_the_form(
    admin_client: Client, parent: ModelVersion, dataset: Dataset
):
    page = reverse("admin:inference_dataset_change", args=[dataset.pk])
    assert f"{reverse(PAGE)}?dataset={dataset.pk}" in content(admin_client.get(page))


def test_the_command_asks_for_the_same(
    parent: ModelVersion, dataset: Dataset, capsys: pytest.CaptureFixture[str]
):
    call_command("finetune", "starter-detector", "slippers", "--steps=7", "--seed=2")
    job = Job.objects.get()
    assert (job.parameters["steps"], job.parameters["seed"]) == (7, 2)
    assert job.state == Job.State.WAITING
    assert f"{job} waits" in capsys.readouterr().out


def test_its_help_says_what_is_rehearsed_unless_somebody_says_how_much():
    text = Command().create_parser("manage.py", "finetune").format_help()
    said = " ".join(text.split())
    assert f"default: {plan.REHEARSAL} for a model that has learned from them" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["starter-detector", "boots"], "No dataset is called 'boots'"),
        (["nonsense", "slippers"], "No model is called nonsense"),
        (["starter-detector", "slippers", "--steps=0"], "steps must be between"),
    ],
)
def test_what_the_command_cannot_do_it_says(
    parent: ModelVersion, dataset: Dataset, arguments: list[str], why: str
):
    with pytest.raises(CommandError, match=why):
        call_command("finetune", *arguments)
    assert not Job.objects.exists()
