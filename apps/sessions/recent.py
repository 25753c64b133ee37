"""What came of the last minutes, by deployment, added up as it comes.

All sessions of a deployment share the row of a half minute. So a look at it costs the
same, however many they are and however long they last.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from apps.inference.charts.lines import Point
from apps.inference.latency import LatencyHistogram
from apps.sessions.figures import RunFigures
from apps.sessions.models import HalfMinute

HALF_MINUTE_S = 30
# The last one goes on.
HALF_MINUTES = 31
# Runs are written every five seconds: by then, all have been.
LATE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Recent:
    """The results of one deployment: how many a second, and how old their pictures.

    `rates` and `ages` (p95, ms) are points of the last minutes, in seconds from now on
    backwards; `rate` and `latest` are of the half minute that goes on and the one
    before.
    """

    now: datetime
    half_minutes: dict[int, HalfMinute]

    @property
    def _newest(self) -> list[HalfMinute]:
        last = _number(self.now)
        return [
            self.half_minutes[number]
            for number in (last - 1, last)
            if number in self.half_minutes
        ]

    @property
    def rate(self) -> float:
        if not (newest := self._newest):
            return 0.0
        since = min(each.since for each in newest)
        until = max(self.now - LATE, *(each.until for each in newest))
        inferred = sum(each.inferred for each in newest)
        seconds = (until - since).total_seconds()
        return inferred / seconds if seconds > 0 else 0.0

    @property
    def latest(self) -> Counter[str]:
        return sum((Counter(each.ages) for each in self._newest), Counter[str]())

    def percentile(self, share: float) -> float | None:
        latest = self.latest
        return LatencyHistogram(latest).percentile(share) if latest else None

    @property
    def rates(self) -> list[Point]:
        return [
            (at, each.inferred / HALF_MINUTE_S if each else 0.0)
            for at, each in self._told()
        ]

    @property
    def ages(self) -> list[Point]:
        return [
            (
                at,
                LatencyHistogram(each.ages).percentile(0.95)
                if each and each.ages
                else None,
            )
            for at, each in self._told()
        ]

    def _told(self) -> list[tuple[float, HalfMinute | None]]:
        """The middle of each that all have been written of, the oldest first."""
        ends = _number(self.now - LATE)
        now_s = self.now.timestamp()
        return [
            ((number + 0.5) * HALF_MINUTE_S - now_s, self.half_minutes.get(number))
            for number in range(_number(self.now) - HALF_MINUTES + 1, ends)
        ]


def add(deployment_id: int, figures: RunFigures) -> None:
    """Add what has come to a run, in the transaction that writes it into the run."""
    if figures.began_at is None:
        return
    since, until = figures.began_at, figures.measured_at
    number = _number(since + (until - since) / 2)
    rows = HalfMinute.objects.select_for_update()
    row, is_new = rows.get_or_create(
        deployment_id=deployment_id,
        number=number,
        defaults={"since": since, "until": until},
    )
    row.since, row.until = min(row.since, since), max(row.until, until)
    row.inferred += figures.inferred
    row.ages = Counter(row.ages) + Counter(figures.latency.get("age", {}))
    row.save()
    if is_new:
        past = HalfMinute.objects.filter(deployment_id=deployment_id)
        past.filter(number__lte=number - HALF_MINUTES).delete()


def recent() -> dict[int, Recent]:
    """By the deployment's number; those of which nothing came are missing."""
    now = timezone.now()
    found: dict[int, dict[int, HalfMinute]] = defaultdict(dict)
    for each in HalfMinute.objects.filter(number__gt=_number(now) - HALF_MINUTES):
        found[each.deployment_id][each.number] = each
    return {pk: Recent(now, half_minutes) for pk, half_minutes in found.items()}


def _number(at: datetime) -> int:
    return int(at.timestamp() // HALF_MINUTE_S)
