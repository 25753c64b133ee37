"""Where the connection doctor is."""

from __future__ import annotations

from django.urls import path

from apps.nexus.doctor import views

urlpatterns = [
    path("doctor/", views.doctor_page, name="doctor"),
    path("doctor/server/", views.server, name="doctor-server"),
]
