"""What operators see of runs: the list, one run with its charts, and both as files."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBadRequest,
    HttpResponseBase,
)
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.admin.columns import (
    NOTHING,
    badge,
    duration,
    table,
    when,
)
from apps.inference.admin.filters import VersionFilter
from apps.inference.admin.long_lists import LongListAdmin, TextFilter, TimeFilter
from apps.inference.downloads import download
from apps.sessions import exporting, searching
from apps.sessions.models import Run
from apps.sessions.run_charts import STAGES

LEDGER = (
    "received",
    "inferred",
    "superseded",
    "expired",
    "throttled",
    "failed",
    "lost",
)


def label_rows(run: Run) -> list[tuple[str, str]]:
    """How many results named each label, the most frequent first."""
    counts = sorted(run.labels.items(), key=lambda entry: -entry[1])
    return [(label or "others", f"{count:,}") for label, count in counts]


def stage_rows(run: Run) -> list[tuple[str, str, str]]:
    """The p50 and the p95 of each stage that is known, in milliseconds."""
    return [
        (name, f"{known['p50']:.1f}", f"{known['p95']:.1f}")
        for stage, name in STAGES.items()
        if (known := run.latency.get(stage))
    ]


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


class EngineFilter(TextFilter):
    title = parameter_name = "engine"


class WorkerFilter(TextFilter):
    title = parameter_name = "worker"


class DropsFilter(admin.SimpleListFilter):
    title = "frames"
    parameter_name = "drops"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(words)) for value, words in Run.Drops.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        value = self.value() or ""
        is_known = value.isdecimal() and int(value) in Run.Drops.values
        return queryset.filter(drops=int(value)) if is_known else queryset


class EndFilter(admin.SimpleListFilter):
    title = "end"
    parameter_name = "end"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(searching.ENDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return searching.ended(queryset, self.value() or "")


@admin.register(Run)
class RunAdmin(RunColumns, LongListAdmin):
    how_to_begin = "One begins when a version answers a session."
    time_field = "started_at"
    change_list_template = "admin/run_list.html"
    change_form_template = "admin/run_form.html"
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
        TimeFilter,
        "deployment",
        ("model_version", VersionFilter),
        EngineFilter,
        WorkerFilter,
        DropsFilter,
        EndFilter,
    )
    search_fields = ("session__id",)
    search_help_text = "The number of a run, or the first 8 digits of its session's."
    fieldsets = (
        (None, {"fields": ("model_version", "engine", "worker", "deployment")}),
        ("Who and when", {"fields": ("session", "client", "started", "lasted", "end")}),
        ("What was seen", {"fields": ("rate", "hot_dog", "label_counts")}),
        ("Where every frame went", {"fields": (*LEDGER, "pending")}),
        ("How long it took", {"fields": ("latency_table",)}),
    )
    readonly_fields = (
        "client",
        "started",
        "end",
        "lasted",
        "rate",
        "hot_dog",
        "label_counts",
        "latency_table",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "export.<str:format>",
                view(self.export_list),
                name="emporium_sessions_run_export_list",
            ),
            path(
                "<int:pk>/export.<str:format>",
                view(self.export_one),
                name="emporium_sessions_run_export",
            ),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        runs: QuerySet[Run] = super().get_queryset(request)
        match = request.resolver_match
        if match and match.url_name == "emporium_sessions_run_changelist":
            return runs.defer("timeline", "latency_counts", "labels")
        return runs.select_related("session", "deployment", "model_version__model")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        return searching.runs(queryset, search_term), False

    def export_list(self, request: HttpRequest, format: str) -> HttpResponseBase:
        """What the list shows by its filters and its search, and all of it."""
        self._refuse(request, format)
        try:
            shown = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseBadRequest("Runs can’t be filtered by that.")
        return download(
            request,
            exporting.in_blocks(exporting.list_as(format, shown)),
            name=f"runs.{format}",
            content_type=exporting.FORMATS[format],
        )

    def export_one(
        self, request: HttpRequest, pk: int, format: str
    ) -> HttpResponseBase:
        """All that is known of a run as JSON, or its timeline as a table."""
        self._refuse(request, format)
        run = self.get_queryset(request).filter(pk=pk).first()
        if run is None:
            raise Http404
        return download(
            request,
            exporting.in_blocks(exporting.one_as(format, run)),
            name=f"run-{pk}.{format}",
            content_type=exporting.FORMATS[format],
        )

    def _refuse(self, request: HttpRequest, format: str) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if format not in exporting.FORMATS:
            raise Http404

    @admin.display(description="browser")
    def client(self, run: Run) -> str:
        return run.session.client or NOTHING

    @admin.display(description="how it ended")
    def end(self, run: Run) -> SafeString | str:
        """By its session's words; a run that another version followed just ended."""
        session = run.session
        if run.ended_at is None:
            return badge("live", "goes on")
        if run.was_followed:
            return format_html("{} – its session went on", self.ended(run))
        return format_html(
            '{} – {}<div class="aside">{}</div>',
            self.ended(run),
            badge(session.status, session.get_status_display()),
            session.sentence,
        )

    @admin.display(description="results by label")
    def label_counts(self, run: Run) -> SafeString | str:
        rows = label_rows(run)
        return table(("Label", "Results"), rows) if rows else NOTHING

    @admin.display(description="milliseconds by stage")
    def latency_table(self, run: Run) -> SafeString | str:
        rows = stage_rows(run)
        return table(("Stage", "p50", "p95"), rows) if rows else NOTHING
