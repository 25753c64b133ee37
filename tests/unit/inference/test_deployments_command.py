"""`manage.py deployments`: what the admin offers for deployments, typed."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.inference.models import Deployment, ModelVersion
from apps.sessions import services


def deployments(*arguments: str) -> str:
    output = StringIO()
    call_command("deployments", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def version(scripted_version: Callable[..., ModelVersion]) -> ModelVersion:
    return scripted_version()


def test_a_deployment_is_added_changed_and_removed(version: ModelVersion):
    said = deployments(
        *("add", "fruit", f"scripted:{version.version}", "--queue", "gpu-large"),
        *("--title", "Fruit", "--min-score", "0.3"),
    )
    deployment = Deployment.objects.get()
    assert (deployment.name, deployment.title) == ("fruit", "Fruit")
    assert (deployment.queue, deployment.min_score) == ("gpu-large", 0.3)
    assert deployment.active_version == version
    assert "at /s/fruit" in said
    assert "queue gpu-large" in said

    said = deployments(
        *("set", "fruit", "--min-score", "none", "--hot-dog-score", "0.8"),
        *("--age-budget-ms", "300"),
    )
    deployment.refresh_from_db()
    assert (deployment.min_score, deployment.hot_dog_score) == (None, 0.8)
    assert (deployment.queue, deployment.age_budget_ms) == ("gpu-large", 300)
    assert "hot_dog_score 0.8" in said

    assert deployments("remove", "fruit") == "fruit is removed.\n"
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "hot dogs", "scripted"), "name: Enter a valid “slug”"),
        (("add", "default", "scripted"), "already exists"),
        (("add", "fruit", "resnet"), "No model is called resnet"),
        (("add", "fruit", "scripted", "--queue", "jobs"), "queue: A queue is called"),
        (("set", "fruit", "--title", "Fruit"), "No deployment is called fruit"),
        (("set", "default"), "Say what to change"),
        (("set", "default", "--min-score", "2"), "min_score: Ensure this value is"),
        (("set", "default", "--min-score", "nan"), "no score"),
        (("set", "default", "--retention-days", "0"), "retention_days: Ensure this"),
        (("set", "default", "--age-budget-ms", "soon"), "no such number"),
        (("set", "default", "--age-budget-ms", "none", "--queue", ""), "queue: "),
        (("remove", "default"), "default stays, for the page at / asks for it."),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    deployment: Deployment, arguments: tuple[str, ...], sentence: str
):
    before = list(Deployment.objects.values())
    with pytest.raises(CommandError, match=sentence):
        deployments(*arguments)
    assert list(Deployment.objects.values()) == before


def test_what_is_not_verified_is_not_deployed(version: ModelVersion):
    ModelVersion.objects.update(state=ModelVersion.State.FAILED)
    with pytest.raises(CommandError, match="has not been verified"):
        deployments("add", "fruit", "scripted")


def test_what_sessions_have_used_stays(deployment: Deployment, version: ModelVersion):
    deployments("add", "fruit", "scripted")
    services.open_session(deployment="fruit", user=None, client="")
    with pytest.raises(CommandError, match="fruit stays, for sessions have used it"):
        deployments("remove", "fruit")
