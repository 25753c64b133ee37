"""The pages on which operators review captures, and the only door to their pictures.

Who may not review sees neither. Every picture that is shown is written down.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.inference.hotdog import HOT_DOG
from apps.inference.models import Dataset
from apps.inference.registering.contents import labels_of
from apps.sessions import capture_files, reviewing
from apps.sessions.access import Act, log
from apps.sessions.models import Capture
from apps.sessions.reviewing import ReviewError

PERMISSION = "emporium_sessions.review_capture"
# In the reviewer's own session: what can be undone, and which dataset was chosen.
REVIEWED, CHOSEN = "reviewed_captures", "reviewed_into"
MOST_UNDONE = 20


@require_safe
def review_page(request: HttpRequest) -> HttpResponse:
    """One capture at a time: the named one, or the next behind `after`."""
    refuse_strangers(request)
    filters = {
        name: request.GET[name]
        for name in ("deployment", "reason")
        if request.GET.get(name)
    }
    after = _number(request.GET.get("after", ""))
    waiting = reviewing.waiting(**filters).select_related("model_version__model")
    named = _number(request.GET.get("capture", ""))
    capture = named and waiting.filter(pk=named).first()
    capture = capture or reviewing.behind(waiting, after).first()
    reviewed = request.session.get(REVIEWED, [])
    context = {
        **admin.site.each_context(request),
        "is_nav_sidebar_enabled": False,
        "title": "Review captures",
        "capture": capture,
        "waiting": waiting.count(),
        "skipped": bool(after) and waiting.exists(),
        "filters": urlencode(filters),
        "after": after or "",
        "undoable": reviewed[-1] if reviewed else None,
        "dataset": request.session.get(CHOSEN, reviewing.DATASET),
        "datasets": Dataset.objects.values_list("name", flat=True),
    }
    if capture:
        context |= _of_capture(capture)
    return render(request, "admin/review_captures.html", context)


def _of_capture(capture: Capture) -> dict[str, Any]:
    said = capture.said
    default = HOT_DOG if said.get("is_hot_dog") else said.get("label", "")
    return {
        "labels": labels_of(capture.model_version),
        "model_said": answer_words(capture.predicted),
        "person_said": said_words(said),
        "gone": reviewing.GONE if capture_files.is_gone(capture.file) else "",
        "capture_data": {
            "width": capture.width,
            "height": capture.height,
            "default_label": default,
            "suggestions": reviewing.suggestions(capture),
        },
    }


@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """Accept, reject or undo, and go on with the next one."""
    refuse_strangers(request)
    capture_id = _number(request.POST.get("capture", ""))
    decision = request.POST.get("decision")
    if decision not in {"accept", "reject", "undo"}:
        return HttpResponseBadRequest("A picture is accepted, rejected, or undone.")
    stays = decision == "undo"
    try:
        if decision == "accept":
            _accept(request, capture_id)
        elif decision == "reject":
            reviewing.reject(capture_id, request.user)
        else:
            reviewing.undo(capture_id, request.user)
    except ReviewError as error:
        messages.error(request, str(error))
        stays = True
    _remember(request, capture_id)
    page = reverse("admin:emporium_sessions_capture_review")
    return HttpResponseRedirect(f"{page}?{_query(request.POST, capture_id, stays)}")


def _query(posted: QueryDict, capture_id: int, stays: bool) -> str:
    """What leads to the next capture by the same filters, or to this one again."""
    query = QueryDict(posted.get("filters", ""), mutable=True)
    if after := _number(posted.get("after", "")):
        query["after"] = str(after)
    if stays:
        query["capture"] = str(capture_id)
    return query.urlencode()


def _accept(request: HttpRequest, capture_id: int) -> None:
    annotations = reviewing.read_annotations(request.POST.get("annotations", ""))
    dataset = reviewing.dataset_called(request.POST.get("dataset", "").strip())
    reviewing.accept(capture_id, request.user, annotations, dataset)
    request.session[CHOSEN] = dataset.name


def _remember(request: HttpRequest, capture_id: int) -> None:
    """Have a decision stand where it can be undone, and what is undone no more."""
    reviewed = [pk for pk in request.session.get(REVIEWED, []) if pk != capture_id]
    is_decided = Capture.objects.filter(
        pk=capture_id, reviewed_by_id=request.user.pk
    ).exists()
    if is_decided:
        reviewed.append(capture_id)
    request.session[REVIEWED] = reviewed[-MOST_UNDONE:]


@require_safe
def picture(request: HttpRequest, capture_id: int) -> HttpResponse:
    refuse_strangers(request)
    capture = get_object_or_404(Capture, pk=capture_id)
    try:
        encoded = capture_files.path_of(capture.file).read_bytes()
    except OSError as error:
        raise Http404("The file of this picture is gone.") from error
    log([capture], Act.SEEN, request.user)
    return HttpResponse(
        encoded,
        content_type="image/png",
        headers={"Cache-Control": "private, no-store"},
    )


def refuse_strangers(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied("Only who reviews captures can see them.")


def answer_words(predicted: dict[str, Any]) -> str:
    """The verdict, and what it was made of: "Hot dog: hot dog 93 %"."""
    verdict = "Hot dog" if predicted.get("is_hot_dog") else "Not hot dog"
    entries = predicted.get("detections") or predicted.get("classifications") or []
    seen = ", ".join(f"{each['label']} {each['score']:.0%}" for each in entries[:3])
    return f"{verdict}: {seen}" if seen else verdict


def said_words(said: dict[str, Any]) -> str:
    if not said:
        return ""
    verdict = "Hot dog" if said.get("is_hot_dog") else "Not a hot dog"
    return f"{verdict}: {said['label']}" if said.get("label") else verdict


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0
