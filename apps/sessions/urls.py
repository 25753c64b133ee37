"""Where the session page is."""

from __future__ import annotations

from django.urls import path

from apps.sessions import views

urlpatterns = [path("", views.session_page, name="session")]
