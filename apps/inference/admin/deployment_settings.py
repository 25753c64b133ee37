"""What operators see and set of a deployment besides its version: its page, whose
workers answer, and how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference import deploying
from apps.inference.admin import workforce
from apps.inference.admin.columns import NOTHING, badge, told
from apps.inference.admin.removal import RemovalAdmin
from apps.inference.evaluating import gates
from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, ModelVersion

# Made for one request, and shown for each of its rows.
ListColumn = Callable[[Any], str | bool]


class DeploymentForm(forms.ModelForm):
    def clean_active_version(self) -> ModelVersion:
        version: ModelVersion = self.cleaned_data["active_version"]
        # What has answered before may go on, whatever verifying it anew has brought.
        if self.instance.pk is None and version.state != ModelVersion.State.VERIFIED:
            raise ValidationError(
                f"{version} has not been verified, so it can’t answer."
            )
        return version


class DeploymentSettings(RemovalAdmin):
    """Adds, sets and removes; which version answers is another's business."""

    form = DeploymentForm

    def get_fields(
        self, request: HttpRequest, obj: Deployment | None = None
    ) -> tuple[str, ...]:
        asked_for = ("asked_for",) if obj else ()
        return ("name", "active_version", *asked_for, *deploying.SETTINGS)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Deployment | None = None
    ) -> tuple[str, ...]:
        """Pages, records and workers know a deployment by its name: it stays."""
        fixed = ("name", "asked_for") if obj else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    @admin.display(description="asks a version for")
    def asked_for(self, deployment: Deployment) -> str:
        return gates.asked_for(deployment)

    @admin.display(description="page")
    def page(self, deployment: Deployment) -> SafeString:
        address = page_of(deployment)
        return format_html(
            '<a href="{}">{}</a><div class="aside">{}</div>',
            address,
            address,
            deployment.title or NOTHING,
        )

    def live_column(self) -> ListColumn:
        """The column of how many sessions are live."""
        rows = Deployment.objects.filter(
            sessions__ended_at=None, sessions__status="live"
        )
        counts = dict(rows.values_list("pk").annotate(Count("sessions")))

        @admin.display(description="live sessions")
        def live(deployment: Any) -> str:
            return str(counts.get(deployment.pk, 0))

        return live

    def queue_column(self) -> ListColumn:
        """The column of the queues: how many workers each has, as it is just now."""
        queues = sorted(set(Deployment.objects.values_list("queue", flat=True)))
        present = workforce.present(queues)

        @admin.display(description="queue", ordering="queue")
        def queue_of(deployment: Any) -> SafeString:
            queue = deployment.queue
            if present is None:
                return told(badge("warning", "Redis doesn’t answer"), queue)
            is_served = bool(present[queue])
            words = queue if is_served else f"{queue}: {workforce.start_with(queue)}"
            return told(workforce.count(present, queue), words)

        return queue_of

    def save_settings(
        self, request: HttpRequest, deployment: Deployment, form: ModelForm
    ) -> bool:
        """Write what was changed of the settings; tells whether something was."""
        changed = [name for name in deploying.SETTINGS if name in form.changed_data]
        if not changed:
            return False
        deployment.save(update_fields=changed)
        messages.info(
            request,
            f"Changed: {_words(changed)}. Workers and live sessions"
            f" take it up within a second or two.{_of_sampling(changed)}",
        )
        return True

    def why_it_stays(self, row: Deployment) -> str:
        return deploying.why_it_stays(row)

    def remove(self, row: Deployment) -> None:
        deploying.remove(row)

    def delete_model(self, request: HttpRequest, obj: Deployment) -> None:
        name = str(obj)
        super().delete_model(request, obj)
        messages.info(request, f"{name} is removed.")


def page_of(deployment: Deployment) -> str:
    if deployment.name == DEFAULT_DEPLOYMENT:
        return reverse("session")
    return reverse("session-of", args=[deployment.name])


def _words(names: list[str]) -> str:
    """The fields as people read them."""
    fields = (field for field in Deployment._meta.fields if field.name in names)
    return ", ".join(str(field.verbose_name) for field in fields)


def _of_sampling(changed: list[str]) -> str:
    if not {"sample_share", "sample_uncertain"}.intersection(changed):
        return ""
    return " Fewer pictures are sampled at once, more from the next visit on."
