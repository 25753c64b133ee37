"""Where the session pages are."""

from __future__ import annotations

from django.urls import path

from apps.sessions import views

urlpatterns = [
    path("", views.session_page, name="session"),
    path("s/<slug:name>", views.session_page, name="session-of"),
]
