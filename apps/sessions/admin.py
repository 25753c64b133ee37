"""What operators see of sessions and runs. All of it is written by the system."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.inference.admin import ReadOnlyAdmin
from apps.sessions.models import CameraSession, Run

LEDGER = (
    "received",
    "inferred",
    "superseded",
    "expired",
    "throttled",
    "failed",
    "lost",
)


class RunInline(admin.TabularInline):
    model = Run
    fields = readonly_fields = (
        "model_version",
        "started_at",
        "ended_at",
        "received",
        "inferred",
        "hot_dog_seconds",
    )
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        queryset: QuerySet[Run] = super().get_queryset(request)
        return queryset.select_related("session", "model_version__model")

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(CameraSession)
class CameraSessionAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__",
        "status",
        "sentence",
        "deployment",
        "user",
        "opened_at",
        "live_at",
        "ended_at",
    )
    list_select_related = ("deployment", "user")
    list_filter = ("status", "deployment")
    search_fields = ("id", "client")
    date_hierarchy = "opened_at"
    inlines = (RunInline,)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = (
        "session",
        "model_version",
        "started_at",
        "ended_at",
        "rate",
        "age",
        "received",
        "inferred",
        "dropped",
        "hot_dog_seconds",
        "worker",
    )
    list_select_related = ("session", "model_version__model")
    list_filter = ("model_version__model", "engine")
    search_fields = ("session__id", "worker")
    date_hierarchy = "started_at"
    fieldsets = (
        (None, {"fields": ("session", "model_version", "engine", "worker")}),
        ("When", {"fields": ("started_at", "ended_at", "rate")}),
        ("Where every frame went", {"fields": (*LEDGER, "pending")}),
        ("What was seen", {"fields": ("hot_dog_seconds", "label_counts")}),
        ("How long it took", {"fields": ("latency_table",)}),
    )
    readonly_fields = ("rate", "label_counts", "latency_table")

    @admin.display(description="results/s")
    def rate(self, run: Run) -> str:
        rate = run.results_per_second
        return "—" if rate is None else f"{rate:.1f}"

    @admin.display(description="age p50 / p95")
    def age(self, run: Run) -> str:
        age = run.latency.get("age")
        return f"{age['p50']:.0f} / {age['p95']:.0f} ms" if age else "—"

    @admin.display(description="results by label")
    def label_counts(self, run: Run) -> SafeString | str:
        counts = sorted(run.labels.items(), key=lambda entry: -entry[1])
        return format_html_join("", "<div>{}: {}</div>", counts) or "—"

    @admin.display(description="milliseconds by stage")
    def latency_table(self, run: Run) -> SafeString | str:
        if not run.latency:
            return "—"
        rows = format_html_join(
            "",
            "<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>",
            (
                (stage, f"{bounds['p50']:.1f}", f"{bounds['p95']:.1f}")
                for stage, bounds in run.latency.items()
            ),
        )
        return format_html(
            "<table><thead><tr><th scope='col'>stage</th><th scope='col'>p50</th>"
            "<th scope='col'>p95</th></tr></thead><tbody>{}</tbody></table>",
            rows,
        )
