"""`Visit`: a session's row while a page's socket holds it, from `enter` to `leave`.

Nothing in it waits for the database but its beginning and its end: what happens
meanwhile is written in its order by the thread of `records`. What another visit has
taken over is left alone.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError
from django.utils import timezone

from apps.inference.models import DEFAULT_DEPLOYMENT
from apps.nexus import records, resume
from apps.sessions import services
from apps.sessions.captures import Terms
from apps.sessions.models import CameraSession
from apps.sessions.services import Continued

# More than any camera gives in a second, so that numbers only go up.
SEQS_PER_SECOND = 1000


class Visit:
    """Who holds what.

    Args:
        continued: a session, new or not.
        holder: the channel of the consumer that holds it from now on.
    """

    def __init__(self, continued: Continued, *, holder: str) -> None:
        session = continued.session
        self.session_id = session.pk
        self.deployment = session.deployment.name
        # Who is expected to answer: whoever did last, see `RunRecorder`.
        self.version_id = continued.canary_id or session.deployment.active_version_id
        self.model = _describe(session)
        self.terms = Terms.of(session)
        self.former_holder = continued.former_holder
        self.resume_token = resume.token_of(session.pk)
        self.next_seq = 0 if continued.is_new else _next_seq(session)
        self._holder = holder

    @classmethod
    def enter(
        cls, scope: dict[str, Any], *, holder: str, resume_token: str
    ) -> Future[Visit]:
        """Go on with the token's session, or begin one.

        Until its turn has come it can be cancelled; from then on it holds the session,
        whether anybody waits for it or not.

        Args:
            scope: its path names the deployment; the shortest one is the usual.
            holder: the channel of the page's consumer.
            resume_token: of a session of the same deployment; may be empty.

        Raises:
            Deployment.DoesNotExist: nothing is deployed by that name.
            DatabaseError: nobody knows.
        """
        user = scope.get("user")
        headers = dict(scope["headers"])
        return records.write(
            _enter,
            deployment=scope["url_route"]["kwargs"].get(
                "deployment", DEFAULT_DEPLOYMENT
            ),
            user=user if user is not None and user.is_authenticated else None,
            client=headers.get(b"user-agent", b"").decode("latin-1"),
            holder=holder,
            resume_token=resume_token,
        )

    def change_status(self, status: str, sentence: str) -> None:
        records.write(
            services.change_status,
            self.session_id,
            status,
            sentence,
            holder=self._holder,
        )

    async def keep_in_sight(self) -> bool:
        """Say again and again that the session is alive, until it is not this visit's.

        Returns:
            Whether it goes on elsewhere.
        """
        while True:
            await asyncio.sleep(services.TOUCH_INTERVAL_S)
            try:
                is_held = await records.written(
                    services.touch_session, self.session_id, holder=self._holder
                )
                if not is_held:
                    return await records.written(services.is_open, self.session_id)
            except DatabaseError:
                continue  # `records` has logged it; there is time for another try

    async def leave(self, why: str) -> None:
        """Let the session wait for its page, unless it goes on elsewhere."""
        leaving = records.write(
            services.leave_session, self.session_id, sentence=why, holder=self._holder
        )
        await asyncio.wait([asyncio.wrap_future(leaving)])

    async def end(self, why: str) -> bool:
        """End the session, whatever its page does.

        Returns:
            Whether it is over now; not if it goes on elsewhere, or nobody knows.
        """
        try:
            return await records.written(
                services.close_session,
                self.session_id,
                sentence=why,
                holder=self._holder,
            )
        except DatabaseError:
            return False  # `records` has logged it; the housekeeping ends it


def _enter(
    *,
    deployment: str,
    user: AbstractBaseUser | None,
    client: str,
    holder: str,
    resume_token: str,
) -> Visit:
    session_id = resume.session_of(resume_token)
    if session_id is not None:
        continued = services.continue_session(
            session_id, user=user, holder=holder, deployment=deployment
        )
        if continued is not None:
            return Visit(continued, holder=holder)
    session = services.open_session(
        deployment=deployment, user=user, client=client, holder=holder
    )
    return Visit(Continued(session, is_new=True), holder=holder)


def _next_seq(session: CameraSession) -> int:
    """A number that none of the session's frames has had.

    By the clock alone: who held the session may not have written what it counted.
    """
    seconds = (timezone.now() - session.opened_at).total_seconds()
    return max(0, int(seconds * SEQS_PER_SECOND))


def _describe(session: CameraSession) -> dict[str, str]:
    version = session.deployment.active_version
    return {
        "name": version.model.name,
        "version": version.version,
        "family": version.model.family,
    }
