"""Where operators see datasets and their pictures, fill them and take them along."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference import jobs
from apps.inference.admin.columns import NOTHING, table, when
from apps.inference.admin.dataset_forms import ImportForm
from apps.inference.admin.examples import ExampleAdmin, may_see_pictures
from apps.inference.admin.removal import RemovalAdmin
from apps.inference.datasets import exporting, keeping
from apps.inference.downloads import download
from apps.inference.exceptions import InferenceError
from apps.inference.models import Dataset, Example

__all__ = ["DatasetAdmin", "ExampleAdmin"]

# For their labels, at each look at a dataset.
MOST_LOOKED_AT = 5_000


@admin.register(Dataset)
class DatasetAdmin(RemovalAdmin):
    how_to_begin = "Add one, then import labelled pictures into it."
    change_form_template = "admin/dataset_form.html"
    list_display = ("name", "pictures", "held_out", "description", "made")
    search_fields = ("name", "description")
    made = when("created_at", "made")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        queryset: QuerySet[Dataset] = super().get_queryset(request)
        return queryset.annotate(
            all_count=_number_of(Example.objects.all()),
            held_out_count=_number_of(
                Example.objects.filter(split=Example.Split.HELD_OUT)
            ),
        )

    def get_fields(
        self, request: HttpRequest, obj: Dataset | None = None
    ) -> tuple[str, ...]:
        said = ("name", "description")
        return (*said, "pictures", "held_out", "labels", "made") if obj else said

    def get_readonly_fields(
        self, request: HttpRequest, obj: Dataset | None = None
    ) -> tuple[str, ...]:
        """Its files lie in a folder of its name."""
        return ("name", "pictures", "held_out", "labels", "made") if obj else ()

    @admin.display(ordering="all_count")
    def pictures(self, dataset: Any) -> SafeString | str:
        if not dataset.all_count:
            return NOTHING
        address = reverse("admin:inference_example_changelist")
        return format_html(
            '<a href="{}?dataset__id__exact={}">{}</a>',
            address,
            dataset.pk,
            dataset.all_count,
        )

    @admin.display(description="held out", ordering="held_out_count")
    def held_out(self, dataset: Any) -> str:
        return str(dataset.held_out_count or NOTHING)

    @admin.display(description="pictures by label")
    def labels(self, dataset: Any) -> SafeString | str:
        counts = keeping.label_counts(dataset, MOST_LOOKED_AT)
        if not counts:
            return NOTHING
        shown = table(("Label", "To train with", "Held out"), counts)
        if dataset.all_count <= MOST_LOOKED_AT:
            return shown
        words = f"Of {MOST_LOOKED_AT:,} pictures, drawn by lot."
        return format_html('{}<div class="aside">{}</div>', shown, words)

    def why_it_stays(self, row: Dataset) -> str:
        return keeping.why_it_stays(row)

    def remove(self, row: Dataset) -> None:
        keeping.remove(row)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Its pictures by their number: nobody reads a hundred thousand names."""
        count = Example.objects.filter(dataset__in=objs).count()
        return [str(each) for each in objs], {"pictures": count}, set(), []

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/import/", view(self.import_view), name="inference_import"),
            path(
                "<int:pk>/export/<str:form>/",
                view(self.export_view),
                name="inference_export",
            ),
            *urls,
        ]

    def import_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What is wrong with it, the job says, and changes nothing then."""
        dataset = get_object_or_404(Dataset, pk=pk)
        if not self.has_change_permission(request, dataset):
            raise PermissionDenied
        form = ImportForm(
            request.POST if request.method == "POST" else None,
            request.FILES or None,
            may_name_paths=bool(getattr(request.user, "is_superuser", False)),
        )
        if request.method == "POST" and form.is_valid() and (source := form.source()):
            said = {
                "what": f"into {dataset}",  # for whoever reads it
                "dataset": dataset.name,
                "source": source,
            }
            job = jobs.request("import", said, request.user)
            return redirect("admin:inference_job_change", job.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Import into {dataset}",
            "opts": self.opts,
            "original": dataset,
            "form": form,
            "button": "Import",
            "words": "All of it is taken over, or nothing: the job lists everything"
            " that can't be right. A picture that is there already is labelled anew.",
        }
        return render(request, "admin/ask.html", context)

    def export_view(self, request: HttpRequest, pk: int, form: str) -> Any:
        dataset = get_object_or_404(Dataset, pk=pk)
        if form not in exporting.FORMATS or not may_see_pictures(request):
            raise PermissionDenied
        try:
            pieces = exporting.stream(dataset, form, request.user)
        except InferenceError as error:
            messages.error(request, str(error))
            return redirect("admin:inference_dataset_change", pk)
        name = f"{dataset}-{form}.zip"
        return download(request, pieces, name=name, content_type="application/zip")


def _number_of(examples: QuerySet[Example]) -> Coalesce:
    """Counted by an index, and for each dataset that is shown."""
    of_dataset = examples.filter(dataset=OuterRef("pk")).order_by().values("dataset")
    return Coalesce(
        Subquery(of_dataset.annotate(number=Count("*")).values("number")), 0
    )
