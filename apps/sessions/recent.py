"""What came of the last minutes, by deployment, from the timelines of their runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from apps.inference.charts.lines import Point
from apps.inference.latency import LatencyHistogram
from apps.sessions.models import Run
from apps.sessions.timeline import Entry

WINDOW = timedelta(minutes=15)
# What is told of now; runs are written every five seconds.
NOW = timedelta(minutes=1)
BUCKET_S = 30.0
# More than this many are told by the newest of them.
MOST_RUNS = 300


@dataclass(slots=True)
class Recent:
    """The results of one deployment: how many a second, and how old their pictures.

    `rates` and `ages` (p95, ms) are points of the last minutes, from now on backwards
    in seconds; `rate` and `latest` are of the last minute.
    """

    rate: float = 0.0
    latest: Counter[str] = field(default_factory=Counter)
    inferred: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    counts: dict[int, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )

    def add(self, ago_s: float, entry: Entry) -> None:
        bucket = int(ago_s // BUCKET_S)
        self.inferred[bucket] += entry["inferred"]
        self.counts[bucket].update(entry["ages"])
        if ago_s <= NOW.total_seconds():
            self.latest.update(entry["ages"])

    def percentile(self, share: float) -> float | None:
        return LatencyHistogram(self.latest).percentile(share) if self.latest else None

    @property
    def rates(self) -> list[Point]:
        return [
            (_at(bucket), self.inferred.get(bucket, 0) / BUCKET_S)
            for bucket in _buckets()
        ]

    @property
    def ages(self) -> list[Point]:
        return [
            (
                _at(bucket),
                LatencyHistogram(self.counts[bucket]).percentile(0.95)
                if self.counts.get(bucket)
                else None,
            )
            for bucket in _buckets()
        ]


def recent() -> dict[int, Recent]:
    """By the deployment's number; those of which nothing came are missing."""
    now = timezone.now()
    found: dict[int, Recent] = defaultdict(Recent)
    for run in _runs(now):
        latest_inferred = latest_seconds = 0.0
        for ago_s, entry in _entries(run, now):
            found[run.deployment_id].add(ago_s, entry)
            if ago_s <= NOW.total_seconds():
                latest_inferred += entry["inferred"]
                latest_seconds += entry["seconds"]
        if run.ended_at is None and latest_seconds:
            found[run.deployment_id].rate += latest_inferred / latest_seconds
    return dict(found)


def _runs(now: datetime) -> Iterable[Run]:
    """Two questions, since each has its index: what goes on, and what ended lately."""
    runs = Run.objects.only("deployment_id", "started_at", "ended_at", "timeline")
    newest = runs.order_by("-ended_at", "-pk")
    yield from runs.filter(ended_at=None).order_by("-pk")[:MOST_RUNS]
    yield from newest.filter(ended_at__gte=now - WINDOW)[:MOST_RUNS]


def _entries(run: Run, now: datetime) -> Iterator[tuple[float, Entry]]:
    """Those of the window, the last first, and how long ago the middle of each was."""
    began_ago_s = (now - run.started_at).total_seconds()
    for entry in reversed(run.timeline):
        ago_s = began_ago_s - entry["at"] - entry["seconds"] / 2
        if ago_s >= WINDOW.total_seconds():
            return
        if ago_s >= 0:
            yield ago_s, entry


def _buckets() -> range:
    """From the oldest on; the last one isn't over, so it isn't told."""
    return range(int(WINDOW.total_seconds() / BUCKET_S) - 1, 0, -1)


def _at(bucket: int) -> float:
    return -(bucket + 0.5) * BUCKET_S
