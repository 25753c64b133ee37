"""A model's file from the web: by HTTPS, going on where an earlier attempt ended.

Must not know where the bytes are written: `part.py` does.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import httpx2

from apps.inference.exceptions import (
    SourceContentError,
    SourceMissingError,
    SourceRefusedError,
    SourceTextError,
    SourceUnreachableError,
)
from apps.inference.sources.content import is_page, page_instead
from apps.inference.sources.part import Part
from apps.inference.sources.types import Fetched, Progress
from apps.inference.weights import sha256_of

TIMEOUT = httpx2.Timeout(30, connect=10)  # seconds, for each read
MAX_REDIRECTS = 8


E = TypeVar("E", bound=BaseException)


@dataclass(frozen=True, slots=True)
class HttpsSource:
    url: str

    @classmethod
    def parse(cls, text: str) -> HttpsSource:
        try:
            url = httpx2.URL(text)
        except httpx2.InvalidURL as error:
            raise SourceTextError(f"{text!r} isn't an address of the web.") from error
        if not url.host:
            raise SourceTextError(f"{text!r} names no host.")
        if url.scheme == "http" and not _is_loopback(url):
            raise SourceTextError(
                "What comes by http:// could be changed on the way: only https:// is"
                " taken from other machines."
            )
        return cls(text)

    def __str__(self) -> str:
        return self.url

    @property
    def origin(self) -> str:
        """The address without what could be a secret."""
        url = httpx2.URL(self.url)
        plain = url.copy_with(username="", password="", query=None, fragment=None)
        return f"{plain}?…" if url.query else str(plain)

    @property
    def host(self) -> str:
        return httpx2.URL(self.url).host

    @property
    def name(self) -> str:
        """What to call the file: as the address does, as far as a file can."""
        last = unquote(httpx2.URL(self.url).path).rsplit("/", 1)[-1]
        return (
            re.sub(r"[^\w.+-]", "_", last, flags=re.ASCII).lstrip(".")[-100:] or "model"
        )

    @contextmanager
    def fetch(
        self, downloads: Path, *, sha256: str | None, progress: Progress
    ) -> Iterator[Fetched]:
        # Files of one name from two addresses don't meet.
        folder = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        part = Part(downloads / folder / self.name)
        with part.held():
            if sha256 and part.path.is_file() and sha256_of(part.path) == sha256:
                size = part.path.stat().st_size
                progress(size, size)
            else:
                self._download(part, sha256, progress)
            yield Fetched(part.path, self.origin, licence="", is_passing=True)

    def _download(self, part: Part, sha256: str | None, progress: Progress) -> None:
        with (
            httpx2.Client(timeout=TIMEOUT) as client,
            closing(self._answer(client, part)) as response,
        ):
            self._refuse_status(response)
            self._refuse_kind(response)
            total = _total(response)
            chunks = response.iter_raw()
            if response.status_code == httpx2.codes.OK:
                chunks = self._start_over(response, chunks, part)
            with self._explained(part):
                checksum = part.append(chunks, total, progress)
            if total is not None and part.size != total:
                raise SourceUnreachableError(self._lost(part))
        part.finish(checksum, sha256)

    def _start_over(
        self, response: httpx2.Response, chunks: Iterator[bytes], part: Part
    ) -> Iterator[bytes]:
        with self._explained(part):
            first = next(chunks, b"")
        if not first:
            raise SourceContentError(f"{self.name} is empty at {self.host}.")
        if is_page(first):
            raise SourceContentError(page_instead(self.name))
        part.begin(_validator(response))
        return chain([first], chunks)

    def _answer(self, client: httpx2.Client, part: Part) -> httpx2.Response:
        """Ask for the rest of the file, or for all of it if the rest can't be had."""
        validator = part.validator
        if validator:
            response = self._ask(client, part.size, validator)
            if not _is_of_a_part(response) or _is_rest(response, part.size, validator):
                return response
            response.close()
        return self._ask(client, 0, "")

    def _ask(
        self, client: httpx2.Client, start: int, validator: str
    ) -> httpx2.Response:
        # Packed, the file would have another length and other ranges.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        request = client.build_request("GET", self.url, headers=headers)
        for _ in range(MAX_REDIRECTS + 1):
            with self._explained(None):
                response = client.send(request, stream=True)
            if response.next_request is None:
                return response
            response.close()
            request = response.next_request
            self._refuse_redirect(request.url)
        raise SourceUnreachableError(f"{self.host} sends from address to address.")

    def _refuse_redirect(self, url: httpx2.URL) -> None:
        allowed = {"https", httpx2.URL(self.url).scheme}
        if url.scheme not in allowed or (
            url.scheme == "http" and not _is_loopback(url)
        ):
            raise SourceRefusedError(
                f"{self.host} sends on to {url.scheme}://{url.host}, and only https://"
                " keeps a file from being changed on the way."
            )

    def _refuse_status(self, response: httpx2.Response) -> None:
        said = f"(HTTP {response.status_code})"
        match response.status_code:
            case 200:
                return
            case 206 if "Range" in response.request.headers:
                return
            case 404 | 410:
                raise SourceMissingError(f"{self.host} has no such file {said}.")
            case 401 | 403 | 407 | 451:
                raise SourceRefusedError(
                    f"{self.host} doesn't give {self.name} to everyone {said}."
                )
        raise SourceUnreachableError(
            f"{self.host} doesn't answer with a file {said}; it may later."
        )

    def _refuse_kind(self, response: httpx2.Response) -> None:
        kind = response.headers.get("Content-Type", "").lower()
        if kind.startswith(("text/html", "application/xhtml")):
            raise SourceContentError(page_instead(self.name))
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise SourceContentError(
                f"{self.host} sends {self.name} packed, though asked not to."
            )

    @contextmanager
    def _explained(self, part: Part | None) -> Iterator[None]:
        """Say in a sentence how the network failed; with a part, while reading."""
        try:
            yield
        except httpx2.TransportError as error:
            raise SourceUnreachableError(
                self._lost(part) if part else self._unreached(error)
            ) from error

    def _lost(self, part: Part) -> str:
        lost = f"The connection to {self.host} was lost while {self.name} came in"
        if part.validator:
            return f"{lost}; the next attempt goes on from there."
        return f"{lost}; the next attempt starts again."

    def _unreached(self, error: httpx2.TransportError) -> str:
        if untrusted := _cause(error, ssl.SSLCertVerificationError):
            return (
                f"{self.host} was reached, but its certificate can't be trusted:"
                f" {untrusted.verify_message}."
            )
        if _cause(error, ssl.SSLError):
            return f"{self.host} was reached, but doesn't speak TLS as https:// needs."
        if isinstance(error, httpx2.ReadTimeout):
            return f"{self.host} doesn't answer; it may later."
        return (
            f"{self.host} can't be reached: is the address right, and the network up?"
        )


def _is_loopback(url: httpx2.URL) -> bool:
    try:
        return ip_address(url.host).is_loopback
    except ValueError:
        return url.host == "localhost"


def _cause(error: BaseException | None, kind: type[E]) -> E | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def _validator(response: httpx2.Response) -> str:
    """What names these very bytes, as If-Range takes it (RFC 9110, 13.1.5)."""
    tag: str = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    modified: str = response.headers.get("Last-Modified", "")
    return modified


def _is_of_a_part(response: httpx2.Response) -> bool:
    return response.status_code in {
        httpx2.codes.PARTIAL_CONTENT,
        httpx2.codes.RANGE_NOT_SATISFIABLE,
    }


def _is_rest(response: httpx2.Response, start: int, validator: str) -> bool:
    """Tell the rest of the same file from anything else, for not all servers heed."""
    return (
        response.status_code == httpx2.codes.PARTIAL_CONTENT
        and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        and _validator(response) in {validator, ""}
    )


def _total(response: httpx2.Response) -> int | None:
    if response.status_code == httpx2.codes.PARTIAL_CONTENT:
        length = response.headers["Content-Range"].rpartition("/")[2]
    else:
        length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None
