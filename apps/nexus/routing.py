"""Which WebSocket path leads to which consumer."""

from __future__ import annotations

from django.urls import path

from apps.nexus.consumers import SessionConsumer

websocket_urlpatterns = [path("ws/session/", SessionConsumer.as_asgi())]
