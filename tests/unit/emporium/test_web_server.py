"""The end of a web process: it waits for every application, whatever they do."""

from __future__ import annotations

import asyncio
import logging
import platform
import subprocess
import sys

import pytest
from autobahn.exception import Disconnected

from apps.nexus import moving
from apps.nexus.moving import Moving
from emporium.web_server import WebServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> WebServer:
    monkeypatch.setattr(moving, "of_this_process", Moving())
    server = WebServer(application=None, endpoints=["tcp:0"])
    server.connections = {}
    return server


def open_connection(
    server: WebServer, name: str, steps_to_end: int, error: Exception | None = None
) -> asyncio.Task[None]:
    task = asyncio.create_task(_application(steps_to_end, error))
    server.connections[name] = {"connected": 0.0, "application_instance": task}
    return task


async def _application(steps_to_end: int, error: Exception | None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        for _ in range(steps_to_end):
            await asyncio.sleep(0)
        if error is not None:
            raise error


async def test_it_ends_after_the_last_application(server: WebServer):
    quick = open_connection(server, "quick", 1)
    slow = open_connection(server, "slow", 50)
    await asyncio.sleep(0)

    await server.kill_all_applications().asFuture(asyncio.get_running_loop())

    assert quick.cancelled()
    assert slow.cancelled()


async def test_a_connection_without_an_application_keeps_none_alive(server: WebServer):
    """As the request is, for a second, that a WebSocket began as."""
    server.connections["request"] = {"connected": 0.0, "disconnected": 0.0}
    visit = open_connection(server, "visit", 1)
    await asyncio.sleep(0)

    await server.kill_all_applications().asFuture(asyncio.get_running_loop())

    assert visit.cancelled()


async def test_an_application_that_fails_at_its_end_is_written_down(
    server: WebServer, caplog: pytest.LogCaptureFixture
):
    open_connection(server, "faulty", 1, ValueError("No more."))
    slow = open_connection(server, "slow", 50)
    await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR):
        await server.kill_all_applications().asFuture(asyncio.get_running_loop())

    assert slow.cancelled()
    assert "No more." in caplog.text


async def test_pages_are_asked_to_move_before_anything_is_cancelled(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
):
    visit = open_connection(server, "visit", 1)
    cancelled_before: list[bool] = []

    class Everybody(Moving):
        async def begin(self, patience_s: float) -> int:
            cancelled_before.append(visit.cancelling() > 0 or visit.done())
            return await super().begin(patience_s)

    everybody = Everybody()
    monkeypatch.setattr(moving, "of_this_process", everybody)
    await asyncio.sleep(0)

    await server.kill_all_applications().asFuture(asyncio.get_running_loop())

    assert everybody.has_begun
    assert cancelled_before == [False]
    assert visit.cancelled()


async def test_a_visit_that_begins_meanwhile_is_ended_too(server: WebServer):
    open_connection(server, "slow", 50)
    ending = server.kill_all_applications().asFuture(asyncio.get_running_loop())
    await asyncio.sleep(0)
    late = open_connection(server, "late", 100)

    await ending

    assert late.cancelled()


async def test_a_result_for_a_page_that_is_leaving_is_no_error(server: WebServer):
    class LeavingPage:
        asked = 0

        def handle_reply(self, message: object) -> None:
            self.asked += 1
            raise Disconnected("Attempt to send on a closed protocol")

    page = LeavingPage()
    server.connections[page] = {"connected": 0.0}

    await server.handle_reply(page, {"type": "websocket.send", "text": "a result"})

    assert page.asked == 1


PICTURES_ARE_MAPPED = """
import ctypes
from emporium.web_server import PICTURE_BYTES, give_pictures_back

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
        "uordblks", "fordblks", "keepcost",
    )]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
give_pictures_back()
for _ in range(10):
    # glibc raises its threshold once such a block has been freed, unless it is set.
    before = libc.mallinfo2().hblks
    picture = bytearray(PICTURE_BYTES)
    assert libc.mallinfo2().hblks == before + 1
    del picture
    assert libc.mallinfo2().hblks == before
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc",
    reason="only glibc keeps it",
)
def test_the_memory_of_pictures_goes_back_to_the_system():
    subprocess.run([sys.executable, "-c", PICTURES_ARE_MAPPED], check=True)
