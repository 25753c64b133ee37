"""Which WebSocket path leads to which consumer."""

from __future__ import annotations

from channels.auth import AuthMiddlewareStack
from django.urls import path

from apps.nexus.consumers import SessionConsumer
from apps.nexus.doctor.consumer import DoctorConsumer

_session = AuthMiddlewareStack(SessionConsumer.as_asgi())

websocket_urlpatterns = [
    path("ws/session/", _session),
    path("ws/session/<slug:deployment>/", _session),
    # Asks nobody's name, so that it works without the database.
    path("ws/doctor/", DoctorConsumer.as_asgi()),
]
