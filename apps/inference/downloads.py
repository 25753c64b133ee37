"""Answers that are written while they are made, in as little memory under ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

Pieces = Generator[str | bytes, None, None]


def download(
    request: HttpRequest, pieces: Pieces, *, name: str, content_type: str
) -> StreamingHttpResponse:
    """A file of this name, piece by piece."""
    return StreamingHttpResponse(
        _InThread(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class _InThread:
    """The thread of the request makes them: a cursor of SQLite knows no other.

    Django closes what has a `close` as soon as the client has gone, and leaves an
    asynchronous generator to the next collection of garbage.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self.close = pieces.close

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while piece := await sync_to_async(lambda: next(self._pieces, b""))():
            yield piece
