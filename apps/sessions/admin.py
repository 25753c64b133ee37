"""What operators see of sessions and runs. All of it is written by the system."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.inference.columns import NOTHING, ReadOnlyAdmin, badge, duration, moment, when
from apps.inference.filters import ModelFilter
from apps.inference.models import ModelVersion
from apps.sessions.capture_admin import (
    CaptureAccessAdmin,
    CaptureAdmin,
    SessionPurging,
)
from apps.sessions.models import CameraSession, Run

__all__ = ["CameraSessionAdmin", "CaptureAccessAdmin", "CaptureAdmin", "RunAdmin"]

LEDGER = (
    "received",
    "inferred",
    "superseded",
    "expired",
    "throttled",
    "failed",
    "lost",
)
# A picture's way in its order, and the two sums of it.
STAGES = {
    "capture": "camera to server",
    "receive": "decode the picture",
    "wait": "wait for the model",
    "featurize": "prepare",
    "forward": "model",
    "decode": "read the boxes",
    "publish": "publish",
    "draw": "server to page",
    "age": "age at the server",
    "picture": "age when drawn",
}


class RunColumns:
    started = when("started_at", "started")
    ended = when("ended_at", "ended")

    @admin.display(description="results/s")
    def rate(self, run: Run) -> str:
        rate = run.results_per_second
        return NOTHING if rate is None else f"{rate:.1f}"

    @admin.display(description="age p50 / p95")
    def age(self, run: Run) -> str:
        """When drawn; at least that of the server, where the page can't tell."""
        drawn, served = run.latency.get("picture"), run.latency.get("age")
        age = drawn or served
        if not age:
            return NOTHING
        sign = "" if drawn else "≥ "
        return f"{sign}{age['p50']:.0f} / {age['p95']:.0f} ms"

    def lasted(self, run: Run) -> str:
        return duration(run.ended_at - run.started_at) if run.ended_at else "running"

    @admin.display(description="hot dog", ordering="hot_dog_seconds")
    def hot_dog(self, run: Run) -> str:
        return f"{run.hot_dog_seconds:.1f} s"


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
        return queryset.select_related("session", "model_version__model")

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(CameraSession)
class CameraSessionAdmin(SessionPurging, ReadOnlyAdmin):
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
    list_filter = ("status", "deployment")
    search_fields = ("id", "client")
    date_hierarchy = "opened_at"
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


class RunModelFilter(ModelFilter):
    """The models that have answered, found without going through all runs."""

    def versions(self) -> QuerySet[ModelVersion]:
        runs = Run.objects.filter(model_version=OuterRef("pk"))
        return ModelVersion.objects.filter(Exists(runs))


@admin.register(Run)
class RunAdmin(RunColumns, ReadOnlyAdmin):
    list_display = (
        "started",
        "rate",
        "age",
        "model_version",
        "received",
        "inferred",
        "dropped",
        "lasted",
        "hot_dog",
        "session",
    )
    list_select_related = ("session", "model_version__model")
    list_filter = (
        ("model_version__model", RunModelFilter),
        "engine",
    )
    search_fields = ("session__id", "worker")
    date_hierarchy = "started_at"
    fieldsets = (
        (None, {"fields": ("session", "model_version", "engine", "worker")}),
        ("When", {"fields": ("started", "ended", "lasted", "rate")}),
        ("Where every frame went", {"fields": (*LEDGER, "pending")}),
        ("What was seen", {"fields": ("hot_dog", "label_counts")}),
        ("How long it took", {"fields": ("latency_table",)}),
    )
    readonly_fields = (
        "started",
        "ended",
        "lasted",
        "rate",
        "hot_dog",
        "label_counts",
        "latency_table",
    )

    @admin.display(description="results by label")
    def label_counts(self, run: Run) -> SafeString | str:
        counts = sorted(run.labels.items(), key=lambda entry: -entry[1])
        return format_html_join("", "<div>{}: {}</div>", counts) or NOTHING

    @admin.display(description="milliseconds by stage")
    def latency_table(self, run: Run) -> SafeString | str:
        if not run.latency:
            return NOTHING
        rows = format_html_join(
            "",
            "<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>",
            (
                (
                    name,
                    f"{run.latency[stage]['p50']:.1f}",
                    f"{run.latency[stage]['p95']:.1f}",
                )
                for stage, name in STAGES.items()
                if stage in run.latency
            ),
        )
        return format_html(
            "<table><thead><tr><th scope='col'>stage</th><th scope='col'>p50</th>"
            "<th scope='col'>p95</th></tr></thead><tbody>{}</tbody></table>",
            rows,
        )
