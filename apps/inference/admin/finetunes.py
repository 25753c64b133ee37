"""The page on which an operator asks for a version to be trained further."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.inference.exceptions import InferenceError
from apps.inference.finetuning import plan
from apps.inference.models import Dataset, Job, ModelVersion

MAY_ASK = "inference.add_job"


def trainable() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.select_related("model").filter(
        state=ModelVersion.State.VERIFIED, model__family__in=plan.TRAINABLE
    )


class FinetuneForm(forms.Form):
    """Asks for the job itself once all fields are right; it is `job` then."""

    parent = forms.ModelChoiceField(
        trainable(),
        label="Version",
        help_text="Stays as it is; what comes of it is another version of its model.",
    )
    dataset = forms.ModelChoiceField(
        Dataset.objects.all(),
        help_text="Its pictures but those that are held out, on which both are"
        " evaluated afterwards.",
    )
    steps = forms.IntegerField(
        min_value=1,
        max_value=plan.MOST_STEPS,
        initial=plan.STEPS,
        help_text="Eighty for some dozens of pictures; more for more.",
    )
    learning_rate = forms.FloatField(
        min_value=plan.LEAST_LEARNING_RATE,
        max_value=plan.MOST_LEARNING_RATE,
        initial=plan.LEARNING_RATE,
        widget=forms.NumberInput({"step": "any"}),
        help_text="Smaller, if it forgets or goes astray.",
    )
    rehearsal = forms.FloatField(
        required=False,
        min_value=0,
        max_value=plan.MOST_REHEARSAL,
        widget=forms.NumberInput({"step": "any"}),
        help_text="The share of the Emporium's own scenes among the examples, so that"
        " nothing is forgotten. Empty: three quarters for a model that knows them,"
        " none for another.",
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=plan.MOST_SEED,
        initial=0,
        help_text="Decides the order of the pictures and how they are varied.",
    )

    job: Job

    def __init__(self, *args: Any, requested_by: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._requested_by = requested_by

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        asked = dict(cleaned)
        parent, dataset = asked.pop("parent"), asked.pop("dataset")
        try:
            self.job = plan.request(
                parent, dataset, plan.Choices(**asked), self._requested_by
            )
        except InferenceError as error:
            raise ValidationError(str(error)) from error
        return cleaned


def finetune(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(MAY_ASK):
        raise PermissionDenied
    form = FinetuneForm(
        request.POST or None, initial=request.GET.dict(), requested_by=request.user
    )
    if request.method == "POST" and form.is_valid():
        return redirect("admin:inference_job_change", form.job.pk)
    context = {
        **admin.site.each_context(request),
        "title": "Finetune",
        "opts": ModelVersion._meta,
        "form": form,
        "button": "Finetune",
        "words": "What comes of it is verified, evaluated beside its parent, and waits"
        " to be activated.",
    }
    return render(request, "admin/ask.html", context)


def may_finetune(request: HttpRequest, version: ModelVersion | None) -> bool:
    """Whether the version's page leads here."""
    may_ask = request.user.has_perm(MAY_ASK)
    return version is not None and may_ask and not plan.why_not(version)
