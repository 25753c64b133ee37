"""Workers and the model, by what the workers say of themselves."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from apps.inference.models import Activation, Deployment, ModelVersion
from apps.nexus.doctor.findings import Outcome
from apps.nexus.doctor.workers import (
    Holdings,
    Workforce,
    judge_background,
    judge_model,
    judge_worker,
)
from bench.processes import free_port
from tests.unit.nexus.doctor.sentences import expect

GPU = "celery@oven"


def holding(version_id: int = 0) -> Holdings:
    serving = {"default": {"version_id": version_id, "engine": "openvino"}}
    return {
        GPU: {"queues": ["gpu"], "device": "an oven", "serving": serving},
        "jobs@oven": {"queues": ["jobs"], "device": "", "serving": {}},
        "old@oven": {"error": "no such command"},
    }


def test_workers_are_named_with_their_device():
    found = judge_worker(holding(), ["gpu"], {"gpu"})
    expect(found, Outcome.OK, "celery@oven on an oven")


def test_no_worker_is_told():
    found = judge_worker({}, ["gpu"], set())
    expect(found, Outcome.FAILED, "no worker", "celery -A emporium worker -Q gpu")


def test_a_queue_without_a_worker_is_told_though_another_has_one():
    found = judge_worker(holding(), ["gpu", "gpu-large"], {"gpu"})
    expect(found, Outcome.FAILED, "no worker of the queue gpu-large", "-Q gpu-large")


def test_a_worker_that_only_beats_is_told():
    found = judge_worker({}, ["gpu"], {"gpu"})
    expect(found, Outcome.WARNING, "answers nothing in 3 s", "log")


def test_missing_background_is_told_with_what_it_means():
    expect(
        judge_background(holding()),
        Outcome.WARNING,
        "queue housekeeping, so what is abandoned is never",
        "`housekeeping` process",
    )
    expect(
        judge_background({}),
        Outcome.WARNING,
        "jobs and housekeeping, so no model can be added",
        "`jobs` process",
    )


def test_background_that_is_there():
    both = {"all@oven": {"queues": ["housekeeping", "jobs"]}}
    expect(judge_background(both), Outcome.OK, "can be added")


@pytest.fixture
def version(deployment: Deployment) -> ModelVersion:
    return deployment.active_version


def test_a_model_that_a_worker_has_loaded(version: ModelVersion):
    found = judge_model(version, "", holding(version.pk))
    expect(found, Outcome.OK, f"{version} is loaded by celery@oven with openvino")


def test_a_model_that_isn_t_loaded_yet_is_told(version: ModelVersion):
    found = judge_model(version, "", holding(version.pk + 1))
    expect(found, Outcome.WARNING, "no worker has loaded it yet", "Wait")


def test_a_model_that_nobody_loads_is_told(version: ModelVersion):
    expect(judge_model(version, "", {}), Outcome.FAILED, "No worker", "-Q gpu")


def test_a_model_of_another_queue_is_asked_of_its_workers(version: ModelVersion):
    found = judge_model(version, "", holding(version.pk), "gpu-large")
    expect(found, Outcome.FAILED, "No worker", "-Q gpu-large")


def test_a_model_that_can_t_be_loaded_is_told_with_the_reason(version: ModelVersion):
    found = judge_model(version, "Its weights are gone.", holding())
    expect(found, Outcome.FAILED, "loaded: Its weights are gone.", "Deployments")


def test_a_model_that_isn_t_verified_is_told(version: ModelVersion):
    version.state = ModelVersion.State.FAILED
    found = judge_model(version, "", holding(version.pk))
    expect(found, Outcome.FAILED, "isn't verified (failed)", "Verify it")


@pytest.mark.django_db(transaction=True)
async def test_nothing_deployed_is_told():
    found = await Workforce().examine_model()
    expect(found, Outcome.FAILED, "Nothing is deployed", "provision")


@pytest.mark.usefixtures("transactional_db")
async def test_without_redis_nobody_can_be_asked(
    settings: Settings, deployment: Deployment
):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    workforce = Workforce()
    for examine in (
        workforce.examine_worker,
        workforce.examine_background,
        workforce.examine_model,
    ):
        expect(await examine(), Outcome.FAILED, "can't be asked", "Redis")


@pytest.mark.usefixtures("transactional_db")
async def test_why_loading_failed_is_read_from_the_last_activation(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    await Activation.objects.acreate(
        deployment=deployment,
        to_version=deployment.active_version,
        state=Activation.State.FAILED,
        reason="Its weights are gone.",
    )

    async def answers() -> Holdings:
        return holding()

    monkeypatch.setattr("apps.nexus.doctor.workers._answers", answers)
    found = await Workforce().examine_model()
    expect(found, Outcome.FAILED, "Its weights are gone.", "Deployments")
