"""What operators see of models and deployments, and where they pick what answers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import ForeignKey, OuterRef, QuerySet, Subquery
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest

from apps.inference import services
from apps.inference.models import (
    Activation,
    Deployment,
    ModelVersion,
    RegisteredModel,
)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the system writes: to be seen, not to be made up."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class VersionInline(admin.TabularInline):
    model = ModelVersion
    fields = readonly_fields = ("version", "directory", "sha256", "created_at")
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        queryset: QuerySet[ModelVersion] = super().get_queryset(request)
        return queryset.select_related("model")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ReadOnlyAdmin):
    list_display = ("name", "family", "licence", "created_at")
    list_filter = ("family",)
    search_fields = ("name", "description")
    inlines = (VersionInline,)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "family", "short_checksum", "answers_for", "created_at")
    list_select_related = ("model",)
    list_filter = ("model__family", "model")
    search_fields = ("model__name", "version", "sha256")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        queryset: QuerySet[ModelVersion] = super().get_queryset(request)
        return queryset.prefetch_related("deployments")

    @admin.display(ordering="model__family")
    def family(self, version: ModelVersion) -> str:
        return version.model.family

    @admin.display(description="SHA-256")
    def short_checksum(self, version: ModelVersion) -> str:
        return version.sha256[:12]

    @admin.display(description="active in")
    def answers_for(self, version: ModelVersion) -> str:
        return ", ".join(each.name for each in version.deployments.all()) or "—"


class ActivationInline(admin.TabularInline):
    model = Activation
    verbose_name_plural = "what was activated, and what came of it"
    fields = readonly_fields = (
        "requested_at",
        "requested_by",
        "from_version",
        "to_version",
        "state",
        "reason",
        "finished_at",
    )
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Activation]:
        queryset: QuerySet[Activation] = super().get_queryset(request)
        return queryset.select_related(
            "deployment", "from_version__model", "to_version__model", "requested_by"
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Deployment)
class DeploymentAdmin(admin.ModelAdmin):
    """Saving a deployment with another version asks the workers to switch.

    Deployments come with `manage.py provision` and stay, since sessions point at them.
    """

    list_display = ("name", "active_version", "last_activation")
    list_select_related = ("active_version__model",)
    inlines = (ActivationInline,)

    fields = ("name", "active_version")
    readonly_fields = ("name",)

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
            last_reason=Subquery(last.values("reason")[:1]),
        )

    def formfield_for_foreignkey(
        self, db_field: ForeignKey, request: HttpRequest, **options: Any
    ) -> ModelChoiceField | None:
        # The name of each choice is its model's and its own.
        options["queryset"] = ModelVersion.objects.select_related("model")
        return super().formfield_for_foreignkey(db_field, request, **options)

    @admin.display(description="last activation")
    def last_activation(self, deployment: Any) -> str:
        if deployment.last_state is None:
            return "—"
        state = Activation.State(deployment.last_state).label
        outcome = f"{deployment.last_model} {deployment.last_version}: {state}"
        return (
            f"{outcome} ({deployment.last_reason})"
            if deployment.last_reason
            else outcome
        )

    def save_model(
        self,
        request: HttpRequest,
        obj: Deployment,
        form: ModelForm,
        change: bool,
    ) -> None:
        before = Deployment.objects.get(pk=obj.pk)
        user = request.user if request.user.is_authenticated else None
        if services.activate(before, obj.active_version, user):
            messages.info(
                request,
                f"The workers are loading {obj.active_version}; live sessions change "
                "over by themselves. Reload this page to see what came of it.",
            )


@admin.register(Activation)
class ActivationAdmin(ReadOnlyAdmin):
    list_display = (
        "requested_at",
        "deployment",
        "from_version",
        "to_version",
        "state",
        "reason",
        "requested_by",
    )
    list_select_related = (
        "deployment",
        "from_version__model",
        "to_version__model",
        "requested_by",
    )
    list_filter = ("state", "deployment")
    date_hierarchy = "requested_at"
