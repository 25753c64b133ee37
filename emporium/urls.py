"""Which address leads where."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from emporium import health

admin.site.site_header = "Hot Dog Emporium"
admin.site.site_title = "Hot Dog Emporium"
admin.site.index_title = "Operations"

urlpatterns = [
    path("", include("apps.sessions.urls")),
    path("", include("apps.nexus.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
