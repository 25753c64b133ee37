"""Where a shadow disagrees: from the frames of real sockets to the trial's page.

Only whoever allowed pictures has one kept, though both are told otherwise alike.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps.inference.connections import sync_redis
from apps.inference.models import Deployment, ModelVersion, Trial
from apps.inference.serving.loading import load_version
from apps.inference.serving.tuning import Tuning
from apps.inference.trials import services
from apps.inference.trials.answerer import Answerer
from apps.nexus import records
from apps.nexus.consumers import SessionConsumer
from apps.sessions.models import Capture
from tests.integration.camera import Camera
from tests.integration.page import Page
from tests.unit.sessions.conftest import files
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("nexus", "no_decoder_left", "answering")


@pytest.fixture(autouse=True)
def captures_dir(tmp_path: Path, settings: Settings) -> Path:
    settings.CAPTURES_DIR = tmp_path / "captures"
    return tmp_path / "captures"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[SessionConsumer]:
    """The visits that have heard of a disagreement."""
    heard: list[SessionConsumer] = []

    async def hear(consumer: SessionConsumer, message: dict[str, Any]) -> None:
        await original(consumer, message)
        heard.append(consumer)

    original = SessionConsumer.inference_disagreement
    monkeypatch.setattr(SessionConsumer, "inference_disagreement", hear)
    return heard


@pytest.fixture
def shadow(
    nexus: None, deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> Iterator[Trial]:
    """A challenger that sees something else, answered in a thread of this process."""
    version = scripted_version(label="banana")
    trial = services.start(deployment, version, Trial.Kind.SHADOW, 1.0)
    stopping, tuning = threading.Event(), Tuning()
    tuning.read()
    answerer = Answerer(trial.pk, load_version(version), tuning, sync_redis(), stopping)

    def answer() -> None:
        answerer.run(os.getppid())
        connection.close()

    thread = threading.Thread(target=answer, name="answerer")
    thread.start()
    yield trial
    stopping.set()
    thread.join()


async def test_a_disagreement_is_kept_of_whoever_allowed_it_and_is_on_the_trial_s_page(
    shadow: Trial,
    told: list[SessionConsumer],
    captures_dir: Path,
    admin_client: Client,
):
    async with Page() as allowing, Page() as refusing:
        await allowing.send("consent")
        await allowing.message("keeping", is_allowed=True)
        cameras = [Camera(), Camera()]
        await allowing.stream(cameras[0])
        await refusing.stream(cameras[1])
        await eventually(lambda: len(set(told)) == 2, "both to hear of it")
        await eventually(lambda: files(captures_dir), "a picture")
        for camera in cameras:
            await camera.close()
        allowing_id = allowing.messages[0]["session_id"]

    # Behind whatever is still being written.
    captures = await records.written(lambda: list(Capture.objects.all()))
    assert captures
    assert {str(each.session_id) for each in captures} == {allowing_id}
    assert {each.reason for each in captures} == {Capture.Reason.DISAGREEMENT}
    assert len(files(captures_dir)) == len(captures)
    predicted = captures[0].predicted
    assert predicted["detections"][0]["label"] == "hot dog"
    assert predicted["challenger"]["detections"][0]["label"] == "banana"

    page_of_trial = await get(
        admin_client, reverse("admin:inference_trial_change", args=[shadow.pk])
    )
    text = page_of_trial.content.decode()
    assert f"{len(captures)} in all" in text
    for capture in captures:
        source = reverse("admin:emporium_sessions_capture_picture", args=[capture.pk])
        assert f'src="{source}"' in text
    assert (await get(admin_client, source))["Content-Type"].startswith("image/")


@sync_to_async
def get(client: Client, address: str) -> Any:
    response = client.get(address)
    assert response.status_code == 200
    return response
