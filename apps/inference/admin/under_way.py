"""What is being changed, tried and worked at: the overview's panel for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.inference.admin import activations, jobs, trials
from apps.inference.admin.columns import change_page, duration
from apps.inference.models import Activation, Job, Trial


class Row(NamedTuple):
    what: str
    link: str
    course: SafeString
    since: str


def panel_of(
    changing: Sequence[Activation], trying: Sequence[Trial], working: Sequence[Job]
) -> SafeString:
    """What changes the answers comes first."""
    rows = list(_rows(changing, trying, working))
    return render_to_string("admin/under_way.html", {"rows": rows})


def _rows(
    changing: Sequence[Activation], trying: Sequence[Trial], working: Sequence[Job]
) -> Iterator[Row]:
    for activation in changing:
        yield Row(
            f"{activation.to_version} for {activation.deployment}",
            # Where it can be taken back.
            change_page(activation.deployment),
            activations.course(activation),
            _since(activation.requested_at),
        )
    for trial in trying:
        yield Row(
            f"{trial.version} as a {trial.kind} of {trial.deployment}",
            change_page(trial),
            trials.outcome(trial),
            _since(trial.started_at),
        )
    for job in working:
        yield Row(
            jobs.title(job),
            change_page(job),
            jobs.course(job),
            _since(job.started_at or job.requested_at),
        )


def _since(at: datetime) -> str:
    return duration(timezone.now() - at)
