"""Daphne as the Procfile's `web` process runs it.

Its end waits for everyone, and a download for its client.

Takes Daphne's own options: `python -m emporium.web_server --help`.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import signal
from contextlib import suppress
from typing import Any

from autobahn.exception import Disconnected
from daphne.cli import CommandLineInterface
from daphne.server import Server
from django.conf import settings
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.tcp import Port

from apps.inference.words import counted

logger = logging.getLogger(__name__)

# `M_MMAP_THRESHOLD` of glibc's malloc.h. A picture is larger, all else smaller.
MMAP_THRESHOLD = -3
PICTURE_BYTES = 256 * 1024
# Who takes nothing for so long has files and rows of the database kept open for it.
STALLED_S = 120.0


class FlowControl(asyncio.Event):
    """Set while a connection takes more. To Twisted it is an `IPushProducer`."""

    def __init__(self) -> None:
        super().__init__()
        self.set()

    def pauseProducing(self) -> None:
        self.clear()

    def resumeProducing(self) -> None:
        self.set()

    def stopProducing(self) -> None:
        """The application is told that nobody takes any more, and ends what waits."""


async def _taken(protocol: Any) -> None:
    """Wait until the client has taken what it was sent; who takes nothing is cut off.

    Then, too, the application goes on with nothing until it is told.
    """
    try:
        async with asyncio.timeout(STALLED_S):
            await protocol.flow.wait()
    except TimeoutError:
        protocol.channel.forceAbortClient()
        await protocol.flow.wait()


class WebServer(Server):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ports: list[Port] = []

    def run(self) -> None:
        core: Any = reactor
        core.addSystemEventTrigger("before", "shutdown", end_by_another_signal)
        super().run()

    def listen_success(self, port: Port) -> None:
        super().listen_success(port)
        self._ports.append(port)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "http":
            protocol.flow = FlowControl()
            # A connection that is kept alive still has that of the request before.
            protocol.channel.unregisterProducer()
            protocol.channel.registerProducer(protocol.flow, True)
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Drop what comes for a page that has just begun to leave.

        The application learns of it a moment later, and did nothing wrong till then.

        A body that goes on does so when the client has taken what there is: Daphne's
        own (4.2.3) would keep all of a download that is read faster than it is sent.
        """
        with suppress(Disconnected):
            await super().handle_reply(protocol, message)
        if message.get("more_body"):
            await _taken(protocol)

    def kill_all_applications(self) -> Deferred[None]:
        """Take nobody in any more, and have the process end after its last application.

        Daphne's own (4.2.3) waits for the first only, and for none at all if it comes
        upon a connection without one. A WebSocket leaves such a connection behind for
        up to a second: the HTTP request that it began as.
        """
        for port in self._ports:
            port.stopListening()  # type: ignore[no-untyped-call]
        return Deferred.fromFuture(asyncio.ensure_future(self._end_applications()))

    async def _end_applications(self) -> None:
        # Only now, since it has models, and Django is set up by the application.
        from apps.nexus import moving

        left = await moving.of_this_process.begin(settings.DRAIN_TIMEOUT_S)
        if left:
            logger.warning("Not moved to another process: %s", counted(left, "session"))
        # One that had connected before may still ask for an application.
        while applications := self._running_applications():
            for application in applications:
                application.cancel()
            for outcome in await asyncio.gather(*applications, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.error("An application failed at its end", exc_info=outcome)

    def _running_applications(self) -> list[asyncio.Future[None]]:
        applications = [
            connection["application_instance"]
            for connection in self.connections.values()
            if "application_instance" in connection
        ]
        return [each for each in applications if not each.done()]


class CommandLine(CommandLineInterface):  # type: ignore[misc]
    server_class = WebServer


def end_by_another_signal() -> None:
    """Whoever says it twice doesn't want to wait."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def give_pictures_back() -> None:
    """Have what a picture took go back to the system as soon as it is done with.

    glibc comes to keep what is often freed, for each thread apart, and smaller things
    lie in the holes: tens of megabytes an hour. A threshold that is set stays where it
    is: `man 3 mallopt`. Other C libraries don't have it.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, PICTURE_BYTES)


if __name__ == "__main__":
    give_pictures_back()
    CommandLine.entrypoint()
