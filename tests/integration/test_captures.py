"""A person says that an answer is wrong: over a real socket, to a file and a row."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from channels.layers import get_channel_layer
from pytest_django import Settings

from apps.inference.models import Deployment, Trial
from apps.nexus import keeping
from apps.sessions import retention, services
from apps.sessions.models import CameraSession, Capture
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
async def page(camera: Camera) -> AsyncIterator[Page]:
    """A page that is shown answers."""
    async with Page() as page:
        await page.stream(camera)
        await page.message("result")
        yield page


async def shown(page: Page) -> int:
    """A frame whose answer the page has just been shown."""
    (result,) = await page.results(1)
    return int(result["seq"])


async def complain(page: Page, seq: int, label: str = "cup") -> dict[str, Any]:
    await page.send("complain", seq=seq, is_hot_dog=False, label=label)
    return await page.message("thanks", seq=seq)


async def disputed(page: Page) -> dict[str, Any]:
    """Dispute what is shown, at once, as a page does."""
    seq = await shown(page)
    await page.send("dispute", seq=seq)
    return await page.message("disputed", seq=seq)


async def the_captures() -> list[Capture]:
    return [each async for each in Capture.objects.all()]


async def have_a_capture() -> Capture:
    """Its row comes behind its file."""
    for _ in range(2000):
        if found := await the_captures():
            (capture,) = found
            return capture
        await asyncio.sleep(0.01)
    raise AssertionError("Nothing was kept.")


async def test_the_terms_are_told_behind_the_welcome(page: Page):
    assert page.all_of("keeping") == [
        {
            "type": "keeping",
            "is_allowed": False,
            "samples": False,
            "retention_days": 30,
            "sentence": "",
        }
    ]


async def test_without_consent_a_complaint_is_thanked_for_and_nothing_is_kept(
    page: Page, captures_dir: Path
):
    said = await disputed(page)
    thanks = await complain(page, said["seq"])
    assert thanks["is_kept"] is False
    assert thanks["sentence"] == keeping.NOT_KEPT
    assert await the_captures() == []
    assert files(captures_dir) == []


async def test_the_very_frame_that_was_judged_is_kept(page: Page, captures_dir: Path):
    said = await disputed(page)
    # The camera goes on meanwhile.
    await page.results(5)
    await page.send("consent")
    thanks = await complain(page, said["seq"])
    assert thanks == {
        "type": "thanks",
        "seq": said["seq"],
        "is_kept": True,
        "sentence": keeping.KEPT,
    }
    (capture,) = await the_captures()
    (path,) = files(captures_dir)
    assert path == captures_dir / capture.file
    assert capture.reason == Capture.Reason.WRONG
    assert capture.said == {"is_hot_dog": False, "label": "cup"}
    assert capture.predicted["is_hot_dog"] is True
    assert said["is_hot_dog"] is True
    # The stripe moves: another frame has it elsewhere.
    preview = base64.b64decode(said["picture"].partition(",")[2])
    stripes = [stripe(each) for each in (path.read_bytes(), preview)]
    assert abs(stripes[0] - stripes[1]) <= 1
    session = await CameraSession.objects.aget()
    assert session.consented_at is not None
    assert capture.session_id == session.pk


def stripe(encoded: bytes) -> int:
    """Where the camera's bright stripe stands."""
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return int(image.mean(axis=0).argmax())


async def test_a_frame_that_was_shown_long_ago_is_gone(page: Page, captures_dir: Path):
    seq = await shown(page)
    await page.results(10)
    await page.send("dispute", seq=seq)
    assert (await page.message("disputed", seq=seq))["picture"] is None
    await page.send("consent")
    assert (await complain(page, seq))["sentence"] == keeping.GONE
    assert files(captures_dir) == []


async def test_one_click_takes_back_what_nobody_has_used(
    page: Page, captures_dir: Path
):
    await page.send("consent")
    said = await disputed(page)
    await complain(page, said["seq"])
    await page.send("take_back", resume_token=page.resume_token)
    told = await page.message("keeping", is_allowed=False, sentence=WITHDRAWN)
    assert told["is_allowed"] is False
    assert await the_captures() == []
    assert files(captures_dir) == []
    said = await disputed(page)
    assert (await complain(page, said["seq"]))["is_kept"] is False


WITHDRAWN = "No more pictures are kept. Removed: 1 picture."


async def test_it_is_taken_back_of_a_session_that_is_over_by_then(
    page: Page, captures_dir: Path
):
    """A page that was away for long begins another one, and says so of the former."""
    await page.send("consent")
    said = await disputed(page)
    await complain(page, said["seq"])
    await page.leave()
    former = await CameraSession.objects.aget()
    await asyncio.to_thread(services.close_session, former.pk, sentence="")
    async with Page(resume_token=page.resume_token) as again:
        await again.message("keeping", is_allowed=False)
        await again.send("take_back", resume_token=page.resume_token)
        await again.message("keeping", sentence=WITHDRAWN)
    assert await the_captures() == []
    assert files(captures_dir) == []
    former = await CameraSession.objects.aget(pk=former.pk)
    assert former.consented_at is None


async def test_consent_outlives_the_socket(page: Page, camera: Camera):
    await page.send("consent")
    await page.message("keeping", is_allowed=True)
    await page.leave()
    async with Page(resume_token=page.resume_token) as again:
        await again.message("keeping")
        assert again.all_of("keeping")[0]["is_allowed"] is True


async def test_a_purge_in_the_middle_is_told_to_the_page(page: Page):
    await page.send("consent")
    await page.message("keeping", is_allowed=True)
    session = await CameraSession.objects.aget()
    await asyncio.to_thread(retention.purge, session.pk, None)
    said = await disputed(page)
    assert (await complain(page, said["seq"]))["is_kept"] is False
    assert page.all_of("keeping")[-1]["is_allowed"] is False


async def test_a_full_disk_is_told_to_the_person(
    page: Page, captures_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    await page.send("consent")
    said = await disputed(page)
    monkeypatch.setattr("os.fsync", fail)
    thanks = await complain(page, said["seq"])
    assert (thanks["is_kept"], "disk is full" in thanks["sentence"]) == (False, True)
    assert await the_captures() == []
    assert files(captures_dir) == []


async def test_who_complains_all_the_time_is_asked_to_wait(
    page: Page, captures_dir: Path
):
    await page.send("consent")
    for number in range(keeping.ACTS_AT_ONCE + 1):
        await page.send("complain", seq=10**9 + number, is_hot_dog=True, label="")
    last = 10**9 + keeping.ACTS_AT_ONCE
    assert (await page.message("thanks", seq=last))["sentence"] == keeping.TOO_MANY
    assert (await page.results(1))[0]["is_hot_dog"] is True


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_sampling_takes_pictures_of_those_who_allow_it(
    is_allowed: bool, deployment: Deployment, camera: Camera, captures_dir: Path
):
    await Deployment.objects.aupdate(sample_share=1)
    async with Page() as page:
        assert (await page.message("keeping"))["samples"] is True
        if is_allowed:
            await page.send("consent")
        await page.stream(camera)
        await page.results(5)
        if is_allowed:
            await eventually(lambda: files(captures_dir), "a sampled picture")
        await page.results(5)
    captures = await the_captures()
    assert [each.reason for each in captures] == ["random"] * is_allowed
    assert len(files(captures_dir)) == len(captures)


async def test_sampling_that_is_switched_off_stops_for_who_is_live(
    deployment: Deployment, camera: Camera, captures_dir: Path
):
    await Deployment.objects.aupdate(sample_share=1)
    async with Page() as page:
        await page.send("consent")
        await page.message("keeping", is_allowed=True)
        await Deployment.objects.aupdate(sample_share=0)
        await page.stream(camera)
        await page.results(5)
        assert (await page.message("keeping", samples=False))["is_allowed"] is True
    assert await the_captures() == []
    assert files(captures_dir) == []


async def test_a_challenger_that_disagrees_has_its_frame_kept(
    page: Page, deployment: Deployment, captures_dir: Path
):
    trial = await Trial.objects.acreate(
        deployment=deployment,
        version_id=deployment.active_version_id,
        kind=Trial.Kind.SHADOW,
        share=1,
    )
    answer = {"is_hot_dog": False, "detections": [], "classifications": []}
    message = {"type": "inference.disagreement", "trial_id": trial.pk}
    await page.send("consent")
    await page.message("keeping", is_allowed=True)
    session = await CameraSession.objects.aget()
    await page.results(5)  # of frames from before
    seq = await shown(page)
    await get_channel_layer().send(
        session.holder, {**message, "seq": seq, "challenger": answer}
    )
    capture = await have_a_capture()
    assert files(captures_dir)
    assert (capture.reason, capture.trial_id) == ("disagreement", trial.pk)
    assert capture.predicted["challenger"] == answer
    assert capture.predicted["is_hot_dog"] is True
