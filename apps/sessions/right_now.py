"""The operators’ overview: what runs and how well, what is done, what needs care."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.inference.admin import jobs, under_way, workforce
from apps.inference.admin.columns import NOTHING, badge, change_page, moment
from apps.inference.admin.overview import Notice, concern, panel
from apps.inference.charts import line_chart
from apps.inference.charts.drawing import elapsed
from apps.inference.latency import LatencyHistogram
from apps.inference.models import Activation, Deployment, Job
from apps.sessions.glance import KNOWN_AFTER, Glance, glance
from apps.sessions.models import CameraSession, Capture
from apps.sessions.recent import Recent

# What is told of failures: those of the last hour, and so many at most.
LATELY = timedelta(hours=1)
MOST_COUNTED = 100
WENT_WRONG = (Activation.State.ROLLED_BACK, Activation.State.FAILED)
MAY_LOOK = ("inference.view_deployment", "emporium_sessions.view_run")
SESSIONS = "admin:emporium_sessions_camerasession_changelist"
REVIEW = "admin:emporium_sessions_capture_review"


class Tile(NamedTuple):
    name: str
    figure: str
    aside: str = ""
    link: str = ""


@panel
def right_now(request: HttpRequest) -> SafeString | str:
    if not request.user.has_perms(MAY_LOOK):
        return ""
    seen = glance(request)
    standings = [
        {
            **_named(deployment),
            "workers": workforce.count(seen.workforce, deployment.queue),
            "sessions": seen.live(deployment),
            **_figures(deployment, seen.lately.get(deployment.pk)),
            "activation": _told(seen.activations.get(deployment.pk)),
        }
        for deployment in seen.deployments
    ]
    context = {
        "tiles": list(_tiles(request, seen)),
        "standings": standings,
        **_charts(seen.deployments, seen.lately),
    }
    return render_to_string("admin/right_now.html", context)


@panel
def what_is_under_way(request: HttpRequest) -> SafeString | str:
    if not request.user.has_perms(MAY_LOOK):
        return ""
    seen, may_see = glance(request), request.user.has_perm
    return under_way.panel_of(
        _changing(seen),
        seen.trials if may_see("inference.view_trial") else (),
        _working(seen) if may_see("inference.view_job") else (),
    )


@panel
def workers(request: HttpRequest) -> SafeString | str:
    if not request.user.has_perms(MAY_LOOK):
        return ""
    seen = glance(request)
    return workforce.panel_of(seen.workforce, seen.deployments, seen.needed)


@concern
def what_is_not_right(request: HttpRequest) -> Iterator[Notice]:
    if not request.user.has_perms(MAY_LOOK):
        return
    seen = glance(request)
    yield from workforce.missing(seen.workforce, seen.deployments, seen.needed)
    yield from _activations_that_went_wrong(seen)
    if request.user.has_perm("inference.view_job"):
        yield from _jobs_that_failed(seen)


def _changing(seen: Glance) -> list[Activation]:
    return [
        each
        for each in seen.activations.values()
        if each.is_under_way or each.is_watched
    ]


def _working(seen: Glance) -> list[Job]:
    return [each for each in seen.jobs if each.state in Job.UNDER_WAY]


def _activations_that_went_wrong(seen: Glance) -> Iterator[Notice]:
    since = timezone.now() - KNOWN_AFTER
    for last in seen.activations.values():
        if last.state in WENT_WRONG and last.requested_at >= since:
            yield Notice(
                f"{last.to_version} does not answer {last.deployment}: {last.reason}",
                change_page(last),
            )


def _jobs_that_failed(seen: Glance) -> Iterator[Notice]:
    for job in seen.jobs:
        if job.state == Job.State.FAILED:
            reason = job.reason.partition("\n")[0]
            yield Notice(f"{jobs.title(job)} failed: {reason}", change_page(job))


@concern
def sessions_that_failed(request: HttpRequest) -> Iterator[Notice]:
    if not request.user.has_perm("emporium_sessions.view_camerasession"):
        return
    failed = CameraSession.objects.filter(
        status=CameraSession.Status.FAILED, opened_at__gte=timezone.now() - LATELY
    )
    if count := failed.order_by()[: MOST_COUNTED + 1].count():
        words = "session that was" if count == 1 else "sessions that were"
        yield Notice(
            f"{_number(count)} {words} opened in the last hour failed.",
            f"{reverse(SESSIONS)}?status__exact=failed&within=hour",
        )


def _tiles(request: HttpRequest, seen: Glance) -> Iterator[Tile]:
    live = f"{reverse(SESSIONS)}?status__exact=live"
    coming = f"{seen.coming} on their way in" if seen.coming else ""
    yield Tile("Live sessions", str(seen.all_live), coming, live)
    lately = seen.lately.values()
    yield Tile("Results a second", f"{sum(each.rate for each in lately):.1f}")
    latest = sum((each.latest for each in lately), Counter[str]())
    ages = LatencyHistogram(latest)
    age = (
        f"{ages.percentile(0.5):.0f} / {ages.percentile(0.95):.0f}"
        if latest
        else NOTHING
    )
    yield Tile("Age p50 / p95, ms", age, "at the server, in the last minute")
    busy = workforce.busiest(seen.workforce)
    yield Tile(
        "Busiest worker",
        NOTHING if busy is None else f"{busy:.0%}",
        "of the time its models are at work",
    )
    if request.user.has_perm("emporium_sessions.review_capture"):
        waiting = Capture.objects.filter(state=Capture.State.WAITING).order_by()
        count = waiting[: MOST_COUNTED + 1].count()
        yield Tile("Captures to review", _number(count), "", reverse(REVIEW))


def _number(count: int) -> str:
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else f"{count}"


def _named(deployment: Deployment) -> dict[str, Any]:
    sessions = f"?deployment__id__exact={deployment.pk}&status__exact=live"
    return {
        "name": deployment.name,
        "link": change_page(deployment),
        "version": deployment.active_version,
        "version_link": change_page(deployment.active_version),
        "queue": deployment.queue,
        "sessions_link": reverse(SESSIONS) + sessions,
    }


def _figures(
    deployment: Deployment, lately: Recent | None
) -> dict[str, SafeString | str]:
    p50, p95 = (lately.percentile(each) if lately else None for each in (0.5, 0.95))
    rate = f"{lately.rate:.1f}" if lately else NOTHING
    if p50 is None or p95 is None:
        return {"rate": rate, "age": NOTHING}
    age = f"{p50:.0f} / {p95:.0f} ms"
    budget_ms = deployment.age_budget_ms or settings.AGE_BUDGET_MS
    # What comes of age is dropped unanswered, so it is told while there is time.
    is_old = p95 > budget_ms / 2
    return {"rate": rate, "age": badge("warning", age) if is_old else age}


def _told(last: Activation | None) -> SafeString | str:
    if last is None:
        return NOTHING
    return format_html(
        '<a href="{}">{}</a><div class="aside">{}</div>',
        change_page(last),
        badge(last.state, last.get_state_display()),
        moment(last.finished_at or last.requested_at),
    )


def _charts(
    deployments: Sequence[Deployment], lately: dict[int, Recent]
) -> dict[str, SafeString]:
    seen = [each for each in deployments if each.pk in lately]
    return {
        "rates": line_chart(
            "Results a second",
            {each.name: lately[each.pk].rates for each in seen},
            unit="a second",
            x_label=elapsed,
        ),
        "ages": line_chart(
            "Age of the picture at the server, p95, ms",
            {each.name: lately[each.pk].ages for each in seen},
            unit="ms",
            x_label=elapsed,
        ),
    }
