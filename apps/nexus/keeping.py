"""`Keeping`: the pictures that one visit gives, and what its person says of them.

Which are kept is decided here; whether any may be, the session's row says, and
`apps.sessions.captures` looks at it each time. What takes its time is done in chores.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.db import DatabaseError

from apps.inference.models import ModelVersion
from apps.inference.registering.contents import labels_of
from apps.inference.words import counted
from apps.nexus import records, resume
from apps.nexus.chores import Chores
from apps.nexus.judged import Judged, JudgedFrames
from apps.nexus.pace import Pace
from apps.nexus.protocol import Complain, Consent, Dispute, Send, TakeBack
from apps.nexus.sampling import Sampler
from apps.nexus.stills import preview_of, still_of
from apps.sessions import captures
from apps.sessions.capture_files import CaptureError
from apps.sessions.captures import (
    NotAllowedError,
    NotSampledError,
    Occasion,
    Terms,
    Withdrawn,
)
from apps.sessions.models import Capture

logger = logging.getLogger(__name__)

Reason = Capture.Reason
# Nobody looks at more pictures than that, let alone says what is on them.
ACTS_PER_SECOND = 0.5
ACTS_AT_ONCE = 10

KEPT = "Thank you. The picture is kept, and somebody will look at it."
NOT_KEPT = "Thank you. No picture was kept."
GONE = "Thank you. The picture is gone already, so none was kept."
TOO_MANY = "That was a lot at once. Wait a moment, then say it again."
NOT_NOW = "That could not be written down. Try again in a moment."


class Keeping:
    """One visit's.

    Args:
        session_id: whose pictures.
        terms: what was agreed on so far.
        send: to the page.
        chores: what goes on meanwhile; it ends with the visit.
    """

    def __init__(
        self, session_id: uuid.UUID, terms: Terms, *, send: Send, chores: Chores
    ) -> None:
        self._session_id = session_id
        self._terms = terms
        # What the session's row says, as far as we know.
        self._is_written = terms.is_allowed
        self._send = send
        self._chores = chores
        self._pace = Pace(per_second=ACTS_PER_SECOND, at_once=ACTS_AT_ONCE)
        # Whoever has said too much of pictures can still take them back.
        self._pace_back = Pace(per_second=ACTS_PER_SECOND, at_once=ACTS_AT_ONCE)
        self._sampler = Sampler(terms, random.random, time.monotonic)
        # A complaint behind a consent counts on it.
        self._in_order = asyncio.Lock()
        self.judged = JudgedFrames()
        self.judged.allow(terms.is_allowed)

    async def tell_terms(self, sentence: str = "") -> None:
        await self._send(
            "keeping",
            is_allowed=self._terms.is_allowed,
            samples=self._terms.samples,
            retention_days=self._terms.retention_days,
            sentence=sentence,
        )

    # --- what the page says -----------------------------------------------------------

    def follow(self, message: Dispute | Complain | Consent | TakeBack) -> None:
        match message:
            case Dispute(seq=None):
                self.judged.unpin()
            case Dispute(seq=int(seq)):
                self._chores.start(self._tell_disputed(seq, self.judged.pin(seq)))
            case Complain(seq):
                judged = self.judged.find(seq)
                self.judged.unpin()
                self._chores.start(self._answer_complaint(message, judged))
            case Consent() if not self._pace.allows_one_more():
                self._chores.start(self.tell_terms(TOO_MANY))
            case Consent():
                days = self._terms.retention_days
                written = records.write(_allow, self._session_id, days)
                self._chores.start(self._tell_consent(True, written))
            case TakeBack() if not self._pace_back.allows_one_more():
                self._chores.start(self.tell_terms(TOO_MANY))
            case TakeBack(resume_token):
                # At once, and given to `records` at once: it counts whatever the page,
                # or what is being kept just now, does meanwhile.
                self._agree(False)
                session_id = resume.session_of(resume_token) or self._session_id
                written = records.write(_withdraw, session_id)
                self._chores.start(self._tell_consent(False, written))

    # --- what the workers say ---------------------------------------------------------

    def answer(self, message: dict[str, Any]) -> None:
        """Take an `inference.result`; now and then its picture is worth keeping."""
        judged = self.judged.answer(message)
        if judged is None or not judged.is_given:
            return
        reason = self._sampler.choose(message)
        if reason is not None:
            occasion = Occasion.of(reason, message)
            self._chores.start(self._keep_quietly(judged, occasion))

    def disagree(self, message: dict[str, Any]) -> None:
        """Take an `inference.disagreement`, whose frame may be gone by now."""
        judged = self.judged.find(message["seq"])
        if judged is None or judged.message is None or not judged.is_given:
            return
        if self._sampler.has_room():
            occasion = Occasion.of(
                Reason.DISAGREEMENT, judged.message, trial_id=message["trial_id"]
            )
            answer = message["challenger"]
            occasion.predicted["challenger"] = {
                name: answer[name] for name in captures.PREDICTED
            }
            self._chores.start(self._keep_quietly(judged, occasion))

    # --- what comes of it -------------------------------------------------------------

    async def _tell_disputed(self, seq: int, judged: Judged | None) -> None:
        if judged is None or judged.message is None or not self._pace.allows_one_more():
            await self._send(
                "disputed", seq=seq, picture=None, is_hot_dog=None, labels=[]
            )
            return
        version_id = judged.message["served_by"]["version_id"]
        await self._send(
            "disputed",
            seq=seq,
            picture=await asyncio.to_thread(preview_of, judged.frame),
            is_hot_dog=judged.message["is_hot_dog"],
            labels=await self._labels(version_id),
        )

    async def _labels(self, version_id: int) -> list[str]:
        """To choose from; whoever gets none can still type."""
        try:
            return await records.written(_labels, version_id)
        except (DatabaseError, LookupError):
            return []

    async def _answer_complaint(self, said: Complain, judged: Judged | None) -> None:
        is_kept, sentence = False, TOO_MANY
        if self._pace.allows_one_more():
            async with self._in_order:
                is_kept, sentence = await self._keep_complaint(said, judged)
        await self._send("thanks", seq=said.seq, is_kept=is_kept, sentence=sentence)

    async def _keep_complaint(
        self, said: Complain, judged: Judged | None
    ) -> tuple[bool, str]:
        if not self._terms.is_allowed:
            return False, NOT_KEPT
        if judged is None or judged.message is None:
            return False, GONE
        occasion = Occasion.of(
            Reason.WRONG,
            judged.message,
            said={"is_hot_dog": said.is_hot_dog, "label": said.label},
        )
        try:
            await self._keep(judged, occasion)
        except CaptureError as error:
            return False, str(error)
        except DatabaseError:
            return False, NOT_NOW
        return True, KEPT

    async def _keep_quietly(self, judged: Judged, occasion: Occasion) -> None:
        """`records` has logged what went wrong; the next one may go well."""
        try:
            await self._keep(judged, occasion)
        except (CaptureError, DatabaseError):
            return

    async def _keep(self, judged: Judged, occasion: Occasion) -> None:
        still = await asyncio.to_thread(still_of, judged.frame)
        try:
            await records.written(
                captures.keep_capture, self._session_id, still, occasion
            )
        except NotAllowedError:
            # Whoever purges a session ends its consent as well.
            self._is_written = False
            self._agree(False)
            await self.tell_terms()
            raise
        except NotSampledError:
            self._terms = self._sampler.terms = await records.written(
                captures.terms_of, self._session_id
            )
            await self.tell_terms()
            raise

    async def _tell_consent(self, is_allowed: bool, written: Future[str]) -> None:
        async with self._in_order:
            try:
                sentence = await asyncio.shield(asyncio.wrap_future(written))
            except DatabaseError:
                sentence = NOT_NOW
            else:
                self._is_written = is_allowed
            self._agree(self._is_written)
        await self.tell_terms(sentence)

    def _agree(self, is_allowed: bool) -> None:
        self._terms = replace(self._terms, is_allowed=is_allowed)
        self.judged.allow(is_allowed)


def _allow(session_id: uuid.UUID, days: int) -> str:
    captures.allow(session_id, days=days)
    return ""


def _withdraw(session_id: uuid.UUID) -> str:
    return withdrawn_words(captures.withdraw(session_id))


def withdrawn_words(withdrawn: Withdrawn) -> str:
    """What is told to who took the consent back."""
    words = "No more pictures are kept."
    if withdrawn.removed:
        words += f" Removed: {counted(withdrawn.removed, 'picture')}."
    if withdrawn.used:
        words += f" Chosen for learning before: {counted(withdrawn.used, 'picture')}."
    return words


@lru_cache(maxsize=32)
def _labels(version_id: int) -> list[str]:
    """What a version can name; its files stay as they are.

    Raises:
        LookupError: its files can't be read just now, which isn't remembered.
    """
    if labels := labels_of(ModelVersion.objects.get(pk=version_id)):
        return labels
    raise LookupError(version_id)
