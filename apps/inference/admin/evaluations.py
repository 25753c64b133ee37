"""Where operators ask for evaluations, read their figures and compare versions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from apps.inference.admin.columns import NOTHING, ReadOnlyAdmin, readable, when
from apps.inference.admin.evaluation_forms import EvaluateForm, GateForm
from apps.inference.admin.evaluation_tables import confusion_map, labels_table
from apps.inference.admin.filters import ModelFilter
from apps.inference.charts import bar_chart
from apps.inference.evaluating import evaluations
from apps.inference.evaluating.comparing import Comparison, side_by_side
from apps.inference.evaluating.evaluations import NAMES
from apps.inference.exceptions import InferenceError
from apps.inference.models import (
    DEFAULT_DEPLOYMENT,
    Dataset,
    Deployment,
    Evaluation,
)

MAY_ASK = "inference.add_job"


def _column(name: str) -> Any:
    @admin.display(description=NAMES[name])
    def figure(evaluation: Evaluation) -> str:
        value = evaluation.figures.get(name)
        return NOTHING if value is None else evaluations.shown(value)

    return figure


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    how_to_begin = "They tell how well versions answer."
    change_list_template = "admin/evaluation_list.html"
    list_display = ("version", "data", *map(_column, NAMES), "pictures", "evaluated")
    list_select_related = ("version__model", "dataset")
    list_filter = ("dataset", ("version__model", ModelFilter))
    fields = (
        "version",
        "data",
        "pictures",
        "evaluated",
        "headline",
        "by_label",
        "confusion",
        "only_in_data",
        "only_in_version",
        "engine",
        "data_sha256",
        "job",
    )
    readonly_fields = fields
    evaluated = when("evaluated_at", "evaluated")

    @admin.display(description="on", ordering="dataset__name")
    def data(self, evaluation: Evaluation) -> str:
        return evaluations.data_name(evaluation.dataset)

    @admin.display(description="figures")
    def headline(self, evaluation: Evaluation) -> SafeString:
        bars = {
            NAMES[name]: value
            for name, value in evaluations.headline(evaluation).items()
        }
        return bar_chart("Figures, 0 to 1", bars, most=1)

    @admin.display(description="by label")
    def by_label(self, evaluation: Evaluation) -> SafeString | str:
        return labels_table(evaluation)

    @admin.display
    def confusion(self, evaluation: Evaluation) -> SafeString:
        return confusion_map(evaluation)

    @admin.display(description="the version doesn’t know")
    def only_in_data(self, evaluation: Evaluation) -> SafeString | str:
        return readable(evaluation.figures.get("only_in_data"))

    @admin.display(description="never in the data")
    def only_in_version(self, evaluation: Evaluation) -> SafeString | str:
        return readable(evaluation.figures.get("only_in_version"))

    @admin.display
    def engine(self, evaluation: Evaluation) -> str:
        return str(evaluation.figures.get("engine") or NOTHING)

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()
        view = self.admin_site.admin_view
        return [
            path("ask/", view(self.ask), name="inference_evaluate"),
            path("compare/", view(self.compare), name="inference_compare"),
            path("gates/<int:pk>/", view(self.gates), name="inference_gates"),
            *urls,
        ]

    def ask(self, request: HttpRequest) -> HttpResponse:
        """For a version on a data; how far it is, the job's page says."""
        if not request.user.has_perm(MAY_ASK):
            raise PermissionDenied
        form = EvaluateForm(request.POST or None, initial=request.GET.dict())
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                job = evaluations.request(
                    said["version"], said["dataset"], request.user
                )
            except InferenceError as error:
                form.add_error(None, str(error))
            else:
                return redirect("admin:inference_job_change", job.pk)
        return self._asked(request, form, "Evaluate a version", "Evaluate")

    def gates(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What a deployment asks of a version before it may answer."""
        deployment = get_object_or_404(Deployment, pk=pk)
        if not request.user.has_perm("inference.change_deployment"):
            raise PermissionDenied
        form = GateForm(request.POST or None, instance=deployment)
        if request.method == "POST" and form.is_valid():
            form.save()
            messages.info(request, f"What {deployment} asks for is changed.")
            return redirect("admin:inference_deployment_change", pk)
        return self._asked(
            request,
            form,
            f"What {deployment} asks of a version",
            "Save",
            original=deployment,
            opts=Deployment._meta,
            words="From 0 to 1, and nothing where you ask for nothing. What answers"
            " now goes on answering.",
        )

    def _asked(
        self, request: HttpRequest, form: Any, title: str, button: str, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "title": title,
            "button": button,
            **more,
        }
        return render(request, "admin/ask.html", context)

    def compare(self, request: HttpRequest) -> HttpResponse:
        """All that was evaluated on one data, beside what a deployment runs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        dataset, deployment = _asked_for(request)
        compared = side_by_side(dataset, deployment)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Versions on {evaluations.data_name(dataset)}",
            "dataset": dataset,
            "deployment": deployment,
            "datasets": Dataset.objects.filter(evaluations__isnull=False).distinct(),
            "deployments": Deployment.objects.all(),
            "compared": compared,
            "names": [NAMES[name] for name in compared.names],
            "charts": _charts(compared),
            "by_label": compared.by_label("ap50"),
            "recall_by_label": compared.by_label("recall"),
        }
        return render(request, "admin/compare.html", context)


def _asked_for(request: HttpRequest) -> tuple[Dataset | None, Deployment | None]:
    number, name = request.GET.get("dataset", ""), request.GET.get("deployment")
    dataset = None
    if number:
        pk = int(number) if number.isdecimal() else 0
        dataset = get_object_or_404(Dataset, pk=pk)
    deployment = Deployment.objects.filter(name=name or DEFAULT_DEPLOYMENT).first()
    return dataset, deployment


def _charts(compared: Comparison) -> list[SafeString]:
    """One a figure: a bar for each version that has it."""
    return [
        bar_chart(
            NAMES[name],
            {
                str(row.evaluation.version): row.evaluation.figures[name]
                for row in compared.rows
                if name in row.evaluation.figures
            },
            most=1,
        )
        for name in compared.names
    ]
