"""What operators see of models and deployments, and where they pick what answers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.activation_admin import (
    ActivationAdmin,
    ActivationInline,
    choices_of_deployment,
    course,
)
from apps.inference.columns import NOTHING, ReadOnlyAdmin, badge, when
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


@admin.register(Deployment)
class DeploymentAdmin(admin.ModelAdmin):
    """Its page is where another version is activated, and says how far that is.

    Deployments come with `manage.py provision` and stay, since sessions point at them.
    """

    change_form_template = "admin/deployment_form.html"

    list_display = ("name", "active_version", "last_activation")
    list_select_related = ("active_version__model",)
    inlines = (ActivationInline,)

    fields = ("name", "active_version")
    readonly_fields = ("name", "active_version")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Deployment | None = None
    ) -> bool:
        return False

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
        choices = {"activate": choices_of_deployment(request, deployment)}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **choices}
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
