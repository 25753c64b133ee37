"""The first panel of the operators' overview: what runs, how well, and since when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from redis.exceptions import RedisError

from apps.inference import presence
from apps.inference.admin.columns import NOTHING, badge, moment
from apps.inference.admin.overview import Notice, concern, panel
from apps.inference.charts import line_chart
from apps.inference.charts.drawing import elapsed
from apps.inference.connections import sync_redis
from apps.inference.models import Activation, Deployment
from apps.sessions.models import CameraSession
from apps.sessions.recent import Recent, recent

MOST_DEPLOYMENTS = 50
# What is told of failures: those of the last hour, and so many at most.
LATELY = timedelta(hours=1)
MOST_FAILED = 100
# After that, an activation that went wrong is known.
KNOWN_AFTER = timedelta(days=1)
WENT_WRONG = (Activation.State.ROLLED_BACK, Activation.State.FAILED)
MAY_LOOK = ("inference.view_deployment", "emporium_sessions.view_run")
SESSIONS = "admin:emporium_sessions_camerasession_changelist"


@panel
def right_now(request: HttpRequest) -> SafeString | str:
    if not request.user.has_perms(MAY_LOOK):
        return ""
    deployments = _deployments()
    lately = recent()
    activations = _last_activations(deployments)
    sessions = _live_sessions()
    alive = _alive(deployments)
    standings = [
        {
            **_named(deployment),
            "workers": _workers(deployment, alive),
            "sessions": sessions.get(deployment.pk, 0),
            **_figures(deployment, lately.get(deployment.pk)),
            "activation": _told(activations.get(deployment.pk)),
        }
        for deployment in deployments
    ]
    return render_to_string(
        "admin/right_now.html", {"standings": standings, **_charts(deployments, lately)}
    )


@concern
def what_is_not_right(request: HttpRequest) -> Iterator[Notice]:
    if not request.user.has_perms(MAY_LOOK):
        return
    deployments = _deployments()
    yield from _queues_without_workers(deployments)
    yield from _activations_that_went_wrong(deployments)


def _queues_without_workers(deployments: Sequence[Deployment]) -> Iterator[Notice]:
    alive = _alive(deployments)
    if alive is None:
        yield Notice("Redis doesn't answer: no frame is answered, and no job is done.")
        return
    for queue in sorted({each.queue for each in deployments} - alive):
        names = ", ".join(each.name for each in deployments if each.queue == queue)
        yield Notice(
            f"No worker of the queue {queue} is alive, so nothing answers {names}. "
            f"Start one: celery -A emporium worker -Q {queue}"
        )


def _activations_that_went_wrong(
    deployments: Sequence[Deployment],
) -> Iterator[Notice]:
    since = timezone.now() - KNOWN_AFTER
    for last in _last_activations(deployments).values():
        if last.state in WENT_WRONG and last.requested_at >= since:
            yield Notice(
                f"{last.to_version} does not answer {last.deployment}: {last.reason}",
                _change_page(last),
            )


@concern
def sessions_that_failed(request: HttpRequest) -> Iterator[Notice]:
    if not request.user.has_perm("emporium_sessions.view_camerasession"):
        return
    failed = CameraSession.objects.filter(
        status=CameraSession.Status.FAILED, opened_at__gte=timezone.now() - LATELY
    )
    if count := failed.order_by()[: MOST_FAILED + 1].count():
        number = f"More than {MOST_FAILED}" if count > MOST_FAILED else f"{count}"
        words = "session that was" if count == 1 else "sessions that were"
        yield Notice(
            f"{number} {words} opened in the last hour failed.",
            f"{reverse(SESSIONS)}?status__exact=failed&within=hour",
        )


def _deployments() -> list[Deployment]:
    deployments = Deployment.objects.select_related("active_version__model")
    return list(deployments[:MOST_DEPLOYMENTS])


def _named(deployment: Deployment) -> dict[str, Any]:
    sessions = f"?deployment__id__exact={deployment.pk}&status__exact=live"
    return {
        "name": deployment.name,
        "link": _change_page(deployment),
        "version": deployment.active_version,
        "version_link": _change_page(deployment.active_version),
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


def _workers(deployment: Deployment, alive: set[str] | None) -> SafeString:
    if alive is None:
        return badge("failed", "unknown")
    if deployment.queue in alive:
        return badge("live", "alive")
    return badge("failed", "none")


def _told(last: Activation | None) -> SafeString | str:
    if last is None:
        return NOTHING
    return format_html(
        '<a href="{}">{}</a><div class="aside">{}</div>',
        _change_page(last),
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


def _last_activations(deployments: Sequence[Deployment]) -> dict[int, Activation]:
    """By the deployment's number."""
    last = Activation.objects.filter(deployment=OuterRef("pk")).values("pk")[:1]
    numbers = Deployment.objects.filter(
        pk__in=[each.pk for each in deployments]
    ).values(last=Subquery(last))
    found = Activation.objects.filter(pk__in=numbers)
    related = found.select_related("deployment", "to_version__model")
    return {each.deployment_id: each for each in related}


def _live_sessions() -> dict[int, int]:
    live = CameraSession.objects.filter(ended_at=None, status=CameraSession.Status.LIVE)
    counted = live.order_by().values_list("deployment").annotate(Count("pk"))
    return dict(counted)


def _alive(deployments: Sequence[Deployment]) -> set[str] | None:
    """The queues that have workers; None if nobody knows."""
    try:
        with sync_redis() as redis:
            return presence.alive_queues(
                redis, sorted({each.queue for each in deployments})
            )
    except RedisError:
        return None


def _change_page(row: Any) -> str:
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=(row.pk,))
