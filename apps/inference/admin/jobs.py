"""Where operators see slow work: how far it is, what came of it; and cancel it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from apps.inference import jobs
from apps.inference.admin.columns import (
    NOTHING,
    ReadOnlyAdmin,
    badge,
    duration,
    link_to,
    readable,
    told,
    when,
)
from apps.inference.admin.descent import learned
from apps.inference.exceptions import InferenceError
from apps.inference.finetuning import plan
from apps.inference.models import Dataset, Evaluation, Job, ModelVersion

State = Job.State
# Said in its title, or of no use to people.
_UNSAID = {"what", "token"}
# The names behind which is the number of another row.
_ROWS: dict[str, type[Model]] = {
    "version": ModelVersion,
    "parent": ModelVersion,
    "dataset": Dataset,
    "evaluation": Evaluation,
}
# Sessions wait too, and trials run: their pages aren't followed as a job's are.
_SHOWN_AS = {State.WAITING: "queued", State.RUNNING: "working"}


# Of a finetune that is under way, and drawn.
_LEARNED = {"curve", "validation"}


def title(job: Job) -> str:
    """What it does, where whoever asked for it has said it; else its number."""
    return capfirst(f"{job.kind} {job.subject}" if job.subject else str(job))


def course(job: Job) -> SafeString:
    """How far it is, or what came of it."""
    shown = badge(_SHOWN_AS.get(State(job.state), job.state), job.get_state_display())
    return told(shown, in_words(job))


def in_words(job: Job) -> str:
    if job.is_cancelling and job.state == State.RUNNING:
        return "It is being cancelled."
    if job.state == State.RUNNING:
        return f"{job.progress:.0%} {job.step}"
    if job.state == State.WAITING:
        return "Waiting for its turn, and a worker of the queue jobs."
    return job.reason


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    how_to_begin = "Evaluating, finetuning and importing are jobs."
    change_form_template = "admin/job_form.html"
    list_display = ("name", "outcome", "requested", "requested_by", "took")
    list_select_related = ("requested_by",)
    list_filter = ("state", "kind")
    fields = (
        "name",
        "outcome",
        "asked_for",
        "made",
        "learning",
        "requested",
        "requested_by",
        "started",
        "finished",
        "took",
        "attempts",
    )
    readonly_fields = fields
    requested = when("requested_at", "requested")
    started = when("started_at", "started")
    finished = when("finished_at", "finished")
    actions = ("cancel",)

    @admin.action(description="Cancel", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            try:
                jobs.cancel(job)
            except InferenceError as error:
                messages.error(request, str(error))
            else:
                messages.info(request, f"{job} is being cancelled.")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Nobody writes a job by hand, so the permission to is that to ask for one."""
        return request.user.has_perm("inference.add_job")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["may_act"] = self.has_act_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Job | None = None) -> Any:
        is_training = obj is not None and obj.kind == plan.KIND
        return [name for name in self.fields if name != "learning" or is_training]

    @admin.display(description="job", ordering="kind")
    def name(self, job: Job) -> str:
        return title(job)

    @admin.display(description="state", ordering="state")
    def outcome(self, job: Job) -> SafeString:
        return course(job)

    @admin.display
    def took(self, job: Job) -> str:
        if job.started_at is None:
            return NOTHING
        return duration((job.finished_at or timezone.now()) - job.started_at)

    @admin.display(description="asked for")
    def asked_for(self, job: Job) -> SafeString | str:
        return _readable(job.parameters)

    @admin.display(description="result")
    def made(self, job: Job) -> SafeString | str:
        return _readable({k: v for k, v in job.result.items() if k not in _LEARNED})

    @admin.display(description="how it learns")
    def learning(self, job: Job) -> SafeString | str:
        """While a finetune runs, as it is now; then as its version keeps it."""
        made = job.result.get("version")
        version = ModelVersion.objects.filter(pk=made).first()
        return learned(version.lineage if version else job.result)


def _readable(said: dict[str, Any]) -> SafeString | str:
    """Other rows by their names, each a link; those that are gone by their numbers."""
    return readable(
        {
            name: _linked(name, value)
            for name, value in said.items()
            if name not in _UNSAID
        }
    )


def _linked(name: str, value: Any) -> Any:
    model = _ROWS.get(name)
    if model is None or not isinstance(value, int):
        return value
    row = model._default_manager.filter(pk=value).first()
    return value if row is None else link_to(row)
