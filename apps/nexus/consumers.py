"""`SessionConsumer`: the WebSocket of one browser visit, and the owner of all it needs.

The socket pins the session to this process: when it goes, however it goes, the peer
connection and the frames go with it, and the session waits for its page to come back.
Each message is passed on to who knows what to do with it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from contextlib import AsyncExitStack
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from redis.exceptions import RedisError

from apps.inference import client as inference_client
from apps.nexus import ice, media, moving, protocol, turn
from apps.nexus.attendance import Attendance
from apps.nexus.chores import Chores, whatever_happens
from apps.nexus.jpeg import read_picture
from apps.nexus.keeping import Keeping
from apps.nexus.negotiation import Negotiation
from apps.nexus.notifier import PageNotifier
from apps.nexus.pace import Pace
from apps.nexus.pipeline import PipelineListener, SessionPipeline
from apps.nexus.protocol import ProtocolError, server_message
from apps.nexus.runs import RunRecorder
from apps.nexus.visit import Visit
from apps.sessions.models import CameraSession

logger = logging.getLogger(__name__)
ice.be_reached(ice.Reach.from_settings())

Status = CameraSession.Status

PAGE_CLOSED = "The page was closed."
PAGE_LOST = "The connection to the page was lost."
SERVER_STOPPED = "The server was stopped."
TOO_FAST = "Too many messages came at once."
# A socket that closed by itself, without the two sides having said so.
ABNORMAL_CLOSURE = 1006

# A page speaks as soon as its socket is open.
OPEN_PATIENCE_S = 10.0


class SessionConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Lives on the event loop; nothing in it waits for the database or for ICE."""

    def __init__(self) -> None:
        super().__init__()
        self._chores = Chores()
        self._notifier = PageNotifier(
            send=self._send, change_status=self._change_status, chores=self._chores
        )
        self._negotiation = Negotiation(
            make_pipeline=self._make_pipeline,
            listener=self._notifier,
            chores=self._chores,
        )
        self._pace = Pace()
        self._attendance: Attendance | None = None
        self._keeping: Keeping | None = None
        self._seqs = itertools.count()
        self._rotation = 0
        self._why_closed: str | None = None
        # Whether the page itself has closed the socket, and not to move elsewhere.
        self._is_left = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        moving.of_this_process.enter(self)
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            # A server that shuts down calls no `disconnect`.
            self._why_closed = self._why_closed or SERVER_STOPPED
            raise
        finally:
            await whatever_happens(self._close(self._why_closed or media.SERVER_FAULT))
            moving.of_this_process.leave(self)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without Channels' visit to the database's thread before every message."""
        await getattr(self, get_handler_name(message))(message)

    # --- the socket -----------------------------------------------------------------

    async def connect(self) -> None:
        await self.accept()
        self._chores.start(self._close_when_silent())

    async def disconnect(self, code: int) -> None:
        self._is_left = code != ABNORMAL_CLOSURE
        page = PAGE_CLOSED if self._is_left else PAGE_LOST
        self._why_closed = self._why_closed or page

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        if not await self._keeps_pace():
            return
        try:
            if text_data is not None:
                await self._read(protocol.parse(text_data))
            elif bytes_data is not None:
                self._negotiation.put(read_picture(bytes_data))
        except ProtocolError as error:
            await self._notifier.on_refused(error)

    async def _keeps_pace(self) -> bool:
        if self._pace.allows_one_more():
            return True
        # What had come before it was closed is still to be passed over.
        if self._why_closed != TOO_FAST:
            self._why_closed = TOO_FAST
            await self._send("error", code="too_fast", sentence=TOO_FAST)
            await self.close(protocol.TRY_AGAIN_LATER)
        return False

    async def _close_when_silent(self) -> None:
        await asyncio.sleep(OPEN_PATIENCE_S)
        if self._attendance is None:
            await self.close(protocol.NOTHING_SAID)

    async def _read(self, message: protocol.ClientMessage) -> None:
        match message:
            case protocol.Open(resume_token):
                self._open(resume_token)
            case protocol.Ping(sent_at_ms):
                await self._send("pong", sent_at_ms=sent_at_ms)
            case _ if self._attendance is None or not self._attendance.is_in:
                raise ProtocolError("out_of_order", "Wait for the welcome.")
            case _:
                await self._follow(message)

    async def _follow(self, message: protocol.ClientMessage) -> None:
        match message:
            case protocol.Ack(seq, timings):
                self._kept.judged.draw(seq)
                if timings is not None:
                    self._negotiation.record_drawn(seq, timings)
                await self._notifier.acknowledge(seq)
            case protocol.Rotate(rotation):
                self._rotation = rotation
            case protocol.Candidate(candidate):
                self._negotiation.add_candidate(candidate)
            case protocol.Offer(sdp):
                self._negotiation.offer(sdp)
                self._notifier.restart()
            case protocol.BeginJpeg():
                self._negotiation.begin_jpeg()
                self._notifier.restart()
            case protocol.Acquiring() | protocol.CameraFailed() | protocol.Stop():
                await self._follow_camera(message)
            case (
                protocol.Dispute()
                | protocol.Complain()
                | protocol.Consent()
                | protocol.TakeBack()
            ):
                self._kept.follow(message)

    async def _follow_camera(
        self, message: protocol.Acquiring | protocol.CameraFailed | protocol.Stop
    ) -> None:
        """The page itself says where it is: what was lost before is old news."""
        self._negotiation.forget_loss()
        match message:
            case protocol.Acquiring():
                sentence = "Waiting for the camera to be allowed."
                await self._change_status(Status.ACQUIRING, sentence)
            case protocol.CameraFailed(reason):
                sentence = protocol.CAMERA_FAILURES[reason]
                await self._change_status(Status.FAILED, sentence)
            case protocol.Stop():
                self._negotiation.drop()
                await self._change_status(Status.PENDING, "The camera is off.")

    # --- what others in this system say -----------------------------------------------

    async def inference_result(self, message: dict[str, Any]) -> None:
        """See apps/inference/results.py."""
        self._negotiation.deliver(message)
        if self._keeping is not None:
            self._keeping.answer(message)

    async def inference_dropped(self, message: dict[str, Any]) -> None:
        self._negotiation.deliver(message)

    async def inference_disagreement(self, message: dict[str, Any]) -> None:
        """A challenger answered a frame of this session otherwise, see `Keeping`."""
        if self._keeping is not None:
            self._keeping.disagree(message)

    async def session_taken(self, message: dict[str, Any]) -> None:
        """The session goes on over another socket."""
        self._negotiation.drop()
        await self.close(protocol.TAKEN_OVER)

    async def move(self, within_ms: int) -> None:
        """Tell the page to go on in another process, see `moving`."""
        await self._send("move", within_ms=within_ms)

    # --- the visit --------------------------------------------------------------------

    def _open(self, resume_token: str) -> None:
        if self._attendance is not None:
            raise ProtocolError("out_of_order", "The session is open already.")
        self._attendance = Attendance(
            scope=self.scope,
            channel=self.channel_name,
            send=self._send,
            close=self.close,
            chores=self._chores,
        )
        # Beside the messages: a page that waits in line pings, and may leave.
        self._chores.start(self._enter(self._attendance, resume_token))

    async def _enter(self, attendance: Attendance, resume_token: str) -> None:
        try:
            visit = await attendance.begin(resume_token)
            if visit is not None:
                await self._welcome(visit)
        except Exception:
            logger.exception("A page could not be let in")
            await self._send("error", code="unavailable", sentence=media.SERVER_FAULT)
            await self.close(protocol.TRY_AGAIN_LATER)

    async def _welcome(self, visit: Visit) -> None:
        self._notifier.model = visit.model
        self._keeping = Keeping(
            visit.session_id, visit.terms, send=self._send, chores=self._chores
        )
        self._seqs = itertools.count(visit.next_seq)
        await self._send(
            "welcome",
            session_id=str(visit.session_id),
            resume_token=visit.resume_token,
            next_seq=visit.next_seq,
            deployment=visit.deployment,
            ice_servers=turn.ice_servers(str(visit.session_id)),
            model=visit.model,
            worker_alive=await self._worker_alive(visit.deployment),
        )
        await self._keeping.tell_terms()
        if turn.is_configured():
            self._chores.start(self._renew_ice_servers(visit))

    def _make_pipeline(self, listener: PipelineListener) -> SessionPipeline:
        if self._attendance is None or self._attendance.visit is None:
            raise RuntimeError("The session has not been opened.")
        visit = self._attendance.visit
        return SessionPipeline(
            session_id=str(visit.session_id),
            deployment=visit.deployment,
            reply_channel=self.channel_name,
            client=inference_client.of_this_loop(),
            recorder=RunRecorder(visit),
            listener=listener,
            numbers=self._seqs,
            max_side=settings.FRAME_MAX_SIDE,
            rotation=lambda: self._rotation,
            judged=self._kept.judged,
        )

    @property
    def _kept(self) -> Keeping:
        if self._keeping is None:
            raise ProtocolError("out_of_order", "Wait for the welcome.")
        return self._keeping

    async def _change_status(self, status: str, sentence: str) -> None:
        if self._attendance is None:
            raise RuntimeError("The session has not been opened.")
        await self._attendance.change_status(status, sentence)

    async def _renew_ice_servers(self, visit: Visit) -> None:
        """A page may need a new connection long after its welcome."""
        while True:
            await asyncio.sleep(turn.RENEWAL_S)
            servers = turn.ice_servers(str(visit.session_id))
            await self._send("ice_servers", ice_servers=servers)

    async def _worker_alive(self, deployment: str) -> bool:
        try:
            return await inference_client.of_this_loop().worker_alive(deployment)
        except RedisError:
            return False

    async def _send(self, type_: str, **fields: Any) -> None:
        if type_ == "result":
            self._kept.judged.show(fields["seq"])
        await self.send_json(server_message(type_, **fields))

    async def _close(self, why: str) -> None:
        """Nothing may be left, so all of it is tried."""
        async with AsyncExitStack() as closing:
            if self._attendance is not None:
                is_left = self._is_left and not moving.of_this_process.has_begun
                closing.push_async_callback(self._attendance.end, why, is_left=is_left)
            closing.push_async_callback(self._negotiation.close)
            await self._chores.cancel()
