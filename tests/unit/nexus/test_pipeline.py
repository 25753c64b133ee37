"""The way of a track's frames. The ledger is exact whatever becomes of them.

Time is not waited for: what depends on it has its limit set to none. What is asserted
of the ledger is read from the database, where operators read it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from asgiref.sync import sync_to_async
from av import VideoFrame
from django.db.models import QuerySet

from apps.inference.client import InferenceClient
from apps.inference.models import ModelVersion
from apps.nexus import frames as frames_module
from apps.nexus import pipeline as pipeline_module
from apps.nexus.pipeline import NO_WORKER, SILENT_WORKER, WORKER_BACK, SessionPipeline
from apps.nexus.runs import RunRecorder
from apps.nexus.visit import Visit
from apps.sessions.models import CameraSession, Run
from tests.unit.nexus.conftest import (
    REDIS_IS_AWAY,
    ScriptedClient,
    dropped,
    records_written,
    result,
)
from tests.waiting import eventually, ticks

LEDGER = ("received", "inferred", "superseded", "expired", "failed", "lost", "pending")


class FakeTrack(MediaStreamTrack):
    """A decoded track: gives what it is given, with timestamps 3000 apart."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[VideoFrame | None] = asyncio.Queue()
        self.next_pts = 90_000

    def show(self, *sizes: tuple[int, int]) -> None:
        for width, height in sizes or [(64, 48)]:
            frame = VideoFrame(width, height, "yuv420p")
            frame.pts = self.next_pts
            self.next_pts += 3000
            self._frames.put_nowait(frame)

    def end(self) -> None:
        self._frames.put_nowait(None)

    async def recv(self) -> VideoFrame:
        frame = await self._frames.get()
        if frame is None:
            raise MediaStreamError
        return frame


@dataclass
class Listener:
    lives: int = 0
    breaks: int = 0
    silences: int = 0
    results: list[tuple[dict[str, Any], dict[str, float]]] = field(default_factory=list)
    worker: list[tuple[bool, str]] = field(default_factory=list)

    def on_live(self) -> None:
        self.lives += 1

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self.results.append((message, timings))

    def on_worker(self, alive: bool, sentence: str) -> None:
        self.worker.append((alive, sentence))

    def on_broken(self) -> None:
        self.breaks += 1

    def on_silent(self) -> None:
        self.silences += 1


@dataclass
class Stage:
    """A pipeline, with everything around it in a test's hands."""

    pipeline: SessionPipeline
    recorder: RunRecorder
    client: ScriptedClient
    listener: Listener
    track: FakeTrack
    session: CameraSession
    rotations: list[int]

    @property
    def version_id(self) -> int:
        return self.session.deployment.active_version_id

    async def show(self, *sizes: tuple[int, int]) -> None:
        """Show frames one after the other, each offered before the next comes."""
        for size in sizes or [(64, 48)]:
            number = len(self.client.offered) + 1
            self.track.show(size)
            await self.has_offered(number)
            # And the pipeline has been told so.
            await ticks()

    async def has_offered(self, number: int) -> None:
        offered = self.client.offered
        await eventually(lambda: len(offered) >= number, f"offer {number}")

    async def has_failed(self, number: int) -> None:
        dropped = self.recorder.ledger.dropped
        await eventually(lambda: dropped["failed"] == number, f"failure {number}")

    async def sweeps(self, count: int) -> None:
        """Wait until the pipeline has looked after its frames so many times."""
        swept = 0
        sweep = self.pipeline._give_up_on_old_frames

        def counted(now: float) -> None:
            nonlocal swept
            swept += 1
            sweep(now)

        self.pipeline._give_up_on_old_frames = counted  # type: ignore[method-assign]
        await eventually(lambda: swept > count, f"{count} sweeps")

    def answer(self, version_id: int | None = None) -> None:
        """Do what a worker does: take the frame and answer it."""
        frame = self.client.take()
        self.pipeline.deliver(result(frame, version_id or self.version_id))

    async def runs(self) -> list[dict[str, int]]:
        """The ledger of each run as the database has it, without its zeros."""
        await records_written()
        runs = []
        async for row in self.rows().values(*LEDGER):
            assert row["received"] == sum(row[name] for name in LEDGER[1:])
            runs.append({name: count for name, count in row.items() if count})
        return runs

    def rows(self) -> QuerySet[Run]:
        return Run.objects.filter(session=self.session).order_by("id")

    async def ledger(self) -> dict[str, int]:
        """The ledger of the run that goes on."""
        self.recorder.save()
        return (await self.runs())[-1]


@pytest.fixture
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture(autouse=True)
def nobody_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast these tests answer, the newest frame wins."""
    monkeypatch.setattr(frames_module, "QUICK_ANSWER_S", 0)


@pytest.fixture
async def stage(
    session: CameraSession,
    visit: Visit,
    client: ScriptedClient,
    numbers: Iterator[int],
) -> AsyncIterator[Stage]:
    listener, track, rotations = Listener(), FakeTrack(), [0]
    recorder = RunRecorder(visit)
    pipeline = SessionPipeline(
        session_id=str(session.pk),
        deployment=session.deployment.name,
        reply_channel="a.channel",
        client=cast(InferenceClient, client),
        recorder=recorder,
        listener=listener,
        numbers=numbers,
        max_side=640,
        rotation=lambda: rotations[-1],
    )
    pipeline.start(track)
    yield Stage(pipeline, recorder, client, listener, track, session, rotations)
    await pipeline.stop()
    await records_written()


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set limits of time of the pipeline, which sweeps all the time meanwhile."""
    monkeypatch.setattr(pipeline_module, "SWEEP_INTERVAL_S", 0.001)

    def limit(**seconds: float) -> None:
        for name, value in seconds.items():
            monkeypatch.setattr(pipeline_module, name, value)

    return limit


async def test_a_frame_is_offered_and_its_answer_told(stage: Stage):
    await stage.show((64, 48))
    assert await stage.ledger() == {"received": 1, "pending": 1}

    stage.answer()

    assert await stage.ledger() == {"received": 1, "inferred": 1}
    ((message, timings),) = stage.listener.results
    assert message["seq"] == 0
    assert list(timings) == [
        *("receive_ms", "wait_ms", "featurize_ms", "forward_ms", "decode_ms"),
        *("publish_ms", "age_ms"),
    ]
    assert timings["age_ms"] >= stage.client.ages_ms[0] > 0
    # The way back is what neither the waiting nor the worker took, and no less than 0.
    assert timings["publish_ms"] == max(0.0, timings["age_ms"] - 1.0 - 10.0)


async def test_a_frame_is_as_old_as_its_picture_not_as_its_decoding(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    begun_at = time.monotonic()
    monkeypatch.setattr(pipeline_module, "arrived_at", lambda *_: begun_at - 0.5)
    await stage.show()
    stage.answer()

    ((_, timings),) = stage.listener.results
    whole = sum(ms for name, ms in timings.items() if name != "age_ms")
    assert 500 <= timings["receive_ms"] <= timings["age_ms"]
    # What the worker says of itself is made up, and longer than the answer took.
    assert timings["age_ms"] >= 500
    assert whole >= timings["age_ms"] - 11.0


async def test_what_the_page_measured_is_recorded_with_the_rest(stage: Stage):
    await stage.show()
    stage.answer()
    timings = {"capture_ms": 12.0, "draw_ms": 8.0, "picture_ms": 60.0}
    stage.pipeline.record_drawn(0, timings)
    stage.pipeline.record_drawn(1, dict.fromkeys(timings, 60000.0))
    await stage.pipeline.stop()

    await records_written()
    latency = (await stage.rows().aget()).latency
    assert [latency[name]["p95"] for name in ("capture", "draw", "picture")] == [
        pytest.approx(ms, rel=0.03) for ms in timings.values()
    ]


async def test_a_frame_is_offered_with_the_rotation_of_its_time(stage: Stage):
    await stage.show((64, 48))
    stage.rotations.append(270)
    await stage.show((64, 48))
    assert [frame.rotation for frame in stage.client.offered] == [0, 270]


async def test_a_clump_is_answered_one_by_one_where_answers_are_quick(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(frames_module, "QUICK_ANSWER_S", 60)
    monkeypatch.setattr(frames_module, "TURN_PATIENCE_S", 60)
    await stage.show()
    stage.answer()
    stage.track.show(*[(64, 48)] * 4)
    for number in range(2, 6):
        await stage.has_offered(number)
        await ticks()
        assert len(stage.client.offered) == number
        stage.answer()

    assert await stage.ledger() == {"received": 5, "inferred": 5}


async def test_of_a_clump_the_newest_wins_where_answers_are_slow(stage: Stage):
    await stage.show()
    stage.answer()
    stage.track.show(*[(64, 48)] * 4)
    await eventually(lambda: stage.recorder.ledger.received == 5, "the clump")
    await eventually(lambda: stage.client.offered[-1].seq == 4, "the newest")
    stage.answer()

    assert await stage.ledger() == {"received": 5, "inferred": 2, "superseded": 3}


async def test_an_answer_tells_the_senders_own_time_of_its_frame(stage: Stage):
    stage.track.next_pts = (5 << 32) - 3000
    for _ in range(2):
        await stage.show()
        stage.answer()

    told = [message["rtp_timestamp"] for message, _ in stage.listener.results]
    assert told == [(1 << 32) - 3000, 0]


async def test_only_the_newest_of_many_frames_is_offered(stage: Stage):
    stage.track.show(*[(64, 48)] * 5)
    await stage.has_offered(1)
    await ticks()

    assert [frame.seq for frame in stage.client.offered] == [4]
    assert await stage.ledger() == {"received": 5, "superseded": 4, "pending": 1}


async def test_frames_that_come_while_one_is_being_offered_replace_each_other(
    stage: Stage,
):
    gate = asyncio.Event()
    stage.client.before_offer = gate.wait
    for _ in range(4):
        stage.track.show()
        await ticks()
    await eventually(lambda: stage.recorder.ledger.received == 4, "four frames")
    gate.set()
    await stage.has_offered(2)
    await ticks()

    assert stage.client.offered[-1].seq == 3
    assert await stage.ledger() == {"received": 4, "superseded": 3, "pending": 1}


async def test_a_frame_that_nobody_took_is_superseded_in_the_mailbox(stage: Stage):
    await stage.show((64, 48), (64, 48), (64, 48))
    assert await stage.ledger() == {"received": 3, "superseded": 2, "pending": 1}
    stage.answer()
    assert await stage.ledger() == {"received": 3, "superseded": 2, "inferred": 1}


async def test_a_frame_in_a_worker_is_not_superseded(stage: Stage):
    await stage.show()
    taken = stage.client.take()
    await stage.show()

    stage.pipeline.deliver(result(taken, stage.version_id))

    assert await stage.ledger() == {"received": 2, "inferred": 1, "pending": 1}


async def test_frames_that_change_size_in_mid_stream_keep_their_own(stage: Stage):
    sizes = [(640, 480), (480, 640), (320, 240), (1280, 720), (640, 480)]
    for size in sizes:
        await stage.show(size)
        stage.answer()

    offered = [(frame.width, frame.height) for frame in stage.client.offered]
    assert offered == [(640, 480), (480, 640), (320, 240), (640, 360), (640, 480)]
    for frame in stage.client.offered:
        assert len(frame.pixels) == frame.width * frame.height * 3 // 2
    assert await stage.ledger() == {"received": 5, "inferred": 5}
    assert stage.listener.breaks == 0


async def test_a_frame_that_was_too_old_is_expired(stage: Stage):
    await stage.show()
    stage.pipeline.deliver(dropped(stage.client.take(), "expired"))

    assert await stage.ledger() == {"received": 1, "expired": 1}
    assert stage.listener.worker == []


async def test_a_failed_frame_is_told_once_with_its_sentence(stage: Stage):
    for _ in range(3):
        await stage.show()
        stage.pipeline.deliver(dropped(stage.client.take(), "failed", "It broke."))
    assert await stage.ledger() == {"received": 3, "failed": 3}
    assert stage.listener.worker == [(False, "It broke.")]

    await stage.show()
    stage.answer()

    assert stage.listener.worker == [(False, "It broke."), (True, WORKER_BACK)]


async def test_one_answer_is_the_only_one(stage: Stage):
    await stage.show()
    frame = stage.client.take()
    for _ in range(2):
        stage.pipeline.deliver(result(frame, stage.version_id))
        stage.pipeline.deliver(dropped(frame, "failed"))

    assert await stage.ledger() == {"received": 1, "inferred": 1}
    assert len(stage.listener.results) == 1
    assert stage.listener.worker == []


async def test_answers_to_frames_of_another_life_are_ignored(stage: Stage):
    await stage.show()
    frame = stage.client.take()
    stage.pipeline.deliver({**result(frame, stage.version_id), "seq": 99})
    stage.pipeline.deliver({**dropped(frame, "failed"), "seq": 99})

    assert await stage.ledger() == {"received": 1, "pending": 1}
    assert stage.listener.results == []


async def test_a_frame_nobody_answers_is_lost_and_found_again(
    limits: Callable[..., None], stage: Stage
):
    await stage.show()
    taken = stage.client.take()
    await stage.show()
    stage.answer()
    limits(LOST_AFTER_S=-1.0)
    await eventually(lambda: stage.recorder.ledger.pending == 0, "the frame to be lost")
    assert await stage.ledger() == {"received": 2, "inferred": 1, "lost": 1}

    stage.pipeline.deliver(result(taken, stage.version_id))

    assert await stage.ledger() == {"received": 2, "inferred": 2}
    assert len(stage.listener.results) == 2


async def test_a_frame_nobody_took_is_expired(
    limits: Callable[..., None], stage: Stage
):
    await stage.show()
    limits(LOST_AFTER_S=-1.0)
    await eventually(lambda: stage.recorder.ledger.pending == 0, "the frame to expire")
    assert await stage.ledger() == {"received": 1, "expired": 1}


async def test_lost_frames_are_not_remembered_for_ever(
    limits: Callable[..., None], stage: Stage
):
    await stage.show()
    taken = stage.client.take()
    await stage.show()
    stage.answer()
    limits(LOST_AFTER_S=-1.0)
    await eventually(lambda: stage.recorder.ledger.pending == 0, "the frame to be lost")
    limits(FORGOTTEN_AFTER_S=-1.0)
    await eventually(
        lambda: not stage.pipeline._unanswered, "the frame to be forgotten"
    )

    stage.pipeline.deliver(result(taken, stage.version_id))

    assert await stage.ledger() == {"received": 2, "inferred": 1, "lost": 1}


async def test_frames_that_redis_does_not_take_have_failed(stage: Stage, caplog):
    await stage.show()
    stage.answer()
    stage.client.trouble = REDIS_IS_AWAY
    for count in (1, 2, 3):
        stage.track.show()
        await stage.has_failed(count)
    assert await stage.ledger() == {"received": 4, "inferred": 1, "failed": 3}
    assert stage.listener.worker == [(False, NO_WORKER)]
    # A Redis that is away for an hour must not fill the log.
    assert len(caplog.records) == 1

    stage.client.trouble = None
    await stage.show()
    stage.answer()

    assert await stage.ledger() == {"received": 5, "inferred": 2, "failed": 3}
    assert stage.listener.worker == [(False, NO_WORKER), (True, WORKER_BACK)]
    assert stage.listener.breaks == 0


@pytest.mark.parametrize("trouble", [None, REDIS_IS_AWAY])
async def test_silence_without_a_worker_is_told_once(
    limits: Callable[..., None], stage: Stage, trouble: Exception | None
):
    stage.client.alive, stage.client.trouble = False, trouble
    limits(SILENCE_S=-1.0)
    stage.track.show((64, 48))
    await eventually(
        lambda: stage.client.asked >= 3, "the pipeline to ask for a worker"
    )
    assert stage.listener.worker == [(False, NO_WORKER)]

    stage.client.alive, stage.client.trouble = True, None
    await stage.show()
    stage.answer()

    assert stage.listener.worker == [(False, NO_WORKER), (True, WORKER_BACK)]


async def test_silence_with_a_worker_is_only_slowness(
    limits: Callable[..., None], stage: Stage
):
    limits(SILENCE_S=-1.0)
    await stage.show()
    await eventually(
        lambda: stage.client.asked >= 3, "the pipeline to ask for a worker"
    )
    assert stage.listener.worker == []


async def test_a_camera_that_shows_nothing_is_not_the_workers_fault(
    limits: Callable[..., None], stage: Stage
):
    await stage.show()
    stage.answer()
    limits(SILENCE_S=-1.0, LONG_SILENCE_S=-1.0)
    await stage.sweeps(3)
    assert stage.client.asked == 0
    assert stage.listener.worker == []


async def test_a_model_that_always_fails_is_told_once(
    limits: Callable[..., None], stage: Stage
):
    """And not in turn with the worker that doesn't answer: it does."""
    for _ in range(3):
        limits(SILENCE_S=60.0)
        await stage.show()
        limits(SILENCE_S=-1.0, LONG_SILENCE_S=-1.0)
        stage.pipeline.deliver(dropped(stage.client.take(), "failed", "It failed."))
        await stage.sweeps(2)
    assert stage.listener.worker == [(False, "It failed.")]


async def test_a_worker_that_is_there_and_says_nothing_is_told_once(
    limits: Callable[..., None], stage: Stage
):
    limits(SILENCE_S=-1.0, LONG_SILENCE_S=-1.0)
    await stage.show()
    await eventually(
        lambda: stage.client.asked >= 3, "the pipeline to ask for a worker"
    )
    assert stage.listener.worker == [(False, SILENT_WORKER)]


async def test_another_version_ends_the_run_and_begins_the_next(
    stage: Stage, scripted_version: Callable[..., ModelVersion]
):
    other = await sync_to_async(scripted_version)(label="banana")
    await stage.show((64, 48), (64, 48))
    stage.answer()
    await stage.show()
    taken = stage.client.take()
    await stage.show()

    stage.pipeline.deliver(result(taken, other.pk))

    stage.recorder.save()
    # What was answered stays where it was; what is under way goes along.
    assert await stage.runs() == [
        {"received": 2, "superseded": 1, "inferred": 1},
        {"received": 2, "inferred": 1, "pending": 1},
    ]
    first, second = [run async for run in stage.rows()]
    assert (first.model_version_id, second.model_version_id) == (
        stage.version_id,
        other.pk,
    )
    assert first.ended_at is not None
    assert second.ended_at is None
    assert first.labels == second.labels == {"hot dog": 1}

    stage.answer(other.pk)
    await stage.pipeline.stop()

    assert await stage.runs() == [
        {"received": 2, "superseded": 1, "inferred": 1},
        {"received": 2, "inferred": 2},
    ]


async def test_live_is_told_once_with_the_first_frame(stage: Stage):
    await ticks()
    assert stage.listener.lives == 0
    await stage.show((64, 48), (64, 48))
    assert stage.listener.lives == 1


async def test_the_end_of_the_track_is_no_fault(stage: Stage):
    await stage.show()
    stage.track.end()
    await ticks()
    stage.answer()

    assert stage.listener.breaks == 0
    assert await stage.ledger() == {"received": 1, "inferred": 1}


async def test_a_picture_that_stops_coming_is_told_once(
    limits: Callable[..., None], stage: Stage
):
    limits(PICTURE_PATIENCE_S=0.05)
    await asyncio.sleep(0.1)
    assert stage.listener.silences == 0  # there was none yet
    await stage.show()
    await eventually(lambda: stage.listener.silences, "the silence to be noticed")
    await asyncio.sleep(0.1)
    assert stage.listener.silences == 1


async def test_an_error_nobody_foresaw_is_told_and_logged(stage: Stage, caplog):
    stage.client.trouble = ZeroDivisionError("unforeseen")
    stage.track.show()
    await eventually(lambda: stage.listener.breaks, "the pipeline to say that it broke")
    assert stage.listener.breaks == 1
    assert "unforeseen" in caplog.text


async def test_stopping_leaves_nothing_behind(stage: Stage):
    others = asyncio.all_tasks()
    await stage.show((64, 48), (64, 48))

    await stage.pipeline.stop()

    assert stage.client.slot is None
    assert asyncio.all_tasks() <= others
    assert await stage.runs() == [{"received": 2, "superseded": 1, "pending": 1}]
    run = await Run.objects.aget(session=stage.session)
    # The session may go on, and the run with it.
    assert run.ended_at is None


async def test_an_offer_under_way_reaches_the_mailbox_before_it_is_emptied(
    stage: Stage,
):
    gate, entered = asyncio.Event(), asyncio.Event()

    async def wait_at_the_gate() -> None:
        entered.set()
        await gate.wait()

    stage.client.before_offer = wait_at_the_gate
    stage.track.show()
    await entered.wait()

    stopping = asyncio.create_task(stage.pipeline.stop())
    await ticks()
    gate.set()
    await stopping

    assert stage.client.calls == ["offer", "withdraw"]
    assert stage.client.slot is None


async def test_stopping_goes_on_without_redis(stage: Stage, caplog):
    await stage.show()

    async def fail(session_id: str) -> None:
        raise REDIS_IS_AWAY

    stage.client.withdraw = fail  # type: ignore[method-assign]
    await stage.pipeline.stop()

    assert await stage.runs() == [{"received": 1, "pending": 1}]
    assert "will expire" in caplog.text


async def test_frame_numbers_go_on_from_one_track_to_the_next(
    stage: Stage, numbers: Iterator[int]
):
    await stage.show((64, 48), (64, 48))
    await stage.pipeline.stop()
    assert next(numbers) > 1
