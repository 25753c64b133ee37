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
from dataclasses import asdict
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.inference import client as inference_client
from apps.inference.models import Deployment
from apps.nexus import ice, media, moving, protocol, turn
from apps.nexus.admission.place import Place
from apps.nexus.admission.standing import Waiting
from apps.nexus.admission.stay import Stay
from apps.nexus.admission.visitor import Visitor
from apps.nexus.chores import Chores, whatever_happens
from apps.nexus.credit import ResultCredit
from apps.nexus.jpeg import read_picture
from apps.nexus.negotiation import Negotiation
from apps.nexus.pace import Pace
from apps.nexus.pipeline import PipelineListener, SessionPipeline
from apps.nexus.protocol import ProtocolError, server_message
from apps.nexus.quality import Quality
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
# Of our own range: servers may not send 1012 and 1013 themselves.
TRY_AGAIN_LATER = 4013
BEGIN_ANEW = 4012
SESSION_OVER = 4011
TAKEN_OVER = 4014
NOTHING_SAID = 4008

# A page speaks as soon as its socket is open.
OPEN_PATIENCE_S = 10.0


class SessionConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Lives on the event loop; nothing in it waits for the database or for ICE."""

    def __init__(self) -> None:
        super().__init__()
        self._chores = Chores()
        self._negotiation = Negotiation(
            make_pipeline=self._make_pipeline, listener=self, chores=self._chores
        )
        self._credit = ResultCredit(self.send_json)
        self._pace = Pace()
        self._is_opened = False
        self._visit: Visit | None = None
        self._place: Place | None = None
        # None until the visit has been let in.
        self._stay: Stay | None = None
        self._waits_because = ""
        self._model: dict[str, str] | None = None
        self._seqs = itertools.count()
        self._rotation = 0
        self._why_closed: str | None = None
        self._is_over = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        moving.of_this_process.enter(self)
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            # A server that shuts down calls no `disconnect`.
            self._why_closed = self._why_closed or SERVER_STOPPED
            raise
        finally:
            why = self._why_closed or media.SERVER_FAULT
            try:
                await whatever_happens(self._close(why))
            finally:
                moving.of_this_process.leave(self)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without Channels' visit to the database's thread before every message."""
        await getattr(self, get_handler_name(message))(message)

    # --- the socket -----------------------------------------------------------------

    async def connect(self) -> None:
        await self.accept()
        self._chores.start(self._close_when_silent())

    def _open(self, message: protocol.Open) -> None:
        if self._is_opened:
            raise ProtocolError("out_of_order", "The session is open already.")
        self._is_opened = True
        self._chores.start(self._enter(message.resume_token))

    async def _enter(self, resume_token: str) -> None:
        if moving.of_this_process.has_begun:
            await self._turn_away("The server is being restarted.")
            return
        try:
            visit = await Visit.enter(
                self.scope, holder=self.channel_name, resume_token=resume_token
            )
        except Deployment.DoesNotExist:
            logger.error("Nothing is deployed yet: `manage.py provision` does it.")
            await self._turn_away("Nothing is served here yet.")
        except DatabaseError:
            # `records` has logged it.
            await self._turn_away("Sessions can't be written down now.")
        else:
            self._visit = visit
            self._chores.start(self._close_when_given_up(visit))
            await self._part_from_former(visit)
            await self._come_in(visit)

    async def _come_in(self, visit: Visit) -> None:
        """Beside the messages: a page that waits in line pings, and may leave."""
        visitor = Visitor.from_scope(str(visit.session_id), self.scope)
        place = self._place = Place(visitor)
        held_s = await place.enter(self._tell_place)
        self._chores.start(place.keep())
        if self._waits_because:
            visit.change_status(Status.PENDING, "")
        stay = self._stay = Stay(held_s=held_s, notify=self._tell_live)
        self._chores.start(self._end_when_over(stay))
        await self._welcome(visit)

    async def _welcome(self, visit: Visit) -> None:
        self._model = visit.model
        self._seqs = itertools.count(visit.next_seq)
        await self._send(
            "welcome",
            session_id=str(visit.session_id),
            resume_token=visit.resume_token,
            next_seq=visit.next_seq,
            deployment=visit.deployment,
            ice_servers=turn.ice_servers(str(visit.session_id)),
            model=self._model,
            worker_alive=await self._worker_alive(),
        )
        if turn.is_configured():
            self._chores.start(self._renew_ice_servers(visit))

    async def _turn_away(self, sentence: str) -> None:
        await self._send_error("unavailable", sentence)
        await self.close(TRY_AGAIN_LATER)

    async def _part_from_former(self, visit: Visit) -> None:
        """Whoever held the session until now may be half dead, in any process."""
        if not visit.former_holder:
            return
        try:
            await self.channel_layer.send(
                visit.former_holder, {"type": "session.taken"}
            )
        except RedisError as error:
            # It will find out when it next says that it is alive.
            logger.warning("A former holder was not told: %s", error)

    async def session_taken(self, message: dict[str, Any]) -> None:
        """The session goes on over another socket."""
        self._negotiation.drop()
        await self.close(TAKEN_OVER)

    async def move(self, within_ms: int) -> None:
        """Tell the page to go on in another process, see `moving`."""
        await self._send("move", within_ms=within_ms)

    async def _close_when_silent(self) -> None:
        await asyncio.sleep(OPEN_PATIENCE_S)
        if not self._is_opened:
            await self.close(NOTHING_SAID)

    async def disconnect(self, code: int) -> None:
        page = PAGE_LOST if code == ABNORMAL_CLOSURE else PAGE_CLOSED
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
            await self.on_refused(error)

    async def _read(self, message: protocol.ClientMessage) -> None:
        match message:
            case protocol.Open():
                self._open(message)
            case protocol.Ping(sent_at_ms):
                await self._send("pong", sent_at_ms=sent_at_ms)
            case _ if self._stay is None:
                raise ProtocolError("out_of_order", "Wait for the welcome.")
            case _:
                await self._follow(message)

    async def _keeps_pace(self) -> bool:
        if self._pace.allows_one_more():
            return True
        # What had come before it was closed is still to be passed over.
        if self._why_closed != TOO_FAST:
            self._why_closed = TOO_FAST
            await self._send_error("too_fast", TOO_FAST)
            await self.close(TRY_AGAIN_LATER)
        return False

    async def _follow(self, message: protocol.ClientMessage) -> None:
        match message:
            case protocol.Ack(seq, timings):
                if timings is not None:
                    self._negotiation.record_drawn(seq, timings)
                await self._credit.acknowledge(seq)
            case protocol.Rotate(rotation):
                self._rotation = rotation
            case protocol.Candidate(candidate):
                self._negotiation.add_candidate(candidate)
            case protocol.Offer(sdp):
                self._negotiation.offer(sdp)
                self._credit.restart()
            case protocol.BeginJpeg():
                self._negotiation.begin_jpeg()
                self._credit.restart()
            case protocol.Acquiring() | protocol.CameraFailed() | protocol.Stop():
                await self._follow_camera(message)

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

    # --- what the negotiation and its media tell --------------------------------------

    async def on_answer(self, sdp: str) -> None:
        await self._send("answer", sdp=sdp)
        if not self._negotiation.is_live:
            await self._change_status(
                Status.CONNECTING, "Connecting the camera to the server."
            )

    async def on_taken(self, rtp_timestamp: int) -> None:
        await self._send("taken", rtp_timestamp=rtp_timestamp)

    async def on_refused(self, error: ProtocolError) -> None:
        await self._send_error(error.code, error.sentence)

    async def on_failed(self, sentence: str) -> None:
        await self._change_status(Status.FAILED, sentence)

    async def on_interrupted(self, sentence: str) -> None:
        await self._change_status(Status.RECONNECTING, sentence)

    def on_live(self, sentence: str) -> None:
        self._chores.start(self._change_status(Status.LIVE, sentence))

    def on_worker(self, alive: bool, sentence: str) -> None:
        self._chores.start(self._send("worker", alive=alive, sentence=sentence))

    def on_quality(self, quality: Quality) -> None:
        self._chores.start(self._send("quality", **asdict(quality)))

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self._chores.start(self._send_result(message, timings))

    async def _send_result(
        self, message: dict[str, Any], timings: dict[str, float]
    ) -> None:
        model = {
            key: message["served_by"][key] for key in ("name", "version", "family")
        }
        if model != self._model:
            self._model = model
            # The next track's run is likely to be of the same version.
            self._open_visit.version_id = message["served_by"]["version_id"]
            await self._send("model", model=model)
        await self._credit.offer(
            server_message(
                "result",
                **{
                    field: message[field]
                    for field in protocol.SERVER_MESSAGES["result"]
                    if field != "timings"
                },
                timings={stage: round(ms, 2) for stage, ms in timings.items()},
            )
        )

    # --- what workers publish, see apps/inference/results.py --------------------------

    async def inference_result(self, message: dict[str, Any]) -> None:
        self._negotiation.deliver(message)

    inference_dropped = inference_result

    # --- the visit --------------------------------------------------------------------

    def _make_pipeline(self, listener: PipelineListener) -> SessionPipeline:
        visit = self._open_visit
        return SessionPipeline(
            session_id=str(visit.session_id),
            deployment=visit.deployment,
            reply_channel=self.channel_name,
            client=inference_client.of_this_loop(),
            recorder=RunRecorder(visit.session_id, visit.version_id),
            listener=listener,
            numbers=self._seqs,
            max_side=settings.FRAME_MAX_SIDE,
            rotation=lambda: self._rotation,
        )

    async def _tell_place(self, waiting: Waiting) -> None:
        if waiting.sentence != self._waits_because:
            self._waits_because = waiting.sentence
            await self._change_status(Status.WAITING, waiting.sentence)
        await self._send(
            "place", position=waiting.position, estimate_s=waiting.estimate_s
        )

    async def _tell_live(self, sentence: str) -> None:
        await self._change_status(Status.LIVE, sentence)

    async def _end_when_over(self, stay: Stay) -> None:
        self._why_closed = await stay.until_over()
        self._is_over = True
        await self._send("status", status="ended", sentence=self._why_closed)
        await self.close(SESSION_OVER)

    async def _change_status(self, status: str, sentence: str) -> None:
        if self._stay is not None:
            self._stay.note_live(status == Status.LIVE)
        self._open_visit.change_status(status, sentence)
        await self._send("status", status=str(status), sentence=sentence)

    async def _close_when_given_up(self, visit: Visit) -> None:
        goes_on_elsewhere = await visit.keep_in_sight()
        await self.close(TAKEN_OVER if goes_on_elsewhere else BEGIN_ANEW)

    async def _renew_ice_servers(self, visit: Visit) -> None:
        """A page may need a new connection long after its welcome."""
        while True:
            await asyncio.sleep(turn.RENEWAL_S)
            servers = turn.ice_servers(str(visit.session_id))
            await self._send("ice_servers", ice_servers=servers)

    async def _worker_alive(self) -> bool:
        try:
            return await inference_client.of_this_loop().worker_alive()
        except RedisError:
            return False

    @property
    def _open_visit(self) -> Visit:
        if self._visit is None:
            raise RuntimeError("The session has not been opened.")
        return self._visit

    async def _send_error(self, code: str, sentence: str) -> None:
        await self._send("error", code=code, sentence=sentence)

    async def _send(self, type_: str, **fields: Any) -> None:
        await self.send_json(server_message(type_, **fields))

    async def _close(self, why: str) -> None:
        """Nothing may be left, so all of it is tried."""
        async with AsyncExitStack() as closing:
            # Who was not let in has nothing to come back to.
            for_good = self._is_over or self._stay is None
            if self._visit is not None:
                leave = self._visit.end if for_good else self._visit.leave
                closing.push_async_callback(leave, why)
            if self._place is not None:
                closing.push_async_callback(self._place.leave, for_good=for_good)
            closing.push_async_callback(self._negotiation.close)
            await self._chores.cancel()
