"""In the admin versions are evaluated, compared, and asked for their figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from apps.inference import jobs
from apps.inference.datasets import keeping
from apps.inference.models import (
    Activation,
    Dataset,
    Deployment,
    Evaluation,
    Job,
    ModelVersion,
)

pytestmark = pytest.mark.django_db
Register = Callable[..., ModelVersion]
ASK, COMPARE = "admin:inference_evaluate", "admin:inference_compare"
VIEWER = ("view_evaluation", "view_job", "view_deployment", "view_modelversion")
OPERATOR = (*VIEWER, "add_job", "change_deployment", "activate_deployment")


@pytest.fixture(autouse=True)
def shelves(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATASETS_DIR = tmp_path / "datasets"
    monkeypatch.setattr(jobs, "ring", lambda: None)


@pytest.fixture
def someone(client: Client) -> Callable[..., Client]:
    def log_in(codenames: tuple[str, ...]) -> Client:
        user = User.objects.create_user("someone", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def kitchen() -> Dataset:
    return keeping.create("kitchen")


def evaluated(
    version: ModelVersion, dataset: Dataset | None = None, **columns: Any
) -> Evaluation:
    figures = {
        "map50": columns.pop("map50", 0.5),
        "labels": [
            {
                "label": "hot dog",
                "there": 3,
                "precision": 0.75,
                "recall": None,
                "ap50": 0.25,
            }
        ],
        "confusion": {"labels": ["hot dog", "nothing"], "counts": [[2, 1], [1, 0]]},
        "only_in_data": ["bun"],
        "only_in_version": [],
        "engine": "openvino",
    }
    return Evaluation.objects.create(
        version=version, dataset=dataset, pictures=4, figures=figures, **columns
    )


def read(client: Client, name: str, **query: Any) -> str:
    return str(client.get(reverse(name), query).content.decode())


def test_who_may_asks_for_one(
    someone: Callable[..., Client], scripted_version: Register, kitchen: Dataset
):
    version = scripted_version()
    client = someone(OPERATOR)
    offered = read(client, ASK, version=version.pk, dataset=kitchen.pk)
    assert f'<option value="{version.pk}" selected>' in offered
    assert f'<option value="{kitchen.pk}" selected>kitchen' in offered
    response = client.post(reverse(ASK), {"version": version.pk, "dataset": kitchen.pk})
    job = Job.objects.get()
    assert job.kind == "evaluate"
    assert job.parameters == {
        "what": f"{version} on kitchen",
        "version": version.pk,
        "dataset": kitchen.pk,
    }
    assert response.headers["Location"] == reverse(
        "admin:inference_job_change", args=[job.pk]
    )


def test_who_only_views_does_not(
    someone: Callable[..., Client], scripted_version: Register, deployment: Deployment
):
    client = someone(VIEWER)
    assert client.get(reverse(ASK)).status_code == 403
    gates = reverse("admin:inference_gates", args=[deployment.pk])
    assert client.post(gates, {"map50": "0.5"}).status_code == 403
    assert not Job.objects.exists()
    assert "Evaluate a version" not in read(
        client, "admin:inference_evaluation_changelist"
    )


def test_what_nobody_has_verified_is_no_choice(
    someone: Callable[..., Client], scripted_version: Register
):
    version = scripted_version()
    version.state = ModelVersion.State.FAILED
    version.save()
    client = someone(OPERATOR)
    content = client.post(reverse(ASK), {"version": version.pk}).content.decode()
    assert "not one of the available choices" in content
    assert not Job.objects.exists()


def test_the_page_of_one_has_every_figure(
    someone: Callable[..., Client], scripted_version: Register
):
    evaluation = evaluated(scripted_version())
    client = someone(VIEWER)
    listed = read(client, "admin:inference_evaluation_changelist")
    assert "0.500" in listed
    assert "held-out scenes" in listed
    page = reverse("admin:inference_evaluation_change", args=[evaluation.pk])
    content = client.get(page).content.decode()
    assert '<td class="figure">0.250</td>' in content
    assert "What was taken for what" in content
    assert "<title>hot dog, nothing: 1</title>" in content
    assert "bun" in content
    assert "openvino" in content


def test_versions_stand_beside_what_is_active(
    someone: Callable[..., Client], deployment: Deployment, scripted_version: Register
):
    active, other = deployment.active_version, scripted_version(label="cup")
    evaluated(active, map50=0.5)
    evaluated(other, map50=0.1)
    evaluated(other, map50=0.62)
    content = read(someone(VIEWER), COMPARE)
    assert "answers for default" in content
    assert content.index(str(active)) < content.index(str(other))
    # Of each the newest, and the difference to what is active.
    assert "0.620" in content
    assert "+0.120" in content
    assert "0.100" not in content
    assert f"<title>{other}: 0.62</title>" in content


def test_what_has_answered_other_pictures_is_not_taken_for_alike(
    someone: Callable[..., Client], deployment: Deployment, scripted_version: Register
):
    evaluated(deployment.active_version, data_sha256="one")
    evaluated(scripted_version(), data_sha256="other")
    assert "have not answered the same pictures" in read(someone(VIEWER), COMPARE)


def test_it_is_said_where_what_is_active_was_not_evaluated(
    someone: Callable[..., Client],
    deployment: Deployment,
    scripted_version: Register,
    kitchen: Dataset,
):
    client = someone(OPERATOR)
    empty = read(client, COMPARE, dataset=kitchen.pk)
    assert "No version has been evaluated on it yet." in empty
    evaluated(scripted_version(), kitchen)
    content = read(client, COMPARE, dataset=kitchen.pk)
    assert "so no differences are shown" in content
    assert (
        f"?version={deployment.active_version_id}&amp;dataset={kitchen.pk}" in content
    )
    assert client.get(reverse(COMPARE), {"dataset": "x"}).status_code == 404


def test_a_deployment_asks_for_figures_one_by_one(
    someone: Callable[..., Client],
    deployment: Deployment,
    scripted_version: Register,
    kitchen: Dataset,
):
    client = someone(OPERATOR)
    gates = reverse("admin:inference_gates", args=[deployment.pk])
    assert (
        gates
        in client.get(
            reverse("admin:inference_deployment_change", args=[deployment.pk])
        ).content.decode()
    )
    client.post(
        gates, {"gate_dataset": kitchen.pk, "map50": "0.5", "verdict_recall": ""}
    )
    deployment.refresh_from_db()
    assert deployment.gates == {"map50": 0.5}
    assert deployment.gate_dataset == kitchen
    assert 'value="0.5"' in client.get(gates).content.decode()
    assert (
        "less than or equal to 1"
        in client.post(gates, {"map50": "50"}).content.decode()
    )

    response = client.post(
        reverse("admin:inference_activate"),
        {"deployment": deployment.pk, "version": scripted_version().pk},
        follow=True,
    )
    assert "has not been evaluated on kitchen" in response.content.decode()
    assert not Activation.objects.exists()


def test_lists_need_no_query_for_each(
    someone: Callable[..., Client],
    deployment: Deployment,
    scripted_version: Register,
    django_assert_max_num_queries: Any,
):
    for _ in range(8):
        evaluated(scripted_version())
    client = someone(VIEWER)
    for name in ("admin:inference_evaluation_changelist", COMPARE):
        with django_assert_max_num_queries(15):
            client.get(reverse(name))
