"""What operators see of kept pictures, and who has looked at them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.admin.columns import (
    NOTHING,
    badge,
    moment,
    readable,
    when,
)
from apps.inference.admin.filters import VersionFilter
from apps.inference.admin.long_lists import LongListAdmin, TimeFilter
from apps.inference.models import Dataset
from apps.sessions import (
    capture_files,
    captures,
    retention,
    review_views,
    reviewing,
    searching,
)
from apps.sessions.models import CameraSession, Capture, CaptureAccess


@admin.register(Capture)
class CaptureAdmin(LongListAdmin):
    """The list shows no picture: each that is seen is written down."""

    time_field = "taken_at"
    how_to_begin = "A picture is kept only where its person allows it."
    change_list_template = "admin/captures.html"
    list_display = (
        "taken",
        "shown_state",
        "reason",
        "model_said",
        "person_said",
        "model_version",
        "deployment",
        "reviewed_by",
        "session",
    )
    list_select_related = (
        "model_version__model",
        "deployment",
        "reviewed_by",
        "session",
    )
    list_filter = (
        TimeFilter,
        "state",
        "reason",
        "deployment",
        ("model_version", VersionFilter),
    )
    search_fields = ("session__id",)
    search_help_text = "The first 8 digits of its session's number."
    fields = (
        "picture",
        "shown_state",
        "reason",
        "model_said",
        "person_said",
        "labels",
        "session",
        "model_version",
        "trial",
        "taken",
        "reviewed_by",
        "reviewed",
        "example",
    )
    readonly_fields = (
        "picture",
        "shown_state",
        "model_said",
        "person_said",
        "labels",
        "taken",
        "reviewed",
    )
    taken = when("taken_at", "taken")
    reviewed = when("reviewed_at", "reviewed")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        name = "emporium_sessions_capture"
        return [
            path("review/", wrap(review_views.review_page), name=f"{name}_review"),
            path("decide/", wrap(review_views.decide), name=f"{name}_decide"),
            path(
                "<int:capture_id>/picture/",
                wrap(review_views.picture, cacheable=True),
                name=f"{name}_picture",
            ),
            *super().get_urls(),
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Capture], search_term: str
    ) -> tuple[QuerySet[Capture], bool]:
        return searching.captures(queryset, search_term), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may_see = request.user.has_perm(review_views.PERMISSION)
        return self.fields if may_see else self.fields[1:]

    @admin.display(description="state", ordering="state")
    def shown_state(self, capture: Capture) -> SafeString:
        return badge(capture.state, capture.get_state_display())

    @admin.display(description="the model said")
    def model_said(self, capture: Capture) -> str:
        return review_views.answer_words(capture.predicted)

    @admin.display(description="the person said")
    def person_said(self, capture: Capture) -> str:
        return review_views.said_words(capture.said) or NOTHING

    @admin.display(description="what is to be seen")
    def labels(self, capture: Capture) -> SafeString | str:
        return readable([each["label"] for each in capture.annotations])

    @admin.display
    def picture(self, capture: Capture) -> SafeString | str:
        if capture_files.is_gone(capture.file):
            return reviewing.GONE
        address = reverse("admin:emporium_sessions_capture_picture", args=[capture.pk])
        return format_html(
            '<img class="capture-picture" src="{}" width="{}" height="{}" '
            'alt="What was kept">',
            address,
            capture.width,
            capture.height,
        )


@admin.register(CaptureAccess)
class CaptureAccessAdmin(LongListAdmin):
    time_field = "at"
    list_display = ("when", "act", "user", "capture_id", "session")
    list_select_related = ("user",)
    list_filter = (TimeFilter, "act")
    search_fields = ("capture_id", "session_id", "user")
    search_help_text = (
        "A capture's number, the first 8 digits of its session's, or a user's name."
    )
    fields = ("when", "act", "user", "capture_id", "session_id")
    readonly_fields = ("when",)
    when = when("at", "when")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CaptureAccess], search_term: str
    ) -> tuple[QuerySet[CaptureAccess], bool]:
        return searching.accesses(queryset, search_term), False

    @admin.display(ordering="session_id")
    def session(self, access: CaptureAccess) -> str:
        """As other lists call it; the session itself may be gone."""
        return str(access.session_id)[:8] if access.session_id else NOTHING


class SessionPurging(admin.ModelAdmin):
    """Of a session's page: what it gave, and a button that removes all of it."""

    change_form_template = "admin/session_form.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        purge = path(
            "<uuid:session_id>/purge/",
            wrap(self.purge),
            name="emporium_sessions_camerasession_purge",
        )
        return [purge, *super().get_urls()]

    @admin.display
    def pictures(self, session: CameraSession) -> SafeString | str:
        count = session.captures.count()
        allowed = session.consented_at
        if allowed is None:
            return f"not allowed; {count} kept" if count else "not allowed"
        return format_html("allowed since {}; {} kept", moment(allowed), count)

    def purge(self, request: HttpRequest, session_id: Any) -> HttpResponse:
        """Ask once more, then remove everything that a session gave."""
        review_views.refuse_strangers(request)
        session = get_object_or_404(CameraSession, pk=session_id)
        page = reverse(
            "admin:emporium_sessions_camerasession_change", args=[session.pk]
        )
        if request.method == "POST":
            count = retention.purge(session.pk, request.user)
            messages.success(request, f"Removed, with what was made of them: {count}.")
            return HttpResponseRedirect(page)
        given = session.captures.all()
        datasets = Dataset.objects.filter(examples__sha256__in=given.values("sha256"))
        count = given.count()
        context = {
            **self.admin_site.each_context(request),
            "title": "Remove all pictures of this session",
            "session": session,
            "page": page,
            "count": count,
            "used": count - captures.unused(given).count(),
            "datasets": datasets.distinct(),
        }
        return render(request, "admin/purge_session.html", context)
