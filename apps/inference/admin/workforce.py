"""Which workers are there and how busy, as operators see it: by queue.

What a queue is for, and so whether it needs a worker just now, is known here alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from redis.exceptions import RedisError

from apps.inference import presence
from apps.inference.admin.columns import NOTHING, badge
from apps.inference.admin.overview import Notice
from apps.inference.connections import sync_redis
from apps.inference.models import Deployment
from apps.inference.presence import Worker

SHADOWS = "shadow"
# What each queue of the Procfile is for; those of frames are named by deployments.
BACKGROUND = {
    SHADOWS: "answers for shadows",
    "jobs": "adds, evaluates and finetunes models, imports datasets",
    "housekeeping": "clears away what is over",
}
# What doesn't happen while nobody is there.
_LACKS = {
    SHADOWS: "nothing is compared by the shadow that is tried",
    "jobs": "no job is done",
    "housekeeping": "sessions that are over stay open, and nothing is cleared away",
}
# From here on, another session would make all of them slower.
BUSY = 0.85

# By queue; None where Redis doesn't say.
Workforce = Mapping[str, Sequence[Worker]] | None


@dataclass(frozen=True, slots=True)
class _Row:
    queue: str
    purpose: str
    count: SafeString
    workers: SafeString | str


def present(queues: Sequence[str]) -> Workforce:
    try:
        with sync_redis() as redis:
            return presence.workers(redis, queues)
    except RedisError:
        return None


def queues_of(deployments: Sequence[Deployment]) -> list[str]:
    """All that there should be."""
    return [*sorted({each.queue for each in deployments}), *BACKGROUND]


def count(workforce: Workforce, queue: str, *, is_needed: bool = True) -> SafeString:
    """How many workers a queue has, in words."""
    if workforce is None:
        return badge("warning", "unknown")
    number = len(workforce[queue])
    if not number:
        return badge("failed" if is_needed else "off", "no worker")
    return badge("live", f"{number} worker{'s' if number > 1 else ''}")


def start_with(queue: str) -> str:
    return f"celery -A emporium worker -Q {queue}"


def busiest(workforce: Workforce) -> float | None:
    """The share of the worker whose models had the least time left."""
    shares = [
        each.busy
        for workers in (workforce or {}).values()
        for each in workers
        if each.busy is not None
    ]
    return max(shares, default=None)


def panel_of(
    workforce: Workforce, deployments: Sequence[Deployment], needed: set[str]
) -> SafeString:
    """A row a queue: who is there, how busy, and for what."""
    rows = [
        _Row(
            queue,
            BACKGROUND.get(queue) or f"answers {_names(deployments, queue)}",
            count(workforce, queue, is_needed=queue in needed),
            _workers(workforce[queue]) if workforce else NOTHING,
        )
        for queue in queues_of(deployments)
    ]
    return render_to_string("admin/workforce.html", {"rows": rows})


def missing(
    workforce: Workforce, deployments: Sequence[Deployment], needed: set[str]
) -> Iterator[Notice]:
    if workforce is None:
        yield Notice("Redis doesn’t answer: no frame is answered, and no job is done.")
        return
    for queue in queues_of(deployments):
        if workforce[queue] or queue not in needed:
            continue
        lack = _LACKS.get(queue) or f"nothing answers {_names(deployments, queue)}"
        yield Notice(
            f"No worker of the queue {queue} is alive, so {lack}. "
            f"Start one: {start_with(queue)}"
        )


def _names(deployments: Sequence[Deployment], queue: str) -> str:
    return ", ".join(each.name for each in deployments if each.queue == queue)


def _workers(workers: Sequence[Worker]) -> SafeString | str:
    shown = format_html_join(
        "", "<li>{}{}</li>", ((each.name, _busy(each.busy)) for each in workers)
    )
    return format_html('<ul class="workers">{}</ul>', shown) if shown else NOTHING


def _busy(share: float | None) -> SafeString | str:
    """A bar and its figure, which says the same without it."""
    if share is None:
        return ""
    return format_html(
        '<span class="busy{}"><svg viewBox="0 0 100 8" preserveAspectRatio="none"'
        ' aria-hidden="true"><rect class="ground" width="100" height="8"/>'
        '<rect width="{}" height="8"/></svg>{} busy</span>',
        " very" if share >= BUSY else "",
        round(share * 100),
        f"{share:.0%}",
    )
