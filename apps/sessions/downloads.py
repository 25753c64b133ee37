"""Answers that are written while they are made, in as little memory under ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

LINES_AT_ONCE = 500


def download(
    request: HttpRequest, lines: Iterator[str], *, name: str, content_type: str
) -> StreamingHttpResponse:
    """A file of this name, line by line."""
    is_async = isinstance(request, ASGIRequest)
    return StreamingHttpResponse(
        _in_threads(lines) if is_async else lines,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _in_threads(lines: Iterator[str]) -> AsyncIterator[str]:
    """The thread of the request makes them: a cursor of SQLite knows no other."""
    while some := await sync_to_async(lambda: list(islice(lines, LINES_AT_ONCE)))():
        yield "".join(some)
