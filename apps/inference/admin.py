"""What operators see of models and deployments, and where they pick what answers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import ForeignKey, OuterRef, Q, QuerySet, Subquery
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference import services
from apps.inference.columns import (
    NOTHING,
    ReadOnlyAdmin,
    badge,
    duration,
    told,
    when,
)
from apps.inference.deployment_admin import DeploymentSettings, ListColumn, page_of
from apps.inference.exceptions import NotVerifiedError
from apps.inference.filters import FamilyFilter
from apps.inference.models import (
    Activation,
    Deployment,
    ModelVersion,
    RegisteredModel,
)
from apps.inference.version_admin import ModelVersionAdmin

__all__ = [
    "ActivationAdmin",
    "DeploymentAdmin",
    "ModelVersionAdmin",
    "RegisteredModelAdmin",
]

State = ModelVersion.State


class VersionInline(admin.TabularInline):
    model = ModelVersion
    fields = readonly_fields = ("version", "shown_state", "registered", "sha256")
    extra = 0
    can_delete = False
    empty_value_display = NOTHING
    show_change_link = True
    registered = when("created_at", "registered")

    @admin.display(description="state")
    def shown_state(self, version: ModelVersion) -> SafeString:
        return badge(version.state, version.get_state_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        queryset: QuerySet[ModelVersion] = super().get_queryset(request)
        return queryset.select_related("model")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ReadOnlyAdmin):
    list_display = ("name", "family", "licence", "registered")
    list_filter = (("family", FamilyFilter),)
    search_fields = ("name", "description")
    fields = ("name", "family", "description", "licence", "registered")
    readonly_fields = ("registered",)
    registered = when("created_at", "registered")
    inlines = (VersionInline,)


def course(activation: Activation) -> SafeString:
    """How far it is and for how long, or what came of it."""
    words = activation.reason
    if activation.state in Activation.UNDER_WAY:
        words = (
            activation.step
            or f"Waiting for a worker of the queue {activation.deployment.queue}."
        )
        words += f" {took(activation)} so far."
    return told(badge(activation.state, activation.get_state_display()), words)


def took(activation: Activation) -> str:
    until = activation.finished_at or timezone.now()
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
        if activation.from_version is None:
            return str(activation.to_version)
        return format_html(
            '{}<div class="aside">from {}</div>',
            activation.to_version,
            activation.from_version,
        )


class ActivationInline(ActivationColumns, admin.TabularInline):
    model = Activation
    verbose_name_plural = "what was activated, and what came of it"
    fields = readonly_fields = (
        "outcome",
        "change",
        "requested",
        "requested_by",
        "took",
    )
    extra = 0
    can_delete = False
    empty_value_display = NOTHING

    def get_queryset(self, request: HttpRequest) -> QuerySet[Activation]:
        queryset: QuerySet[Activation] = super().get_queryset(request)
        return queryset.select_related(
            "deployment", "from_version__model", "to_version__model", "requested_by"
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Deployment)
class DeploymentAdmin(DeploymentSettings):
    """Saving a deployment with another version asks the workers to switch."""

    list_select_related = ("active_version__model",)
    inlines = (ActivationInline,)

    def get_list_display(self, request: HttpRequest) -> tuple[str | ListColumn, ...]:
        return (
            "name",
            "page",
            "active_version",
            self.queue_column(),
            self.live_column(),
            "last_activation",
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        queryset: QuerySet[Deployment] = super().get_queryset(request)
        last = Activation.objects.filter(deployment=OuterRef("pk"))
        return queryset.annotate(
            last_model=Subquery(last.values("to_version__model__name")[:1]),
            last_version=Subquery(last.values("to_version__version")[:1]),
            last_state=Subquery(last.values("state")[:1]),
            last_step=Subquery(last.values("step")[:1]),
            last_reason=Subquery(last.values("reason")[:1]),
            last_requested_at=Subquery(last.values("requested_at")[:1]),
        )

    def formfield_for_foreignkey(
        self, db_field: ForeignKey, request: HttpRequest, **options: Any
    ) -> ModelChoiceField | None:
        # The name of each choice is its model's and its own. What is active is one even
        # while it is verified anew: nobody shall switch by merely saving.
        can_answer = Q(state=State.VERIFIED) | Q(deployments__isnull=False)
        options["queryset"] = (
            ModelVersion.objects.select_related("model").filter(can_answer).distinct()
        )
        options["empty_label"] = None
        return super().formfield_for_foreignkey(db_field, request, **options)

    @admin.display(description="last activation")
    def last_activation(self, deployment: Any) -> SafeString | str:
        if deployment.last_state is None:
            return NOTHING
        last = Activation(
            deployment=deployment,
            state=deployment.last_state,
            step=deployment.last_step,
            reason=deployment.last_reason,
            requested_at=deployment.last_requested_at,
        )
        version = f"{deployment.last_model} {deployment.last_version}"
        return format_html('{}<div class="aside">{}</div>', course(last), version)

    def save_model(
        self,
        request: HttpRequest,
        obj: Deployment,
        form: ModelForm,
        change: bool,
    ) -> None:
        if not change:
            obj.save()
            messages.info(
                request,
                f"{obj} is answered by {obj.active_version} once a worker of the queue"
                f" {obj.queue} has loaded it. Its page is {page_of(obj)}.",
            )
            return
        is_set = self.save_settings(request, obj, form)
        before = Deployment.objects.get(pk=obj.pk)
        user = request.user if request.user.is_authenticated else None
        try:
            activation = services.activate(before, obj.active_version, user)
        except NotVerifiedError as error:
            messages.error(request, str(error))
            return
        if activation:
            messages.info(
                request,
                f"The workers are loading {obj.active_version}; live sessions change "
                "over by themselves. Below is how far they are.",
            )
        elif not is_set:
            messages.info(
                request, f"Nothing was changed: {obj.active_version} is active already."
            )

    def message_user(
        self,
        request: HttpRequest,
        message: Any,
        level: int | str = messages.INFO,
        extra_tags: str = "",
        fail_silently: bool = False,
    ) -> None:
        """Drop "was changed successfully": `save_model` says what saving has done."""
        if level != messages.SUCCESS:
            super().message_user(request, message, level, extra_tags, fail_silently)


@admin.register(Activation)
class ActivationAdmin(ActivationColumns, ReadOnlyAdmin):
    list_display = (
        "requested",
        "outcome",
        "change",
        "requested_by",
        "took",
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
        "requested",
        "finished",
        "took",
    )
    readonly_fields = ("outcome", "requested", "finished", "took")
