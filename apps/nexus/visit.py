"""`Visit`: the session's row while its page is here, from `open` to `close`.

Nothing in it waits for the database but its beginning and its end: what happens
meanwhile is written in its order by the thread of `records`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from django.db import DatabaseError

from apps.inference.models import DEFAULT_DEPLOYMENT
from apps.nexus import records
from apps.sessions import services
from apps.sessions.models import CameraSession


class Visit:
    def __init__(self, session: CameraSession) -> None:
        self.session_id = session.pk
        self.deployment = session.deployment.name
        self.version_id = session.deployment.active_version_id
        self.model = _describe(session)

    @classmethod
    async def open(cls, scope: dict[str, Any]) -> Visit:
        """Begin a session for who opened the socket of `scope`.

        Raises:
            Deployment.DoesNotExist: nothing is deployed yet.
        """
        headers = dict(scope["headers"])
        user = scope.get("user")
        session = await records.written(
            services.open_session,
            deployment=DEFAULT_DEPLOYMENT,
            user=user if user is not None and user.is_authenticated else None,
            client=headers.get(b"user-agent", b"").decode("latin-1"),
        )
        return cls(session)

    def change_status(self, status: str, sentence: str) -> None:
        records.write(services.change_status, self.session_id, status, sentence)

    async def keep_in_sight(self) -> None:
        """Say again and again that the session is alive, until others gave it up."""
        is_open = True
        while is_open:
            await asyncio.sleep(services.TOUCH_INTERVAL_S)
            try:
                is_open = await records.written(services.touch_session, self.session_id)
            except DatabaseError:
                continue  # `records` has logged it; there is time for another try

    async def close(self, why: str) -> None:
        closing = records.write(services.close_session, self.session_id, sentence=why)
        await asyncio.wait([asyncio.wrap_future(closing)])


def _describe(session: CameraSession) -> dict[str, str]:
    version = session.deployment.active_version
    return {
        "name": version.model.name,
        "version": version.version,
        "family": version.model.family,
    }
