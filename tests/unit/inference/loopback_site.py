"""A web server on the loopback, which misbehaves as a test says."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import urlsplit


@dataclass
class Page:
    """What lies at one path, and how it is sent."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # Send so many bytes, then close the connection, or say nothing more.
    cut_after: int | None = None
    silent: bool = False
    # Whole file whatever is asked; or the rest whatever If-Range says.
    ignores_range: bool = False
    ignores_if_range: bool = False
    claims_length: int | None = None
    hides_length: bool = False
    waits_for: Event | None = None


class Site:
    def __init__(self) -> None:
        # By path; of several pages each answers once, in their order.
        self.pages: dict[str, Page | list[Page]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.closing = Event()
        self.url = ""

    def sent(self, header: str) -> list[str]:
        """What each request but HEAD said in a header."""
        return [
            headers.get(header, "")
            for method, _, headers in self.requests
            if method != "HEAD"
        ]


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site()

    class Answer(_Answer):
        pass

    Answer.site = site
    server = _Server(("127.0.0.1", 0), Answer)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    thread = Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        """A client that goes away, as many here do, isn't worth a traceback."""


class _Answer(BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.site.requests.append((self.command, self.path, dict(self.headers)))
        page = self.site.pages.get(urlsplit(self.path).path, Page(status=404))
        if isinstance(page, list):
            page = page.pop(0)
        if page.waits_for:
            page.waits_for.wait()
        start = self._start(page)
        rest = page.body[start:]
        self.send_response(206 if start else page.status)
        length = len(rest) if page.claims_length is None else page.claims_length
        headers = {"Content-Length": str(length), **page.headers}
        if page.hides_length:
            del headers["Content-Length"]
        if start:
            size = len(page.body)
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(rest[: page.cut_after])
            self.wfile.flush()
            if page.silent:
                self.site.closing.wait()

    def _start(self, page: Page) -> int:
        wanted = self.headers.get("Range")
        if page.status != 200:
            return 0
        same = self.headers.get("If-Range") in page.headers.values()
        if not wanted or page.ignores_range or not (same or page.ignores_if_range):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:
        pass
