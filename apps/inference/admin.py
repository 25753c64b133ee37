"""What operators see of models and deployments, and where they pick what answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import ForeignKey, OuterRef, QuerySet, Subquery
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from apps.inference import asking, client, services
from apps.inference.exceptions import InferenceError
from apps.inference.forms import AddVersionForm
from apps.inference.models import (
    Activation,
    Deployment,
    ModelVersion,
    RegisteredModel,
)

NOTHING = "—"
AGPL = "AGPL-3.0"
_FIGURES = '<td class="figure">{}</td>' * 3 + "</tr>"
State = ModelVersion.State
Column = Callable[[Any, Any], SafeString | str]


def moment(at: datetime | None) -> SafeString | str:
    """A time to the second, in TIME_ZONE, which every page names once."""
    if at is None:
        return NOTHING
    here = timezone.localtime(at)
    this_year = here.year == timezone.localtime().year
    words = format_date(here, "j M H:i:s" if this_year else "j M Y H:i:s")
    return format_html('<time datetime="{}">{}</time>', here.isoformat(), words)


def when(name: str, description: str) -> Column:
    """The column or field that shows a row's time of this name."""

    @admin.display(description=description, ordering=name)
    def show(admin: Any, row: Any) -> SafeString | str:
        return moment(getattr(row, name))

    return show


def badge(value: str, label: str) -> SafeString:
    """A state by its label, with a colour for its value."""
    return format_html('<span class="state state-{}">{}</span>', value, capfirst(label))


def told(state: SafeString, reason: str) -> SafeString:
    """A state, and under it why, where there is a reason."""
    return (
        format_html('{}<div class="aside">{}</div>', state, reason) if reason else state
    )


def readable(value: Any) -> SafeString | str:
    """What JSON holds, as keys and values instead of brackets."""
    if value in (None, "", [], {}):
        return NOTHING
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case dict():
            entries = format_html_join(
                "",
                "<dt>{}</dt><dd>{}</dd>",
                (
                    (capfirst(str(key).replace("_", " ")), readable(each))
                    for key, each in value.items()
                ),
            )
            return format_html('<dl class="readable">{}</dl>', entries)
        case list():
            return format_html_join(", ", "{}", ((readable(each),) for each in value))
    return str(value)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the system writes: to be seen, not to be made up."""

    empty_value_display = NOTHING

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
    list_filter = ("family",)
    search_fields = ("name", "description")
    fields = ("name", "family", "description", "licence", "registered")
    readonly_fields = ("registered",)
    registered = when("created_at", "registered")
    inlines = (VersionInline,)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Adding one asks for it; the jobs bring it in and verify it."""

    form = AddVersionForm
    list_display = (
        "name",
        "outcome",
        "answers_for",
        "family",
        "short_licence",
        "registered",
    )
    list_select_related = ("model",)
    list_filter = ("state", "model__family", "model")
    search_fields = ("model__name", "version", "sha256", "source")
    fields = (
        "model",
        "version",
        "outcome",
        "answers_for",
        "family",
        "licence",
        "source",
        "added_by",
        "registered",
        "verified",
        "figures",
        "directory",
        "sha256",
        "readable_card",
    )
    readonly_fields = fields
    registered = when("created_at", "registered")
    verified = when("verified_at", "verified")
    actions = ("verify_anew",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With one button: whatever is saved, its own page comes next."""
        others = ("show_save_and_add_another", "show_save_and_continue")
        return super().add_view(request, form_url, dict.fromkeys(others, False))

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
        transaction.on_commit(lambda: self._have_brought_in(request, obj))

    def _have_brought_in(self, request: HttpRequest, version: ModelVersion) -> None:
        try:
            client.ask_for(client.BRING_IN_TASK, version.pk)
        except InferenceError as error:
            asking.fail_version(version.pk, str(error))
            messages.error(request, str(error))
        else:
            messages.info(
                request, "The jobs bring it in. Reload this page to see how far it is."
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
        """Those that have files; how far each is, its state says."""
        try:
            for version in queryset.exclude(sha256=""):
                client.ask_for(client.VERIFY_TASK, version.pk)
        except InferenceError as error:
            messages.error(request, str(error))
        else:
            messages.info(
                request, "The jobs verify them. Reload to see what came of it."
            )

    @admin.display(description="state", ordering="state")
    def outcome(self, version: ModelVersion) -> SafeString:
        shown = badge(version.state, version.get_state_display())
        under_way = version.state in {State.ADDING, State.VERIFYING}
        step = f"{version.progress:.0%} {version.step}" if under_way else ""
        return told(shown, version.reason or step)

    @admin.display(description="licence")
    def short_licence(self, version: ModelVersion) -> SafeString | str:
        licence = version.card.get("licence") or "unknown"
        return badge("warning", AGPL) if licence == AGPL else str(licence)

    @admin.display(description="licence")
    def licence(self, version: ModelVersion) -> SafeString | str:
        shown = self.short_licence(version)
        if version.card.get("licence") != AGPL:
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
        if not engines:
            return NOTHING
        rows = format_html_join(
            "", "{}", ((_rows(engine, version.engine),) for engine in engines)
        )
        return format_html(
            '<div class="figures"><table><thead><tr><th>Engine</th><th>Batch</th>'
            "<th>Takes</th><th>Pictures/s</th></tr></thead>"
            "<tbody>{}</tbody></table></div>",
            rows,
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        queryset: QuerySet[ModelVersion] = super().get_queryset(request)
        return queryset.prefetch_related("deployments")

    @admin.display(description="model version", ordering="model__name")
    def name(self, version: ModelVersion) -> str:
        return str(version)

    @admin.display(ordering="model__family")
    def family(self, version: ModelVersion) -> str:
        return version.model.family

    @admin.display(description="active in")
    def answers_for(self, version: ModelVersion) -> str:
        return ", ".join(each.name for each in version.deployments.all()) or NOTHING

    @admin.display(description="card")
    def readable_card(self, version: ModelVersion) -> SafeString | str:
        return readable(version.card)


def _rows(engine: dict[str, Any], chosen: str) -> SafeString:
    """An engine's curve, or why it was refused, beside what it was loaded for."""
    name = f"{engine['engine']} ✓" if engine["engine"] == chosen else engine["engine"]
    if engine["reason"]:
        return format_html(
            '<tr><td>{}</td><td colspan="3">{}</td></tr>', name, engine["reason"]
        )
    curve = [
        (
            batch["size"],
            f"{batch['batch_ms']:.1f} ms",
            f"{1000 * batch['size'] / batch['batch_ms']:.1f}",
        )
        for batch in engine["batches"]
    ]
    cells = [format_html(_FIGURES, *row) for row in curve]
    loaded = f"loads in {engine['load_s']:.1f} s, {engine['memory_mb']:.0f} MB"
    first = format_html(
        '<td rowspan="{}">{}<div class="aside">{}</div></td>',
        len(curve),
        name,
        loaded,
    )
    return format_html(
        "<tr>{}{}", first, format_html_join("<tr>", "{}", ((cell,) for cell in cells))
    )


class ActivationColumns:
    requested = when("requested_at", "requested")
    finished = when("finished_at", "finished")

    @admin.display(description="state", ordering="state")
    def shown_state(self, activation: Activation) -> SafeString:
        return badge(activation.state, activation.get_state_display())

    @admin.display(ordering="state")
    def outcome(self, activation: Activation) -> SafeString:
        return told(self.shown_state(activation), activation.reason)

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
        "finished",
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
        options["queryset"] = ModelVersion.objects.select_related("model").filter(
            state=State.VERIFIED
        )
        options["empty_label"] = None
        return super().formfield_for_foreignkey(db_field, request, **options)

    @admin.display(description="last activation")
    def last_activation(self, deployment: Any) -> SafeString | str:
        if deployment.last_state is None:
            return NOTHING
        last_state = badge(
            deployment.last_state, Activation.State(deployment.last_state).label
        )
        version = f"{deployment.last_model} {deployment.last_version}"
        return told(format_html("{} {}", last_state, version), deployment.last_reason)

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
        else:
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
        "shown_state",
        "reason",
        "to_version",
        "from_version",
        "requested_by",
        "requested",
        "finished",
    )
    readonly_fields = ("shown_state", "requested", "finished")
