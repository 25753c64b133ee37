"""`RunFigures`: what is counted of a run, and how parts of it add up in its row.

A run may be counted by one process after the other, or for a moment by two. So each
adds what is new to it, and none overwrites what another has counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils import timezone

from apps.inference.latency import Counts, StageLatencies
from apps.sessions import timeline
from apps.sessions.models import Run

DROPS = ("superseded", "expired", "throttled", "failed", "lost")
SUMS = ("received", "inferred", *DROPS, "pending", "hot_dog_seconds")


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The columns of `Run` by the same names; `latency` as counts by stage."""

    received: int = 0
    inferred: int = 0
    superseded: int = 0
    expired: int = 0
    throttled: int = 0
    failed: int = 0
    lost: int = 0
    pending: int = 0
    hot_dog_seconds: float = 0.0
    labels: Counts = field(default_factory=dict)
    latency: dict[str, Counts] = field(default_factory=dict)
    engine: str = ""
    worker: str = ""
    measured_at: datetime = field(default_factory=timezone.now)
    # Since when they were counted; without it, they are no part of the timeline.
    began_at: datetime | None = None

    def since(self, earlier: RunFigures) -> RunFigures:
        """What has come to them since the same counting gave `earlier`."""
        return replace(
            self,
            **{name: getattr(self, name) - getattr(earlier, name) for name in SUMS},
            labels=Counter(self.labels) - Counter(earlier.labels),
            latency={
                stage: Counter(counts) - Counter(earlier.latency.get(stage, {}))
                for stage, counts in self.latency.items()
            },
            began_at=earlier.measured_at,
        )

    def add_to(self, run: Run) -> None:
        """Add them to a run, without saving it."""
        for name in SUMS:
            setattr(run, name, getattr(run, name) + getattr(self, name))
        run.hot_dog_seconds = round(run.hot_dog_seconds, 2)
        run.labels = Counter(run.labels) + Counter(self.labels)
        for stage, counts in self.latency.items():
            before = run.latency_counts.get(stage, {})
            run.latency_counts[stage] = Counter(before) + Counter(counts)
        run.latency = StageLatencies(run.latency_counts).summary()
        run.engine = self.engine or run.engine
        run.worker = self.worker or run.worker
        run.measured_at = self.measured_at
        if self.began_at is not None:
            new = self._entry(self.began_at, run.started_at)
            run.timeline = timeline.extended(run.timeline, new)

    def _entry(self, began_at: datetime, started_at: datetime) -> timeline.Entry:
        return timeline.entry(
            max(0.0, (began_at - started_at).total_seconds()),
            max(0.0, (self.measured_at - began_at).total_seconds()),
            frames=(self.inferred, sum(getattr(self, reason) for reason in DROPS)),
            ages=self.latency.get("age", {}),
            labels=self.labels,
        )
