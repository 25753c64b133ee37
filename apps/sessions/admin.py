"""What operators see of sessions and runs. All of it is written by the system."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.inference.admin.columns import NOTHING, badge, moment, when
from apps.inference.admin.long_lists import LongListAdmin, TimeFilter
from apps.inference.models import ModelVersion
from apps.sessions import right_now, searching
from apps.sessions.account_admin import AccountAdmin
from apps.sessions.capture_admin import (
    CaptureAccessAdmin,
    CaptureAdmin,
    SessionPurging,
)
from apps.sessions.models import CameraSession, Run
from apps.sessions.run_admin import RunAdmin, RunColumns

__all__ = [
    "AccountAdmin",
    "CameraSessionAdmin",
    "CaptureAccessAdmin",
    "CaptureAdmin",
    "RunAdmin",
    "RunColumns",
    "right_now",
]


class RunInline(RunColumns, admin.TabularInline):
    model = Run
    fields = readonly_fields = (
        "model_version",
        "rate",
        "age",
        "started",
        "lasted",
        "received",
        "inferred",
        "dropped",
        "hot_dog",
    )
    extra = 0
    can_delete = False
    empty_value_display = NOTHING
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        queryset: QuerySet[Run] = super().get_queryset(request)
        related = queryset.select_related("session", "model_version__model")
        return related.defer("timeline", "latency_counts", "labels")

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


class AnsweredFilter(admin.SimpleListFilter):
    """The sessions that a version has answered."""

    title = "model version"
    parameter_name = "version"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        runs = Run.objects.filter(model_version=OuterRef("pk"))
        versions = ModelVersion.objects.filter(Exists(runs)).select_related("model")
        return [(str(version.pk), str(version)) for version in versions]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[CameraSession]
    ) -> QuerySet[CameraSession]:
        value = self.value() or ""
        if not value.isdecimal():
            return queryset
        runs = Run.objects.filter(session=OuterRef("pk"), model_version=int(value))
        return queryset.filter(Exists(runs))


@admin.register(CameraSession)
class CameraSessionAdmin(SessionPurging, LongListAdmin):
    how_to_begin = "One begins when somebody opens the page."
    time_field = "opened_at"
    list_display = (
        "short_id",
        "state",
        "why",
        "opened",
        "ended",
        "user",
        "deployment",
    )
    list_select_related = ("deployment", "user")
    list_filter = (TimeFilter, "status", "deployment", AnsweredFilter)
    search_fields = ("id", "client")
    search_help_text = (
        "The first 8 digits of its number, or a part of its browser's name."
    )
    inlines = (RunInline,)
    fields = (
        "state",
        "why",
        "deployment",
        "user",
        "client",
        "opened",
        "first_live",
        "last_seen",
        "ended",
        "pictures",
    )
    readonly_fields = (
        "state",
        "why",
        "opened",
        "first_live",
        "last_seen",
        "ended",
        "pictures",
    )
    opened = when("opened_at", "opened")
    first_live = when("live_at", "first live")
    ended = when("ended_at", "ended")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CameraSession], search_term: str
    ) -> tuple[QuerySet[CameraSession], bool]:
        return searching.sessions(queryset, search_term), False

    @admin.display(description="last seen")
    def last_seen(self, session: CameraSession) -> SafeString | str:
        """What an open session's process keeps saying; its end, where it is over."""
        return moment(session.ended_at or session.last_seen_at)

    @admin.display(description="session")
    def short_id(self, session: CameraSession) -> str:
        return str(session)

    @admin.display(description="status", ordering="status")
    def state(self, session: CameraSession) -> SafeString:
        return badge(session.status, session.get_status_display())

    @admin.display(ordering="sentence")
    def why(self, session: CameraSession) -> str:
        """The sentence, where it says more than the status."""
        said = session.sentence.rstrip(".").casefold()
        is_told = said == session.get_status_display().casefold()
        return NOTHING if is_told else session.sentence or NOTHING
