"""Daphne as the Procfile's `web` process runs it: with an end that waits for everyone.

Takes Daphne's own options: `python -m emporium.web_server --help`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from daphne.cli import CommandLineInterface
from daphne.server import Server
from twisted.internet.defer import Deferred

logger = logging.getLogger(__name__)


class WebServer(Server):  # type: ignore[misc]
    def kill_all_applications(self) -> Deferred[None]:
        """Cancel the applications and have the process end after the last of them.

        Daphne's own (4.2.3) waits for the first only, and for none at all if it comes
        upon a connection without one. A WebSocket leaves such a connection behind for
        up to a second: the HTTP request that it began as.
        """
        applications = [
            connection["application_instance"]
            for connection in self.connections.values()
            if "application_instance" in connection
        ]
        return Deferred.fromFuture(asyncio.ensure_future(_end(applications)))


async def _end(applications: Sequence[asyncio.Future[None]]) -> None:
    for application in applications:
        application.cancel()
    for outcome in await asyncio.gather(*applications, return_exceptions=True):
        if isinstance(outcome, Exception):
            logger.error("An application failed at its end", exc_info=outcome)


class CommandLine(CommandLineInterface):  # type: ignore[misc]
    server_class = WebServer


if __name__ == "__main__":
    CommandLine.entrypoint()
