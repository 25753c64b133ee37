"""Where operators start, watch, stop and promote what is tried beside a deployment."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from apps.inference.admin.activations import MAY_ACTIVATE
from apps.inference.admin.columns import NOTHING, ReadOnlyAdmin, badge, told, when
from apps.inference.connections import sync_redis
from apps.inference.exceptions import InferenceError
from apps.inference.models import Deployment, ModelVersion, Trial
from apps.inference.serving.company import Company
from apps.inference.trials import agreement, services, tables
from apps.inference.words import percent

MAY_REVIEW = "emporium_sessions.review_capture"
MOST_PICTURES = 12


class StartForm(forms.Form):
    deployment = forms.ModelChoiceField(Deployment.objects.all())
    version = forms.ModelChoiceField(ModelVersion.objects.select_related("model"))
    kind = forms.ChoiceField(choices=Trial.Kind.choices)
    percent = forms.FloatField()


def trial_of_deployment(deployment: Deployment | None) -> dict[str, Any]:
    """What its page shows of what is tried beside it."""
    trial = deployment and services.running(deployment)
    return {"trial": trial, "trial_outcome": outcome(trial) if trial else ""}


def outcome(trial: Trial) -> SafeString:
    words = trial.reason
    if trial.state == Trial.State.RUNNING:
        is_shadow = trial.kind == Trial.Kind.SHADOW
        words = (
            f"{percent(trial.share)} of the {'frames' if is_shadow else 'sessions'}."
        )
        if not trial.figures:
            words += " Nothing has been answered yet."
            if is_shadow:
                words += " It takes a worker of the queue shadow, and live frames."
        if not is_shadow:
            words += f" {_readiness(trial)}"
    return told(badge(trial.state, trial.get_state_display()), words)


def _readiness(trial: Trial) -> str:
    """How many workers have a canary loaded: until all have, it answers nobody."""
    queue = trial.deployment.queue
    try:
        with sync_redis() as redis:
            roll = Company(redis).look(trial.affair, queue)
    except RedisError:
        return "Redis doesn’t answer, so nobody knows which workers are ready."
    if not roll.present:
        return f"No worker of the queue {queue} is running."
    if roll.are_all_ready:
        return "All workers answer with it."
    return (
        f"{len(roll.ready)} of {len(roll.present)} workers are ready: it answers once"
        " all are."
    )


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    how_to_begin = "Try a version on the page of a deployment."
    change_form_template = "admin/trial_form.html"
    list_display = (
        "started",
        "outcome",
        "kind",
        "version",
        "verdicts",
        "deployment",
        "started_by",
    )
    list_filter = ("state", "kind", "deployment")
    date_hierarchy = "started_at"
    fields = (
        "deployment",
        "version",
        "kind",
        "shown_share",
        "outcome",
        "started",
        "ended",
        "started_by",
        "sides",
        "agreement",
        "disagreements",
    )
    readonly_fields = (
        "shown_share",
        "outcome",
        "started",
        "ended",
        "sides",
        "agreement",
        "disagreements",
    )
    started = when("started_at", "started")
    ended = when("ended_at", "ended")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trial]:
        queryset: QuerySet[Trial] = super().get_queryset(request)
        return queryset.select_related("deployment", "version__model", "started_by")

    def get_fields(
        self, request: HttpRequest, obj: Trial | None = None
    ) -> tuple[str, ...]:
        """Kept pictures only to who may see them, agreement where it is counted."""
        hidden = set()
        if obj is None or obj.kind == Trial.Kind.CANARY:
            hidden |= {"agreement", "disagreements"}
        if not request.user.has_perm(MAY_REVIEW):
            hidden.add("disagreements")
        return tuple(name for name in self.fields if name not in hidden)

    def get_urls(self) -> list[URLPattern]:
        acts = (
            ("start/", self.start, "start"),
            ("<int:trial_id>/stop/", self.stop, "stop"),
            ("<int:trial_id>/promote/", self.promote, "promote"),
        )
        urls: list[URLPattern] = super().get_urls()
        return [
            *(
                path(
                    address,
                    self.admin_site.admin_view(require_POST(act)),
                    name=f"inference_trial_{name}",
                )
                for address, act, name in acts
            ),
            *urls,
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        may_act = {"may_act": request.user.has_perm(MAY_ACTIVATE)}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **may_act}
        )

    def start(self, request: HttpRequest) -> HttpResponse:
        _refuse_strangers(request)
        form = StartForm(request.POST)
        if not form.is_valid():
            messages.error(
                request, "Choose a version, shadow or canary, and a share in percent."
            )
            return redirect("admin:inference_deployment_changelist")
        said = form.cleaned_data
        try:
            trial = services.start(
                said["deployment"],
                said["version"],
                said["kind"],
                said["percent"] / 100,
                _operator(request),
            )
        except InferenceError as error:
            messages.error(request, str(error))
            return redirect("admin:inference_deployment_change", said["deployment"].pk)
        return redirect("admin:inference_trial_change", trial.pk)

    def stop(self, request: HttpRequest, trial_id: int) -> HttpResponse:
        _refuse_strangers(request)
        trial = get_object_or_404(self.get_queryset(request), pk=trial_id)
        try:
            services.stop(trial, f"{request.user.get_username()} stopped it.")
        except InferenceError as error:
            messages.error(request, str(error))
        return redirect("admin:inference_trial_change", trial_id)

    def promote(self, request: HttpRequest, trial_id: int) -> HttpResponse:
        """One click; the deployment's page says how far it is."""
        _refuse_strangers(request)
        trial = get_object_or_404(self.get_queryset(request), pk=trial_id)
        try:
            services.promote(trial, _operator(request))
        except InferenceError as error:
            messages.error(request, str(error))
            return redirect("admin:inference_trial_change", trial_id)
        messages.info(
            request,
            f"The workers are loading {trial.version} for all sessions. Below is how"
            " far they are.",
        )
        return redirect("admin:inference_deployment_change", trial.deployment_id)

    @admin.display(ordering="state")
    def outcome(self, trial: Trial) -> SafeString:
        return outcome(trial)

    @admin.display(description="share")
    def shown_share(self, trial: Trial) -> str:
        return percent(trial.share)

    @admin.display(description="same verdict")
    def verdicts(self, trial: Trial) -> str:
        agreed = agreement.summary(trial.figures.get("agreement", {}))
        return NOTHING if agreed.verdict is None else f"{agreed.verdict:.1%}"

    @admin.display(description="both versions")
    def sides(self, trial: Trial) -> SafeString | str:
        return tables.sides(trial.figures, trial.kind)

    @admin.display
    def agreement(self, trial: Trial) -> SafeString | str:
        return tables.agreement(trial.figures.get("agreement", {}))

    @admin.display(description="where they disagree")
    def disagreements(self, trial: Trial) -> SafeString | str:
        """Of those who allow it; that it was seen is written down with each."""
        captures = list(trial.captures.all()[:MOST_PICTURES])
        count = trial.captures.count()
        if not captures:
            return (
                "None was kept: it takes somebody who allows it, and whose frame is"
                " still held when the challenger has answered."
            )
        return format_html(
            '{}<div class="aside">{} in all</div>', tables.pictures(captures), count
        )


def _operator(request: HttpRequest) -> AbstractBaseUser | None:
    return request.user if request.user.is_authenticated else None


def _refuse_strangers(request: HttpRequest) -> None:
    if not request.user.has_perm(MAY_ACTIVATE):
        raise PermissionDenied
