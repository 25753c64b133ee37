"""A site with a large download that tells how far it is."""

from __future__ import annotations

from collections.abc import Generator

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path

from apps.inference.downloads import download

# In all far more than what a system keeps between a server and its client.
PIECES = 1000
progress = {"made": 0, "closed": 0}


def piece(number: int) -> bytes:
    return number.to_bytes(4, "big") * 16_384


def pieces() -> Generator[bytes, None, None]:
    try:
        for number in range(PIECES):
            progress["made"] += 1
            yield piece(number)
    finally:
        progress["closed"] += 1


async def begin(request: HttpRequest) -> StreamingHttpResponse:
    return download(request, pieces(), name="large", content_type="text/plain")


async def look(request: HttpRequest) -> JsonResponse:
    return JsonResponse(progress)


urlpatterns = [path("download/", begin), path("look/", look)]
