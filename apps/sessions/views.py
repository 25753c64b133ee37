"""The session pages. All that happens on one happens over its WebSocket."""

from __future__ import annotations

import logging

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment

logger = logging.getLogger(__name__)


@require_safe
def session_page(request: HttpRequest, name: str = DEFAULT_DEPLOYMENT) -> HttpResponse:
    """The page of a deployment.

    The usual one needs no database, nor does any other while there is none: the page
    itself says what is missing, and tries again.
    """
    try:
        deployed = dict(Deployment.objects.values_list("name", "title"))
    except DatabaseError as error:
        logger.warning("What is deployed could not be read for a page: %s", error)
        deployed = {name: ""}
    if name not in deployed and name != DEFAULT_DEPLOYMENT:
        return _nothing_there(request, name, deployed)
    is_usual = name == DEFAULT_DEPLOYMENT
    path = "/ws/session/" if is_usual else f"/ws/session/{name}/"
    title = deployed.get(name) or ("" if is_usual else name)
    return render(
        request,
        "sessions/session.html",
        {"page_config": {"websocket_path": path}, "title": title},
    )


def _nothing_there(
    request: HttpRequest, name: str, deployed: dict[str, str]
) -> HttpResponse:
    others = {each: title or each for each, title in sorted(deployed.items())}
    context = {"name": name, "others": others, "usual": DEFAULT_DEPLOYMENT}
    return render(request, "sessions/nothing_there.html", context, status=404)
