"""The session page. All that happens on it happens over its WebSocket."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def session_page(request: HttpRequest) -> HttpResponse:
    page_config = {"websocket_path": "/ws/session/"}
    return render(request, "sessions/session.html", {"page_config": page_config})
