"""Where operators add models, and read what is known of each version."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.admin.activations import choices_of_version
from apps.inference.admin.columns import (
    NOTHING,
    ReadOnlyAdmin,
    badge,
    moment,
    readable,
    told,
    when,
)
from apps.inference.admin.descent import DescentFields
from apps.inference.admin.figures import figures_table
from apps.inference.admin.filters import FamilyFilter, ModelFilter
from apps.inference.admin.finetunes import finetune, may_finetune
from apps.inference.admin.jobs import in_words
from apps.inference.admin.version_forms import AddVersionForm
from apps.inference.exceptions import InferenceError
from apps.inference.models import ModelVersion
from apps.inference.registering import asking, removing, uploads
from apps.inference.registering.contents import SHIPPED, contents

AGPL = "AGPL-3.0"


def _is_agpl(licence: str) -> bool:
    """The hub writes it small, and some say whether later versions are meant too."""
    return licence.casefold().startswith(AGPL.casefold())


State = ModelVersion.State
# What a version's job does, as its state says it.
_DOING = {asking.ADD: "adding", asking.VERIFY: "verifying"}


@admin.register(ModelVersion)
class ModelVersionAdmin(DescentFields, ReadOnlyAdmin):
    """Adding one asks for it; the jobs bring it in and verify it."""

    form = AddVersionForm
    change_form_template = "admin/version_form.html"
    list_display = (
        "name",
        "outcome",
        "answers_for",
        "shown_family",
        "speed",
        "short_licence",
        "registered",
    )
    list_filter = ("state", ("model__family", FamilyFilter), ("model", ModelFilter))
    ordering = ("-created_at", "-pk")
    search_fields = ("model__name", "version", "sha256", "source")
    fields = (
        "model",
        "version",
        "outcome",
        "answers_for",
        "shown_family",
        "labels",
        "input_size",
        "licence",
        "shown_source",
        "added_by",
        "registered",
        "verified",
        "descent",
        "before_and_after",
        "children",
        "learning",
        "figures",
        "directory",
        "sha256",
        "readable_card",
    )
    readonly_fields = fields
    registered = when("created_at", "registered")
    actions = ("verify_anew", "bring_in_again")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(finetune)
        return [
            path("finetune/", view, name="inference_finetune"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_delete_permission(
        self, request: HttpRequest, obj: ModelVersion | None = None
    ) -> bool:
        """One by one, and what nothing needs; what records name, Django says itself."""
        if obj is None or removing.why_it_stays(obj):
            return False
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def delete_model(self, request: HttpRequest, obj: ModelVersion) -> None:
        removing.remove(obj)

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: int
    ) -> HttpResponse:
        """To the list, for who may not change what the system writes."""
        super().response_delete(request, obj_display, obj_id)
        return redirect("admin:inference_modelversion_changelist")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With one button: whatever is saved, its own page comes next."""
        others = ("show_save_and_add_another", "show_save_and_continue")
        return super().add_view(request, form_url, dict.fromkeys(others, False))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        version = self.get_object(request, object_id)
        choices = {
            "activate": choices_of_version(request, version),
            "may_finetune": may_finetune(request, version),
        }
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **choices}
        )

    def get_fields(
        self, request: HttpRequest, obj: ModelVersion | None = None
    ) -> tuple[str, ...]:
        return self.fields if obj else AddVersionForm.Meta.fields

    def get_readonly_fields(
        self, request: HttpRequest, obj: ModelVersion | None = None
    ) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_form(
        self,
        request: HttpRequest,
        obj: ModelVersion | None = None,
        change: bool = False,
        **options: Any,
    ) -> type[AddVersionForm]:
        return AddVersionForm

    def save_model(
        self, request: HttpRequest, obj: ModelVersion, form: ModelForm, change: bool
    ) -> None:
        ModelVersion.objects.filter(pk=obj.pk).update(added_by=request.user)
        self._have_brought_in(request, obj)

    def _have_brought_in(self, request: HttpRequest, version: ModelVersion) -> None:
        try:
            asking.add(version, request.user)
        except InferenceError as error:
            messages.error(request, str(error))
        else:
            messages.info(
                request, "The jobs bring it in. This page says how far they are."
            )

    def response_add(
        self, request: HttpRequest, obj: ModelVersion, post_url_continue: Any = None
    ) -> HttpResponse:
        """To the version's own page, which says how far it is."""
        return redirect("admin:inference_modelversion_change", obj.pk)

    @admin.action(description="Verify anew", permissions=["add"])
    def verify_anew(
        self, request: HttpRequest, queryset: QuerySet[ModelVersion]
    ) -> None:
        """How far each job is, the version's state says."""
        for version in queryset.select_related("model"):
            try:
                asking.verify(version, request.user)
            except InferenceError as error:
                messages.error(request, str(error))
            else:
                messages.info(request, f"The jobs verify {version}.")

    @admin.action(description="Bring in again", permissions=["add"])
    def bring_in_again(
        self, request: HttpRequest, queryset: QuerySet[ModelVersion]
    ) -> None:
        """Those that failed before they had files."""
        for version in queryset.select_related("model"):
            self._have_brought_in(request, version)

    @admin.display(description="state", ordering="state")
    def outcome(self, version: ModelVersion) -> SafeString:
        job = version.job
        if job is None or not version.is_under_way:
            return told(
                badge(version.state, version.get_state_display()), version.reason
            )
        doing = _DOING[job.kind]
        url = reverse("admin:inference_job_change", args=[job.pk])
        words = format_html('<a href="{}">{}</a>', url, in_words(job))
        return told(badge(doing, doing), words)

    @admin.display(description="licence")
    def short_licence(self, version: ModelVersion) -> SafeString | str:
        licence = version.card.get("licence") or "unknown"
        return badge("warning", AGPL) if _is_agpl(licence) else str(licence)

    @admin.display(description="licence")
    def licence(self, version: ModelVersion) -> SafeString | str:
        shown = self.short_licence(version)
        if not _is_agpl(version.card.get("licence", "")):
            return shown
        return format_html(
            '{}<div class="aside">{}</div>',
            shown,
            "Its makers hold that software which uses it must be open under it too.",
        )

    @admin.display(description="figures")
    def figures(self, version: ModelVersion) -> SafeString | str:
        """The batch curve of every engine, the chosen one marked, or its refusal."""
        engines = version.verification.get("engines", ())
        if engines:
            return figures_table(engines, version.engine)
        if version.state == State.VERIFIED:
            return "Not measured on this machine yet: “Verify anew” does it."
        return NOTHING

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        queryset: QuerySet[ModelVersion] = super().get_queryset(request)
        return queryset.select_related("model", "job").prefetch_related("deployments")

    @admin.display(description="model version", ordering="model__name")
    def name(self, version: ModelVersion) -> str:
        return str(version)

    @admin.display(description="family", ordering="model__family")
    def shown_family(self, version: ModelVersion) -> str:
        return version.model.family or NOTHING

    @admin.display(description="engine")
    def speed(self, version: ModelVersion) -> SafeString | str:
        """The chosen one, and what it does with the chosen batch."""
        batches = version.measured_on(version.engine).get("batches", ())
        for batch in batches:
            if batch["size"] == version.batch_size:
                rate = 1000 * batch["size"] / batch["batch_ms"]
                return format_html(
                    '{}<div class="aside">{} pictures/s</div>',
                    version.engine,
                    f"{rate:.0f}",
                )
        return version.engine or NOTHING

    @admin.display
    def labels(self, version: ModelVersion) -> str:
        return contents(version).labels if version.sha256 else NOTHING

    @admin.display
    def input_size(self, version: ModelVersion) -> str:
        return contents(version).input_size if version.sha256 else NOTHING

    @admin.display(description="source")
    def shown_source(self, version: ModelVersion) -> str:
        return uploads.shown(version.source) if version.source else NOTHING

    @admin.display(ordering="verified_at")
    def verified(self, version: ModelVersion) -> SafeString | str:
        if version.state == State.VERIFIED and version.verified_at is None:
            return SHIPPED
        return moment(version.verified_at)

    @admin.display(description="active in")
    def answers_for(self, version: ModelVersion) -> str:
        return ", ".join(each.name for each in version.deployments.all()) or NOTHING

    @admin.display(description="card")
    def readable_card(self, version: ModelVersion) -> SafeString | str:
        return readable(version.card)
