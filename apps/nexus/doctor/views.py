"""The doctor's page, and what it is told of the server.

The page itself asks neither the database nor Redis, so it opens while they are broken.
"""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.nexus.doctor.report import as_json, examine_server
from apps.nexus.doctor.visitors import examine_for_visitors


@require_safe
def doctor_page(request: HttpRequest) -> HttpResponse:
    page_config = {
        "websocket_path": "/ws/doctor/",
        "server_path": reverse("doctor-server"),
    }
    return render(request, "nexus/doctor.html", {"page_config": page_config})


@require_safe
@never_cache
def server(request: HttpRequest) -> JsonResponse:
    """All findings for operators, few for anybody else."""
    is_staff = _is_staff(request)
    report = examine_server() if is_staff else examine_for_visitors()
    return JsonResponse({"is_staff": is_staff, "findings": as_json(report)})


def _is_staff(request: HttpRequest) -> bool:
    try:
        return request.user.is_staff
    except DatabaseError:
        return False
