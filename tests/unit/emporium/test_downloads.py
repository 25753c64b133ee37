"""What a web process makes of a download before its client takes it."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bench.processes import Process, free_port, listens, wait_until
from emporium.web_server import STALLED_S
from tests.unit.emporium.download_site import PIECES, piece

SERVER = """
import sys
from django.conf import settings
from emporium import web_server

settings.ROOT_URLCONF = "tests.unit.emporium.download_site"
web_server.STALLED_S = float(sys.argv.pop(1))
web_server.CommandLine.entrypoint()
"""


class Site:
    def __init__(self, port: int) -> None:
        self._port = port

    def connect(self) -> closing[HTTPConnection]:
        """By a socket that isn't given more memory the more it takes."""
        client = HTTPConnection("127.0.0.1", self._port)
        client.sock = socket.socket()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.sock.connect((client.host, client.port))
        return closing(client)

    def progress(self) -> dict[str, int]:
        with self.connect() as other:
            other.request("GET", "/look/")
            found: dict[str, int] = json.load(other.getresponse())
            return found

    def made_before_it_waits(self) -> int:
        looks = [self.progress()["made"]]

        def waits() -> bool:
            looks.append(self.progress()["made"])
            return looks[-1] == looks[-2] > 0

        wait_until(waits, "the download to wait")
        return looks[-1]


@pytest.fixture
def stalled_s() -> float:
    return STALLED_S


@pytest.fixture
def site(tmp_path: Path, stalled_s: float) -> Iterator[Site]:
    port = free_port()
    program = [sys.executable, "-c", SERVER, str(stalled_s)]
    options = ["-b", "127.0.0.1", "-p", str(port), "-v", "0"]
    command = [*program, *options, "emporium.asgi:application"]
    with Process(command, os.environ, tmp_path / "web.log") as process:
        process.wait_for(lambda: listens(port), "it listened")
        yield Site(port)


def test_a_download_is_made_as_it_is_taken(site: Site):
    """Also the next one by the same connection, as a browser keeps it."""
    with site.connect() as client:
        for made_before in (0, PIECES):
            client.request("GET", "/download/")
            response = client.getresponse()
            assert site.made_before_it_waits() - made_before < PIECES / 2
            for number in range(PIECES):
                expected = piece(number)
                assert response.read(len(expected)) == expected
            assert response.read() == b""


def test_a_download_ends_with_its_client(site: Site):
    with site.connect() as client:
        client.request("GET", "/download/")
        client.getresponse().close()
        made = site.made_before_it_waits()
    wait_until(lambda: site.progress()["closed"], "the download to be closed")
    assert made <= site.progress()["made"] < PIECES


@pytest.mark.parametrize("stalled_s", [0.1])
def test_a_client_that_takes_nothing_is_cut_off(site: Site):
    with site.connect() as client:
        client.request("GET", "/download/")
        wait_until(lambda: site.progress()["closed"], "the download to be closed")
        assert 0 < site.progress()["made"] < PIECES
