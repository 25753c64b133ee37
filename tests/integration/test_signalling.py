"""One visit from its welcome to its end, and every way in which it can go wrong.

The application is the real one, on a real Redis and a real database, in this process;
the worker is in a thread. The camera is the other end of a real peer connection.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings
from redis import Redis

from apps.inference.client import InferenceClient
from apps.inference.models import Deployment, ModelVersion
from apps.inference.services import activate
from apps.nexus import consumers, media, negotiation, protocol, turn
from apps.nexus import pipeline as pipeline_module
from apps.nexus.consumers import SessionConsumer
from apps.nexus.pipeline import NO_WORKER, WORKER_BACK
from apps.sessions import services
from apps.sessions.models import CameraSession, Run
from tests.integration.camera import Camera, as_h264_high, as_vp9, without_candidates
from tests.integration.conftest import ThreadedWorker, decoder_threads
from tests.integration.page import Page
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("nexus", "no_decoder_left")

LEDGER = ("inferred", "superseded", "expired", "throttled", "failed", "lost", "pending")
Status = CameraSession.Status


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with Page() as page:
        yield page


async def the_session() -> CameraSession:
    return await CameraSession.objects.aget()


async def the_runs() -> list[Run]:
    """The runs in the database, each of which must add up."""
    runs = [run async for run in Run.objects.order_by("started_at")]
    for run in runs:
        assert run.received == sum(getattr(run, name) for name in LEDGER)
    return runs


def left_in(redis: Redis) -> set[Any]:
    """What lies in the mailbox; the bell's flag goes by itself within a second."""
    return set(redis.keys("mailbox:*")) - {b"mailbox:bell:gpu"}


async def has_status(status: str) -> None:
    """Wait for a status in the database, which is written behind the page's back."""
    for _ in range(2000):
        if (await the_session()).status == status:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"The session never became {status}.")


# --- the way it should go -------------------------------------------------------------


async def test_a_visit_is_welcomed(page: Page, deployment: Deployment):
    version = deployment.active_version
    session = await the_session()
    assert page.messages[:1] == [
        {
            "type": "welcome",
            "session_id": str(session.pk),
            "resume_token": page.resume_token,
            "next_seq": 0,
            "deployment": "default",
            "ice_servers": [],
            "model": {
                "name": "scripted",
                "version": version.version,
                "family": "scripted",
            },
            "worker_alive": False,
        }
    ]
    assert (session.status, session.client) == ("pending", "Mozilla/5.0")
    assert session.user_id is None


async def test_a_page_that_stays_is_lent_a_new_key_to_the_turn_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.TURN_IP = settings.TURN_MOCK_IP = "203.0.113.9"
    monkeypatch.setattr(turn, "RENEWAL_S", 0.01)
    async with Page() as page:
        welcome = await page.message("welcome")
        renewed = await page.message("ice_servers")
    (first,), (next_,) = welcome["ice_servers"], renewed["ice_servers"]
    assert first["urls"] == next_["urls"] == turn.urls()
    assert first["username"].endswith(f":{welcome['session_id']}")
    assert next_["username"].endswith(f":{welcome['session_id']}")


@pytest.mark.usefixtures("answering")
async def test_a_visit_is_told_that_there_is_a_worker(redis: Redis):
    await eventually(lambda: redis.exists("worker:alive:gpu"), "the worker's heartbeat")
    async with Page() as page:
        assert page.messages[0]["worker_alive"] is True


async def test_a_visit_knows_who_is_logged_in():
    user = await User.objects.acreate_user("visitor")
    browser = Client()
    await asyncio.to_thread(browser.force_login, user)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    async with Page(cookie=cookie):
        assert (await the_session()).user_id == user.pk


@pytest.mark.usefixtures("answering")
async def test_a_camera_becomes_results(page: Page, camera: Camera):
    await page.send("acquiring")
    await page.message("status", status="acquiring")
    await page.stream(camera)
    await page.message("status", status="live")
    results = await page.results(10)

    assert page.statuses() == ["acquiring", "connecting", "live"]
    assert page.all_of("error") == []
    seqs = [result["seq"] for result in results]
    assert seqs == sorted(set(seqs))
    # The camera's own clock, of 30 pictures a second, from wherever it began; rounded.
    stamps = [result["rtp_timestamp"] for result in results]
    assert [(stamp - stamps[0]) % (1 << 32) for stamp in stamps] == [
        pytest.approx((seq - seqs[0]) * 3000, abs=1) for seq in seqs
    ]
    for result in results:
        assert result["frame"] == {"width": 160, "height": 120, "rotation": 0}
        assert result["is_hot_dog"] is True
        (found,) = result["detections"]
        assert found == {"label": "hot dog", "score": 0.9, "box": [40, 30, 120, 90]}
        assert list(result["timings"]) == [
            *("receive_ms", "wait_ms", "featurize_ms", "forward_ms", "decode_ms"),
            *("publish_ms", "age_ms"),
        ]
        assert result["timings"]["age_ms"] >= result["timings"]["wait_ms"] > 0
    await has_status("live")
    assert (await the_session()).live_at is not None


@pytest.mark.usefixtures("answering")
async def test_a_picture_that_changes_its_size_is_answered_in_its_own_pixels(
    page: Page, camera: Camera
):
    await page.stream(camera)
    await page.results(1)
    camera.stripe.size = (96, 128)
    frame = {"width": 96, "height": 128, "rotation": 0}
    found = await page.message("result", frame=frame)
    assert found["detections"][0]["box"] == [24, 32, 72, 96]


@pytest.mark.usefixtures("answering")
async def test_a_picture_that_is_turned_is_answered_upright_from_then_on(
    page: Page, camera: Camera
):
    await page.send("rotate", rotation=90)
    await page.stream(camera)
    (first,) = await page.results(1)
    assert first["frame"] == {"width": 120, "height": 160, "rotation": 90}
    assert first["detections"][0]["box"] == [30, 40, 90, 120]

    await page.send("rotate", rotation=180)
    frame = {"width": 160, "height": 120, "rotation": 180}
    await page.message("result", frame=frame)

    # And so in the next connection.
    again = Camera()
    await page.stream(again)
    (found,) = await page.results(1)
    assert found["frame"] == frame
    await again.close()


@pytest.mark.usefixtures("answering")
async def test_candidates_may_overtake_their_offer(page: Page, camera: Camera):
    """They are sent behind it, and are here before it has been read."""
    offer, candidates = without_candidates(await camera.offer())
    await page.send("offer", sdp=offer)
    for candidate in candidates:
        await page.send("candidate", candidate=candidate)
    await page.send("candidate", candidate=None)
    await camera.accept((await page.message("answer"))["sdp"])
    await page.results(1)
    assert page.all_of("error") == []


async def test_a_ping_comes_back(page: Page):
    await page.send("ping", sent_at_ms=12.25)
    assert await page.message("pong") == {"type": "pong", "sent_at_ms": 12.25}


async def test_a_camera_that_failed_is_written_down(page: Page):
    await page.send("camera_failed", reason="permission_denied")
    told = await page.message("status", status="failed")
    assert told["sentence"] == "The camera was not allowed."
    await page.leave()
    session = await the_session()
    assert (session.status, session.sentence) == ("failed", told["sentence"])
    assert session.holder == ""


async def test_a_connection_that_goes_at_its_first_frame_is_told(
    visits: list[SessionConsumer], page: Page, camera: Camera
):
    """Whatever was still to be said of its being live."""
    await page.send("offer", sdp=await camera.offer())
    await page.message("status", status="connecting")
    (visit,) = visits
    link = visit._negotiation._peer
    assert link is not None

    visit._negotiation.on_live(link)
    visit._negotiation.on_lost(link, media.CONNECTION_LOST)

    await page.message("status", status="failed", sentence=media.CONNECTION_LOST)
    assert page.statuses()[-2:] == ["live", "failed"]


# --- results and a page that is slow -------------------------------------------------


async def test_a_page_that_does_not_draw_gets_two_results_and_then_the_newest(
    visits: list[SessionConsumer],
    page: Page,
    camera: Camera,
    answering: ThreadedWorker,
):
    page.slow = True
    await page.stream(camera)
    _, second = await page.results(2)
    await answered(visits[0], 8)
    assert len(page.all_of("result")) == 2

    await page.send("ack", seq=second["seq"])

    (third,) = await page.results(1)
    # What was between them came too early to be drawn.
    assert third["seq"] > second["seq"] + 3


async def answered(visit: SessionConsumer, count: int) -> None:
    """Wait until the session's run has so many results."""
    link: Any = visit._negotiation._peer
    ledger = link._pipeline._recorder.ledger
    await eventually(lambda: ledger.inferred >= count, f"{count} answers")


# --- stop, start, and other peer connections -----------------------------------------


async def test_a_camera_that_starts_again_waits_for_its_former_connections_end(
    page: Page,
    camera: Camera,
    answering: ThreadedWorker,
    monkeypatch: pytest.MonkeyPatch,
):
    """Which empties the session's slot in the mailbox, whoever has filled it."""
    may_withdraw = asyncio.Event()
    withdraw = InferenceClient.withdraw

    async def gated(client: InferenceClient, session_id: str) -> None:
        await may_withdraw.wait()
        await withdraw(client, session_id)

    monkeypatch.setattr(InferenceClient, "withdraw", gated)
    await page.stream(camera)
    await page.results(1)
    await page.send("stop")
    await page.message("status", status="pending")

    await page.send("offer", sdp=await camera.offer())
    await page.send("ping", sent_at_ms=1)
    await page.message("pong")
    assert len(page.all_of("answer")) == 1

    may_withdraw.set()
    await page.until(lambda: len(page.all_of("answer")) == 2, "the second answer")


@pytest.mark.usefixtures("answering")
async def test_a_camera_may_be_stopped_and_started_again(page: Page, redis: Redis):
    """And that though the page never drew what was left of the first picture."""
    page.slow = True
    first, second = Camera(), Camera()
    await page.stream(first)
    before = await page.results(2)

    await page.send("stop")
    await page.message("status", status="pending")
    await eventually(lambda: decoder_threads() == [], "the decoder to end")
    await eventually(lambda: left_in(redis) == set(), "the mailbox to be empty")
    await first.close()
    await has_status("pending")

    await page.stream(second)
    after = await page.results(2)
    await page.leave()
    await second.close()

    assert min(each["seq"] for each in after) > max(each["seq"] for each in before)
    assert page.statuses() == ["connecting", "live", "pending", "connecting", "live"]
    assert page.all_of("error") == []
    (run,) = await the_runs()
    assert run.inferred >= 4


@pytest.mark.usefixtures("answering")
async def test_a_new_offer_replaces_the_peer_connection(page: Page):
    first, second = Camera(), Camera()
    second.stripe.size = (96, 128)
    await page.stream(first)
    await page.results(2)

    await page.stream(second)
    frame = {"width": 96, "height": 128, "rotation": 0}
    await page.message("result", frame=frame)

    await eventually(
        lambda: first.pc.connectionState == "closed", "the first camera to be told"
    )
    assert len(decoder_threads()) == 1
    await page.leave()
    await first.close()
    await second.close()
    assert "failed" not in page.statuses()
    assert len(await the_runs()) == 1


@pytest.mark.usefixtures("answering")
async def test_of_offers_in_a_hurry_the_last_one_counts(page: Page):
    cameras = [Camera() for _ in range(4)]
    offers = [await camera.offer() for camera in cameras]
    for offer in offers:
        await page.send("offer", sdp=offer)
    await page.send("candidate", candidate=None)
    answer = await page.message("answer")
    await cameras[-1].accept(answer["sdp"])
    await page.results(2)

    assert len(page.all_of("answer")) == 1
    assert len(decoder_threads()) == 1
    assert page.all_of("error") == []
    await page.leave()
    for camera in cameras:
        await camera.close()


@pytest.mark.usefixtures("answering")
async def test_another_version_is_told_and_begins_another_run(
    page: Page,
    camera: Camera,
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
):
    await page.stream(camera)
    await page.results(3)
    version = await asyncio.to_thread(scripted_version, label="banana")
    await asyncio.to_thread(activate, deployment, version)

    told = await page.message("model")
    results = await page.results(3)
    await page.leave()

    assert told["model"]["version"] == version.version
    assert len(page.all_of("model")) == 1
    assert not any(result["is_hot_dog"] for result in results)
    first, second = await the_runs()
    assert second.model_version_id == version.pk
    assert min(first.inferred, second.inferred) >= 3


# --- no worker ------------------------------------------------------------------------


async def test_a_page_without_a_worker_is_told_and_goes_on_by_itself(
    page: Page,
    camera: Camera,
    threaded_worker: ThreadedWorker,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(pipeline_module, "SWEEP_INTERVAL_S", 0.05)
    monkeypatch.setattr(pipeline_module, "SILENCE_S", 0.1)
    await page.stream(camera)
    told = await page.message("worker")
    assert (told["alive"], told["sentence"]) == (False, NO_WORKER)

    await asyncio.to_thread(threaded_worker.start)

    await page.results(2)
    told = await page.message("worker", alive=True)
    assert told["sentence"] == WORKER_BACK


# --- bad input ------------------------------------------------------------------------


@pytest.fixture
async def bad_offers() -> dict[str, str]:
    """Offers by the error that they get."""
    cameras = Camera(), Camera("H264")
    vp8, h264 = [await camera.offer() for camera in cameras]
    for camera in cameras:
        await camera.close()
    return {
        "invalid": "m=video",
        "no_video": vp8.replace("a=sendonly", "a=recvonly"),
        "unsupported_codec": as_vp9(vp8),
        # Which is found out only when the connection is being made.
        "(failed)": as_h264_high(h264),
    }


BAD_TEXTS = [
    ("malformed", "{"),
    ("malformed", "[]"),
    ("malformed", "[" * 60_000),
    ("malformed", '{"type": "ping", "sent_at_ms": NaN}'),
    ("unknown_type", '{"type": "open_sesame"}'),
    ("invalid", '{"type": "ack", "seq": "1"}'),
    ("invalid", '{"type": "candidate", "candidate": {"candidate": "1"}}'),
    ("invalid", '{"type": "camera_failed", "reason": "shy"}'),
    ("too_large", '{"type": "offer", "sdp": "' + "a" * 10_000_000 + '"}'),
]


async def refused(page: Page, code: str) -> None:
    """Wait for one more error, which must have this code and say why."""
    number = len(page.all_of("error")) + 1
    await page.until(lambda: len(page.all_of("error")) >= number, f"error {code}")
    error = page.all_of("error")[-1]
    assert error["code"] == code
    assert error["sentence"].endswith(".")
    assert "Error" not in error["sentence"]


@pytest.mark.usefixtures("answering")
async def test_a_session_that_was_sent_everything_bad_still_streams(
    page: Page, camera: Camera, bad_offers: dict[str, str]
):
    for code, text in BAD_TEXTS:
        await page.send_text(text)
        await refused(page, code)
    for code, content in (("malformed", b"\xff"), ("out_of_order", b"picture")):
        await page.send_bytes(content)
        await refused(page, code)
    candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.7 5 typ host", "sdpMid": "0"}
    for early in (candidate, None):
        await page.send("candidate", candidate=early)
        await refused(page, "out_of_order")
    for code, sdp in bad_offers.items():
        await page.send("offer", sdp=sdp)
        if code == "(failed)":
            await page.message("status", status="failed")
        else:
            await refused(page, code)
    # What comes at the wrong time but harms nobody is let pass.
    await page.send("ack", seq=10**9)
    await page.send("stop")
    await page.send("stop")
    errors = len(page.all_of("error"))

    await page.stream(camera)
    await page.results(3)

    assert len(page.all_of("error")) == errors
    assert len(decoder_threads()) == 1


@pytest.mark.usefixtures("answering")
async def test_a_stream_goes_on_whatever_else_is_sent(
    page: Page, camera: Camera, bad_offers: dict[str, str]
):
    await page.stream(camera)
    await page.results(1)
    for code, text in BAD_TEXTS:
        await page.send_text(text)
        await refused(page, code)
    for code in ("invalid", "no_video", "unsupported_codec"):
        await page.send("offer", sdp=bad_offers[code])
        await refused(page, code)
    await page.send(
        "candidate", candidate={"candidate": "candidate:nonsense", "sdpMid": "0"}
    )
    await refused(page, "invalid")

    await page.results(3)

    assert page.statuses() == ["connecting", "live"]
    assert len(page.all_of("answer")) == 1


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://localhost.evil.example", "null", None]
)
async def test_a_page_of_a_foreign_origin_is_refused(origin: str | None):
    page = Page(origin)
    assert not await page.connect()
    assert not await CameraSession.objects.aexists()


async def test_a_visit_to_nothing_is_told_to_come_again(deployment: Deployment):
    await deployment.adelete()
    page = Page()
    await page.connect()
    await page.send("open", resume_token="")
    await page.until(lambda: page.close_code, "the server to close")
    assert page.close_code == protocol.TRY_AGAIN_LATER
    assert not await CameraSession.objects.aexists()
    await page.leave()


# --- the end --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sentence"), [(1001, consumers.PAGE_CLOSED), (1006, consumers.PAGE_LOST)]
)
@pytest.mark.usefixtures("answering")
async def test_a_socket_that_closes_leaves_nothing_behind(
    page: Page, camera: Camera, redis: Redis, code: int, sentence: str
):
    await page.stream(camera)
    await page.results(3)

    await page.leave(code)

    session = await the_session()
    # Its page may come back.
    assert (session.status, session.sentence) == ("reconnecting", sentence)
    assert session.holder == ""
    (run,) = await the_runs()
    assert run.inferred >= 3
    assert run.worker
    assert run.latency["age"]["p95"] > 0
    assert decoder_threads() == []
    assert left_in(redis) == set()
    assert redis.pubsub_channels("asgispecific*") == []


@pytest.mark.parametrize("moment", ["offered", "answered"])
async def test_a_socket_that_closes_in_the_middle_leaves_nothing_behind(
    page: Page, camera: Camera, redis: Redis, moment: str
):
    await page.send("offer", sdp=await camera.offer())
    if moment == "answered":
        await page.message("answer")
    await page.leave(1006)

    assert (await the_session()).holder == ""
    assert decoder_threads() == []
    assert left_in(redis) == set()


@pytest.mark.usefixtures("answering")
async def test_a_server_that_stops_leaves_the_session_to_others(
    page: Page, camera: Camera, redis: Redis
):
    """It cancels its applications and doesn't say why."""
    await page.stream(camera)
    await page.results(1)

    page.cancel()
    await page.is_over()

    session = await the_session()
    assert (session.status, session.sentence) == (
        "reconnecting",
        consumers.SERVER_STOPPED,
    )
    assert session.holder == ""
    assert decoder_threads() == []
    assert left_in(redis) == set()


@pytest.mark.usefixtures("answering")
async def test_a_server_that_stops_while_a_session_closes_waits_for_it(
    visits: list[SessionConsumer], page: Page, camera: Camera, redis: Redis
):
    await page.stream(camera)
    await page.results(1)
    await page.close()
    await eventually(
        lambda: visits[0]._negotiation._peer is None, "the session to be closing"
    )
    for _ in range(3):
        page.cancel()
        await asyncio.sleep(0)
    await page.is_over()

    session = await the_session()
    assert (session.status, session.sentence) == (
        "reconnecting",
        consumers.PAGE_CLOSED,
    )
    assert decoder_threads() == []
    assert left_in(redis) == set()


async def test_a_visit_that_never_came_about_ends_nobody_elses(
    visits: list[SessionConsumer],
    page: Page,
    camera: Camera,
    answering: ThreadedWorker,
):
    """A server cancels also what a visitor left who had waited too long."""
    await page.stream(camera)
    await page.results(1)
    other = Page()
    connecting = asyncio.create_task(other.connect())
    await eventually(lambda: len(visits) == 2, "another visit")

    other.cancel()
    await other.is_over()
    connecting.cancel()
    await asyncio.wait([connecting])

    await page.results(3)
    assert (
        await CameraSession.objects.aget(pk=page.messages[0]["session_id"])
    ).ended_at is None


async def test_a_database_that_hiccups_costs_a_session_nothing(
    page: Page, monkeypatch: pytest.MonkeyPatch
):
    touches = 0
    touch = services.touch_session

    def hiccup(session_id: uuid.UUID, holder: str) -> bool:
        nonlocal touches
        touches += 1
        if touches == 1:
            raise OperationalError("database is locked")
        return touch(session_id, holder=holder)

    monkeypatch.setattr(services, "TOUCH_INTERVAL_S", 0.01)
    monkeypatch.setattr(services, "touch_session", hiccup)
    async with Page() as other:
        await eventually(lambda: touches >= 3, "another try")
        assert other.close_code is None


async def test_a_session_that_was_given_up_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
):
    """Its records were ended while the machine was asleep, say."""
    monkeypatch.setattr(services, "TOUCH_INTERVAL_S", 0.01)
    async with Page() as page:
        await sync_to_async(services.close_session)(
            page.messages[0]["session_id"], sentence="It went away."
        )
        await page.until(lambda: page.close_code, "the server to close")
        assert page.close_code == protocol.BEGIN_ANEW
    assert (await the_session()).sentence == "It went away."


async def test_a_browser_that_does_not_reach_the_server_is_told(
    page: Page, camera: Camera, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.CONNECT_TIMEOUT_S = 0.05
    monkeypatch.setattr(negotiation, "OFFER_GRACE_S", 0.0)
    await page.send("offer", sdp=await camera.offer())
    told = await page.message("status", status="failed")
    assert told["sentence"] == media.NOT_CONNECTED
    await has_status("failed")


@pytest.mark.usefixtures("answering")
async def test_a_camera_that_goes_away_is_noticed(
    page: Page, camera: Camera, redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(negotiation, "OFFER_GRACE_S", 0.0)
    await page.stream(camera)
    await page.results(1)
    await camera.close()
    told = await page.message("status", status="reconnecting")
    assert told["sentence"] == media.CONNECTION_LOST
    await eventually(lambda: decoder_threads() == [], "the decoder to end")
    await eventually(lambda: left_in(redis) == set(), "the mailbox to be empty")

    # And the visitor may try again.
    again = Camera()
    await page.stream(again)
    await page.results(1)
    await page.leave()
    await again.close()


@pytest.mark.usefixtures("answering")
async def test_who_stops_just_after_the_connection_was_lost_has_stopped(
    page: Page, camera: Camera
):
    """The loss is told a little later, in case that the page mends it by itself."""
    await page.stream(camera)
    await page.results(1)
    await camera.close()
    await eventually(lambda: decoder_threads() == [], "the loss to be noticed")

    await page.send("stop")
    await page.message("status", status="pending")
    await asyncio.sleep(negotiation.OFFER_GRACE_S + 0.2)

    assert page.statuses()[-1] == "pending"
    assert (await the_session()).status == "pending"


@pytest.mark.usefixtures("answering")
async def test_a_silent_session_stays_open(page: Page, camera: Camera):
    """A visitor may leave the page alone.

    redis-py 8 gives up on a socket after five silent seconds by default, and a consumer
    that listens on it would die with it. Nothing but six real seconds shows that.
    """
    await asyncio.sleep(6)

    await page.stream(camera)
    await page.results(1)
