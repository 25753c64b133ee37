"""Deployments: what answers on which page, and where operators pick it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import ForeignKey, OuterRef, QuerySet, Subquery
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.admin.activations import (
    ActivationInline,
    choices_of_deployment,
    course,
)
from apps.inference.admin.columns import NOTHING
from apps.inference.admin.deployment_settings import (
    DeploymentSettings,
    ListColumn,
    page_of,
)
from apps.inference.admin.trials import trial_of_deployment
from apps.inference.models import Activation, Deployment, ModelVersion


@admin.register(Deployment)
class DeploymentAdmin(DeploymentSettings):
    """Its page is where another version is activated, and says how far that is."""

    change_form_template = "admin/deployment_form.html"
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

    def get_readonly_fields(
        self, request: HttpRequest, obj: Deployment | None = None
    ) -> tuple[str, ...]:
        """Which version answers is changed by activating another one."""
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, "active_version") if obj else fixed

    def formfield_for_foreignkey(
        self, db_field: ForeignKey, request: HttpRequest, **options: Any
    ) -> ModelChoiceField | None:
        if db_field.name == "active_version":
            # The name of each choice is its model's and its own.
            options["queryset"] = ModelVersion.objects.select_related("model").filter(
                state=ModelVersion.State.VERIFIED
            )
            options["empty_label"] = None
        return super().formfield_for_foreignkey(db_field, request, **options)

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
            last_changed_at=Subquery(last.values("changed_at")[:1]),
            last_finished_at=Subquery(last.values("finished_at")[:1]),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        deployment = self.get_object(request, object_id)
        shown = {
            "activate": choices_of_deployment(request, deployment),
            **trial_of_deployment(deployment),
        }
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )

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
            changed_at=deployment.last_changed_at,
            finished_at=deployment.last_finished_at,
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
        elif not self.save_settings(request, obj, form):
            messages.info(request, "Nothing was changed.")

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
