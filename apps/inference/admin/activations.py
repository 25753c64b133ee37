"""Where operators choose what answers, and read what came of each such choice."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.inference import services
from apps.inference.admin.columns import (
    NOTHING,
    ReadOnlyAdmin,
    badge,
    duration,
    readable,
    told,
    when,
)
from apps.inference.exceptions import InferenceError
from apps.inference.models import Activation, Deployment, ModelVersion

MAY_ACTIVATE = "inference.activate_deployment"
# On the page of a deployment; the list has all.
MOST_SHOWN = 20


class ActivateForm(forms.Form):
    deployment = forms.ModelChoiceField(Deployment.objects.all())
    version = forms.ModelChoiceField(ModelVersion.objects.select_related("model"))
    note = forms.CharField(
        required=False, max_length=Activation._meta.get_field("note").max_length
    )
    goes_back = forms.BooleanField(required=False)


def choices_of_deployment(
    request: HttpRequest, deployment: Deployment | None
) -> dict[str, Any]:
    """What its page offers to whoever may choose."""
    if deployment is None or not request.user.has_perm(MAY_ACTIVATE):
        return {}
    verified = ModelVersion.objects.filter(state=ModelVersion.State.VERIFIED)
    others = verified.exclude(pk=deployment.active_version_id)
    return {
        "deployment": deployment,
        "versions": others.select_related("model").only("model__name", "version"),
        "version_before": services.version_before(deployment),
    }


def choices_of_version(
    request: HttpRequest, version: ModelVersion | None
) -> dict[str, Any]:
    """The same of a version's page: where it could answer and doesn't."""
    may_answer = version and version.state == ModelVersion.State.VERIFIED
    if not may_answer or not request.user.has_perm(MAY_ACTIVATE):
        return {}
    return {
        "version": version,
        "deployments": Deployment.objects.exclude(active_version=version),
    }


def course(activation: Activation) -> SafeString:
    """How far it is and for how long, or what came of it."""
    state, words = activation.state, activation.reason
    if activation.is_under_way:
        queue = activation.deployment.queue
        words = activation.step or f"Waiting for a worker of the queue {queue}."
        words += f" {took(activation)} so far."
    if activation.is_watched:
        state = "watched"
        words = "It is watched in the first minute in which it answers."
    return told(badge(state, activation.get_state_display()), words)


def took(activation: Activation) -> str:
    """Until it answered, or it was decided that it doesn't."""
    until = timezone.now() if activation.is_under_way else activation.changed_at
    return duration(until - activation.requested_at)


class ActivationColumns:
    requested = when("requested_at", "requested")
    finished = when("finished_at", "finished")

    @admin.display(description="outcome", ordering="state")
    def outcome(self, activation: Activation) -> SafeString:
        return course(activation)

    @admin.display
    def took(self, activation: Activation) -> str:
        return took(activation)

    @admin.display(description="to version", ordering="to_version")
    def change(self, activation: Activation) -> SafeString | str:
        asides = []
        if activation.from_version is not None:
            asides.append(f"from {activation.from_version}")
        if activation.note:
            asides.append(f"“{activation.note}”")
        return format_html(
            "{}{}",
            activation.to_version,
            format_html_join(
                "", '<div class="aside">{}</div>', ((words,) for words in asides)
            ),
        )

    @admin.display(description="first minute")
    def minute(self, activation: Activation) -> SafeString | str:
        figures = activation.figures.get("first_minute")
        if not figures:
            return NOTHING
        return format_html(
            '{} answered, {} failed<div class="aside">p95 age {} ms</div>',
            figures["answered"],
            figures["failed"],
            f"{figures['p95_ms']:.0f}",
        )

    @admin.display(description="figures")
    def readable_figures(self, activation: Activation) -> SafeString | str:
        return readable(activation.figures)


class NewestFormSet(BaseInlineFormSet):
    def get_queryset(self) -> QuerySet[Activation]:
        if not hasattr(self, "_queryset"):
            self._queryset = super().get_queryset()[:MOST_SHOWN]
        return self._queryset


class ActivationInline(ActivationColumns, admin.TabularInline):
    model = Activation
    formset = NewestFormSet
    verbose_name_plural = "what was activated last, and what came of it"
    fields = readonly_fields = (
        "outcome",
        "change",
        "requested",
        "requested_by",
        "took",
        "minute",
    )
    extra = 0
    can_delete = False
    empty_value_display = NOTHING
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Activation]:
        queryset: QuerySet[Activation] = super().get_queryset(request)
        return queryset.select_related(
            "deployment", "from_version__model", "to_version__model", "requested_by"
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """So that the deployment's settings are saved without them."""
        return False


@admin.register(Activation)
class ActivationAdmin(ActivationColumns, ReadOnlyAdmin):
    how_to_begin = "Activate a version on the page of a deployment."
    list_display = (
        "requested",
        "outcome",
        "change",
        "requested_by",
        "took",
        "minute",
        "deployment",
    )
    list_select_related = (
        "deployment",
        "from_version__model",
        "to_version__model",
        "requested_by",
    )
    list_filter = ("state", "deployment")
    date_hierarchy = "requested_at"
    fields = (
        "deployment",
        "outcome",
        "to_version",
        "from_version",
        "requested_by",
        "note",
        "requested",
        "finished",
        "took",
        "readable_figures",
    )
    readonly_fields = ("outcome", "requested", "finished", "took", "readable_figures")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.activate))
        urls: list[URLPattern] = super().get_urls()
        return [path("activate/", view, name="inference_activate"), *urls]

    def activate(self, request: HttpRequest) -> HttpResponse:
        """One click; the deployment's page says how far it is."""
        if not request.user.has_perm(MAY_ACTIVATE):
            raise PermissionDenied
        form = ActivateForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Choose a version of those that there are.")
            return redirect("admin:inference_deployment_changelist")
        deployment, version, note = (
            form.cleaned_data[name] for name in ("deployment", "version", "note")
        )
        user = cast(User, request.user)
        try:
            if form.cleaned_data["goes_back"]:
                activation = services.go_back(deployment, user, note, to=version)
            else:
                activation = services.activate(deployment, version, user, note)
        except InferenceError as error:
            messages.error(request, str(error))
        else:
            messages.info(request, _words(version, activation))
        return redirect("admin:inference_deployment_change", deployment.pk)


def _words(version: ModelVersion, activation: Activation | None) -> str:
    if activation is None:
        return f"Nothing was changed: {version} is active already."
    if not activation.is_under_way:
        return f"{version} goes on answering: what was under way is called off."
    return (
        f"The workers are loading {version}; live sessions change over by themselves."
        " Below is how far they are."
    )
