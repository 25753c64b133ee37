"""`SessionPipeline`: frames of one track out to inference, results back to the session.

Three tasks: one decodes everything and keeps the newest, one offers that to the mailbox
(a clump one by one, where answers are quick), one looks after what was never answered.
Every received frame gets its one outcome in the ledger. It knows no WebSocket and no
peer connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from redis.exceptions import RedisError

from apps.inference.client import InferenceClient
from apps.inference.mailbox import Offered
from apps.inference.types import Frame
from apps.nexus.frames import LatestFrame, Turns
from apps.nexus.judged import JudgedFrames
from apps.nexus.ledger import DropReason
from apps.nexus.receiver import arrived_at, rtp_timestamp
from apps.nexus.runs import RunRecorder

logger = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 1.0
SAVE_INTERVAL_S = 5.0
# Longer than a killed worker's token lives; an answer that comes later still counts, as
# long as anybody remembers the frame.
LOST_AFTER_S = 3.0
FORGOTTEN_AFTER_S = 60.0
# So long without a picture, and the connection is as good as lost.
PICTURE_PATIENCE_S = 3.0
# Redis answers in milliseconds or not at all.
LAST_OFFER_PATIENCE_S = 2.0
# So long without any answer, and the page is told whether there is a worker.
SILENCE_S = 1.5
LONG_SILENCE_S = 10.0

NO_WORKER = "Connected. Waiting for a worker to come up…"
SILENT_WORKER = "Connected. There is a worker, but it doesn't answer…"
WORKER_BACK = "A worker is answering."


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    seq: int
    frame: VideoFrame
    decoded_at: float  # of time.monotonic


@dataclass(frozen=True, slots=True)
class FrameTime:
    """When a frame was taken by its sender's clock; when it was complete, and decoded,
    by our `time.monotonic`.
    """

    rtp_timestamp: int
    arrived_at: float
    decoded_at: float


class MediaListener(Protocol):
    """Who is told what comes of the frames; called on the event loop."""

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        """A frame was answered by an `inference.result`; `rtp_timestamp` is added."""

    def on_worker(self, alive: bool, sentence: str) -> None:
        """Answers stopped for want of a worker or a model, or came back."""


class PipelineListener(MediaListener, Protocol):
    def on_live(self) -> None:
        """The first frame has been decoded."""

    def on_silent(self) -> None:
        """Pictures came, and don't come any more."""

    def on_broken(self) -> None:
        """The pipeline met an error it does not know and has stopped working."""


class SessionPipeline:
    """The way of one track's frames, from `start` to `stop`.

    Args:
        session_id: whose slot in the mailbox the frames go to.
        deployment: which model version answers.
        reply_channel: where the messages for `deliver` are published.
        client: the door to inference.
        recorder: books every frame.
        listener: is told what happens.
        numbers: the session's frame numbers, which go on from one track to the next.
        max_side: larger frames are scaled down to it, in pixels.
        rotation: asked for each frame: clockwise by how many degrees it is upright.
        judged: holds the frames that the page may point at.
    """

    def __init__(  # noqa: PLR0913 - it joins these and makes none of them
        self,
        *,
        session_id: str,
        deployment: str,
        reply_channel: str,
        client: InferenceClient,
        recorder: RunRecorder,
        listener: PipelineListener,
        numbers: Iterator[int],
        max_side: int,
        rotation: Callable[[], int] = lambda: 0,
        judged: JudgedFrames | None = None,
    ) -> None:
        self._session_id = session_id
        self._deployment = deployment
        self._reply_channel = reply_channel
        self._client = client
        self._recorder = recorder
        self._listener = listener
        self._numbers = numbers
        self._max_side = max_side
        self._rotation = rotation
        self._judged = judged or JudgedFrames()
        self._is_live = False
        self._latest: LatestFrame[ReceivedFrame] = LatestFrame()
        self._turns = Turns()
        self._unanswered: dict[int, FrameTime] = {}
        self._in_mailbox: int | None = None
        self._offering: asyncio.Task[Offered] | None = None
        # Since when a worker owes an answer, of whatever kind.
        self._unanswered_since: float | None = None
        self._worker_report = (True, WORKER_BACK)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, track: MediaStreamTrack) -> None:
        for work in (
            self._receive_frames(track),
            self._offer_frames(),
            self._sweep(),
        ):
            task = asyncio.create_task(work)
            task.add_done_callback(self._notice_error)
            self._tasks.append(task)

    async def stop(self, *, hands_over: bool = False) -> None:
        """Leave nothing in the mailbox and no task; write the last figures.

        Unless it hands over: what is in the mailbox is the next pipeline's.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._offering is not None:
            # Cut off half-way, an offer could reach Redis after the withdrawal.
            await asyncio.wait([self._offering], timeout=LAST_OFFER_PATIENCE_S)
            if not hands_over:
                await self._withdraw()
        self._recorder.close()

    async def _withdraw(self) -> None:
        try:
            await self._client.withdraw(self._session_id)
        except RedisError as error:
            logger.warning("The mailbox was not emptied, it will expire: %s", error)

    def deliver(self, message: dict[str, Any]) -> None:
        """Take what a worker published for this session."""
        frame = self._unanswered.get(message["seq"])
        if frame is None:
            return
        self._unanswered_since = None
        self._turns.answer(message["seq"])
        if message["type"] == "inference.dropped":
            self._drop(message["seq"], message["reason"])
            if message["reason"] == "failed":
                self._report_worker(False, message["sentence"])
            return
        del self._unanswered[message["seq"]]
        timings = _whole_way(message["timings"], frame, time.monotonic())
        self._report_worker(True, WORKER_BACK)
        if self._recorder.infer(message, timings):
            self._listener.on_result(
                {**message, "rtp_timestamp": frame.rtp_timestamp}, timings
            )

    def record_drawn(self, seq: int, timings: dict[str, float]) -> None:
        """Take what the page measured of a result that it has drawn."""
        self._recorder.draw(seq, timings)

    async def _receive_frames(self, track: MediaStreamTrack) -> None:
        """Decode all, keep the newest, no more: aiortc's queue has no bound."""
        with suppress(MediaStreamError):
            for seq in self._numbers:
                frame = await self._next_frame(track)
                if frame is None:
                    self._listener.on_silent()
                    return
                decoded_at = time.monotonic()
                received = ReceivedFrame(seq, frame, decoded_at)
                self._recorder.receive(seq)
                self._unanswered[seq] = FrameTime(
                    rtp_timestamp(frame),
                    arrived_at=arrived_at(track, frame) or decoded_at,
                    decoded_at=decoded_at,
                )
                for replaced in self._latest.put(received, self._turns.room):
                    self._drop(replaced.seq, "superseded")
                if not self._is_live:
                    self._is_live = True
                    self._listener.on_live()

    async def _next_frame(self, track: MediaStreamTrack) -> VideoFrame | None:
        patience_s = PICTURE_PATIENCE_S if self._is_live else None
        try:
            async with asyncio.timeout(patience_s):
                # aiortc decodes video tracks to frames only.
                return cast(VideoFrame, await track.recv())
        except TimeoutError:
            return None

    async def _offer_frames(self) -> None:
        while True:
            received = await self._latest.take()
            try:
                frame = await asyncio.to_thread(
                    to_i420,
                    received,
                    self._session_id,
                    self._max_side,
                    self._rotation(),
                )
                await self._offer(frame, received.decoded_at)
                await self._turns.turn()
            except RedisError as error:
                self._drop(received.seq, "failed")
                if self._report_worker(False, NO_WORKER):
                    logger.warning("Frames can't be offered: %s", error)

    async def _offer(self, frame: Frame, decoded_at: float) -> None:
        if self._unanswered_since is None:
            self._unanswered_since = time.monotonic()
        self._turns.offer(frame.seq)
        self._judged.offer(frame)
        self._offering = asyncio.create_task(
            self._client.offer(
                frame,
                deployment=self._deployment,
                reply_channel=self._reply_channel,
                age_ms=(time.monotonic() - decoded_at) * 1000,
            )
        )
        offered = await asyncio.shield(self._offering)
        before, self._in_mailbox = self._in_mailbox, frame.seq
        if offered.replaced and before is not None:
            self._drop(before, "superseded")

    async def _sweep(self) -> None:
        saved_at = time.monotonic()
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            now = time.monotonic()
            self._give_up_on_old_frames(now)
            if self._unanswered_since is not None:
                await self._ask_for_worker(now - self._unanswered_since)
            if now - saved_at > SAVE_INTERVAL_S:
                saved_at = now
                self._recorder.save()

    def _give_up_on_old_frames(self, now: float) -> None:
        for seq, frame in list(self._unanswered.items()):
            silence_s = now - frame.decoded_at
            if silence_s > FORGOTTEN_AFTER_S:
                del self._unanswered[seq]
            elif silence_s > LOST_AFTER_S:
                # The mailbox keeps a frame for less than this.
                unseen = seq == self._in_mailbox
                self._recorder.give_up(seq, "expired" if unseen else "lost")

    def _drop(self, seq: int, reason: DropReason) -> None:
        self._recorder.drop(seq, reason)
        self._judged.drop(seq)
        self._unanswered.pop(seq, None)

    async def _ask_for_worker(self, silence_s: float) -> None:
        if silence_s <= SILENCE_S:
            return
        try:
            alive = await self._client.worker_alive(self._deployment)
        except RedisError:
            alive = False
        if not alive:
            self._report_worker(False, NO_WORKER)
        elif silence_s > LONG_SILENCE_S:
            self._report_worker(False, SILENT_WORKER)

    def _report_worker(self, alive: bool, sentence: str) -> bool:
        """Tell the listener what it hasn't been told; returns whether that was so."""
        is_news = (alive, sentence) != self._worker_report
        if is_news:
            self._worker_report = (alive, sentence)
            self._listener.on_worker(alive, sentence)
        return is_news

    def _notice_error(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("The pipeline of %s broke", self._session_id, exc_info=error)
            self._listener.on_broken()


def to_i420(
    received: ReceivedFrame, session_id: str, max_side: int, rotation: int = 0
) -> Frame:
    """Scale a decoded frame down to `max_side` and to even sides, without leaving YUV.

    Blocking: a millisecond or two, most of it without the interpreter's lock.
    """
    source = received.frame
    scale = min(1.0, max_side / max(source.width, source.height))
    width, height = (
        max(2, round(side * scale / 2) * 2) for side in (source.width, source.height)
    )
    planar = source.reformat(width=width, height=height, format="yuv420p", threads=1)
    return Frame(
        session_id=session_id,
        seq=received.seq,
        width=width,
        height=height,
        pixels=planar.to_ndarray().reshape(-1).data,
        rotation=rotation,
    )


def _whole_way(
    timings: dict[str, float], frame: FrameTime, now: float
) -> dict[str, float]:
    """What the page is told: our stages and the worker's, which add up to the age."""
    receive_ms = (frame.decoded_at - frame.arrived_at) * 1000
    age_ms = (now - frame.arrived_at) * 1000
    held_ms = timings["held_ms"]
    return {
        "receive_ms": receive_ms,
        **{stage: value for stage, value in timings.items() if stage != "held_ms"},
        "publish_ms": max(0.0, age_ms - receive_ms - timings["wait_ms"] - held_ms),
        "age_ms": age_ms,
    }
