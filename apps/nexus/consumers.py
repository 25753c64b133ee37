"""`SessionConsumer`: the signalling of one browser visit, and the owner of its media.

The socket pins the session to this process: when it goes, however it goes, the peer
connection, the frames and the records of the session are closed with it. What happens
to frames is the pipeline's business, what a message may say the protocol's.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.inference import client as inference_client
from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment
from apps.nexus import ice, media, protocol, records, turn
from apps.nexus.credit import ResultCredit
from apps.nexus.media import MediaLink
from apps.nexus.peer import check_offer
from apps.nexus.pipeline import PipelineListener, SessionPipeline
from apps.nexus.protocol import ProtocolError, server_message
from apps.nexus.runs import RunRecorder
from apps.sessions import services
from apps.sessions.models import CameraSession

logger = logging.getLogger(__name__)
ice.be_reached(ice.Reach.from_settings())

Status = CameraSession.Status

PAGE_CLOSED = "The page was closed."
PAGE_LOST = "The connection to the page was lost."
SERVER_STOPPED = "The server was stopped."
OFFER_GRACE_S = 1.0
# A socket that closed by itself, without the two sides having said so.
ABNORMAL_CLOSURE = 1006
# Of our own range: servers may not send 1012 and 1013 themselves.
TRY_AGAIN_LATER = 4013
BEGIN_ANEW = 4012


class SessionConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Lives on the event loop; nothing in it waits for the database or for ICE."""

    def __init__(self) -> None:
        super().__init__()
        self._session: CameraSession | None = None
        self._link: MediaLink | None = None
        self._seqs = itertools.count()
        self._credit = ResultCredit(self.send_json)
        self._model: dict[str, str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._why_closed: str | None = None
        # The connection whose loss is still to be told.
        self._lost: MediaLink | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            # A server that shuts down calls no `disconnect`.
            self._why_closed = self._why_closed or SERVER_STOPPED
            raise
        finally:
            await _whatever_happens(self._close(self._why_closed or media.SERVER_FAULT))

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without Channels' visit to the database's thread before every message."""
        await getattr(self, get_handler_name(message))(message)

    # --- the socket -----------------------------------------------------------------

    async def connect(self) -> None:
        await self.accept()
        headers = dict(self.scope["headers"])
        user = self.scope.get("user")
        try:
            session = await records.written(
                services.open_session,
                deployment=DEFAULT_DEPLOYMENT,
                user=user if user is not None and user.is_authenticated else None,
                client=headers.get(b"user-agent", b"").decode("latin-1"),
            )
        except Deployment.DoesNotExist:
            logger.error("Nothing is deployed yet: `manage.py provision` does it.")
            await self._send_error("unavailable", "Nothing is served here yet.")
            await self.close(TRY_AGAIN_LATER)
            return
        self._session = session
        self._model = _describe(session)
        await self.send_json(
            server_message(
                "welcome",
                session_id=str(session.pk),
                deployment=session.deployment.name,
                ice_servers=turn.ice_servers(str(session.pk)),
                model=self._model,
                worker_alive=await self._worker_alive(),
            )
        )
        self._spawn(self._keep_in_sight())
        if turn.is_configured():
            self._spawn(self._renew_ice_servers())

    async def disconnect(self, code: int) -> None:
        self._why_closed = PAGE_LOST if code == ABNORMAL_CLOSURE else PAGE_CLOSED

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        if self._session is None:
            return
        try:
            if text_data is None:
                raise ProtocolError("malformed", "Messages are text, not bytes.")
            await self._follow(protocol.parse(text_data))
        except ProtocolError as error:
            await self._send_error(error.code, error.sentence)

    async def _follow(self, message: protocol.ClientMessage) -> None:
        match message:
            case protocol.Ack(seq, timings):
                if timings is not None and self._link is not None:
                    self._link.record_drawn(seq, timings)
                await self._credit.acknowledge(seq)
            case protocol.Ping(sent_at_ms):
                await self.send_json(server_message("pong", sent_at_ms=sent_at_ms))
            case protocol.Candidate(candidate):
                self._spawn(self._add_candidate(self._link, candidate))
            case protocol.Offer(sdp):
                self._negotiate(sdp)
            case protocol.Acquiring():
                await self._move_on(
                    Status.ACQUIRING, "Waiting for the camera to be allowed."
                )
            case protocol.CameraFailed(reason):
                await self._move_on(Status.FAILED, protocol.CAMERA_FAILURES[reason])
            case protocol.Stop():
                self._drop_link()
                await self._move_on(Status.PENDING, "The camera is off.")

    async def _move_on(self, status: str, sentence: str) -> None:
        """The page itself says where it is: what was lost before is old news."""
        self._lost = None
        await self._change_status(status, sentence)

    # --- the peer connection --------------------------------------------------------

    def _negotiate(self, sdp: str) -> None:
        """Begin a new peer connection. Candidates that follow belong to it at once."""
        check_offer(sdp)
        self._drop_link()
        self._lost = None
        link = self._link = MediaLink(
            make_pipeline=self._make_pipeline,
            listener=self,
            connect_timeout_s=settings.CONNECT_TIMEOUT_S,
        )
        self._credit.restart()
        self._spawn(self._answer(link, sdp))

    async def _answer(self, link: MediaLink, sdp: str) -> None:
        if self._retiring:
            # What closes empties the session's slot, which is now to be filled anew.
            await asyncio.wait(set(self._retiring))
        try:
            answer = await link.accept_offer(sdp)
        except ProtocolError as error:
            if self._link is link:
                self._drop_link()
                await self._change_status(Status.FAILED, error.sentence)
            return
        if self._link is link:
            await self.send_json(server_message("answer", sdp=answer))
            await self._change_status(
                Status.CONNECTING, "Connecting the camera to the server."
            )

    async def _add_candidate(
        self, link: MediaLink | None, candidate: protocol.IceCandidate | None
    ) -> None:
        """Beside other messages: to resolve a candidate's name may take a second."""
        try:
            if link is None:
                raise ProtocolError(
                    "out_of_order",
                    "A candidate came, but there is no offer it belongs to.",
                )
            await link.add_candidate(candidate)
        except ProtocolError as error:
            await self._send_error(error.code, error.sentence)

    def _make_pipeline(self, listener: PipelineListener) -> SessionPipeline:
        session = self._open_session
        return SessionPipeline(
            session_id=str(session.pk),
            deployment=session.deployment.name,
            reply_channel=self.channel_name,
            client=inference_client.of_this_loop(),
            recorder=RunRecorder(session.pk, session.deployment.active_version_id),
            listener=listener,
            numbers=self._seqs,
            max_side=settings.FRAME_MAX_SIDE,
        )

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            # Closed to the end, even if the session ends meanwhile.
            task = asyncio.create_task(link.close())
            self._retiring.add(task)
            task.add_done_callback(self._finish_task)

    # --- what the link tells --------------------------------------------------------

    def on_live(self) -> None:
        self._spawn(self._change_status(Status.LIVE, "Live."))

    def on_worker(self, alive: bool, sentence: str) -> None:
        message = server_message("worker", alive=alive, sentence=sentence)
        self._spawn(self.send_json(message))

    def on_result(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        self._spawn(self._send_result(message, timings))

    def on_lost(self, link: MediaLink, sentence: str) -> None:
        if link is self._link:
            self._drop_link()
            self._lost = link
            self._spawn(self._declare_lost(link, sentence))

    async def _declare_lost(self, link: MediaLink, sentence: str) -> None:
        """A page that mends its connection closes the old one just before it offers."""
        await asyncio.sleep(OFFER_GRACE_S)
        if self._lost is link and self._link is None:
            await self._change_status(Status.FAILED, sentence)

    async def _send_result(
        self, message: dict[str, Any], timings: dict[str, float]
    ) -> None:
        model = {
            key: message["served_by"][key] for key in ("name", "version", "family")
        }
        if model != self._model:
            self._model = model
            await self.send_json(server_message("model", model=model))
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
        if self._link is not None:
            self._link.deliver(message)

    inference_dropped = inference_result

    # --- records --------------------------------------------------------------------

    async def _change_status(self, status: str, sentence: str) -> None:
        records.write(services.change_status, self._open_session.pk, status, sentence)
        await self.send_json(
            server_message("status", status=str(status), sentence=sentence)
        )

    async def _keep_in_sight(self) -> None:
        """Say that the session is alive; one that was given up begins anew."""
        session_id = self._open_session.pk
        while True:
            await asyncio.sleep(services.TOUCH_INTERVAL_S)
            try:
                is_open = await records.written(services.touch_session, session_id)
            except DatabaseError:
                continue  # `records` has logged it; there is time for another try
            if not is_open:
                await self.close(BEGIN_ANEW)
                return

    async def _renew_ice_servers(self) -> None:
        """A page may need a new connection long after its welcome."""
        while True:
            await asyncio.sleep(turn.RENEWAL_S)
            servers = turn.ice_servers(str(self._open_session.pk))
            await self.send_json(server_message("ice_servers", ice_servers=servers))

    async def _worker_alive(self) -> bool:
        try:
            return await inference_client.of_this_loop().worker_alive()
        except RedisError:
            return False

    @property
    def _open_session(self) -> CameraSession:
        if self._session is None:
            raise RuntimeError("The session has not been opened.")
        return self._session

    async def _send_error(self, code: str, sentence: str) -> None:
        await self.send_json(server_message("error", code=code, sentence=sentence))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` beside the socket's messages; it ends with the session."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish_task)

    def _finish_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._retiring.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A task of the session failed", exc_info=error)

    async def _close(self, why: str) -> None:
        """Nothing may be left, so all of it is tried."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        self._drop_link()
        await asyncio.gather(*tasks, *self._retiring, return_exceptions=True)
        if self._session is not None:
            closing = records.write(
                services.close_session,
                self._session.pk,
                sentence=why,
            )
            await asyncio.wait([asyncio.wrap_future(closing)])


async def _whatever_happens(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` to its end, even if the task that does it is cancelled meanwhile."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()


def _describe(session: CameraSession) -> dict[str, str]:
    version = session.deployment.active_version
    return {
        "name": version.model.name,
        "version": version.version,
        "family": version.model.family,
    }
