"""`RunRecorder`: the runs of a session that are going on, and their figures.

Counts on the event loop, adds what is new through `records` every few seconds and at
the end. A result of another model version begins another run; the one before ends when
nothing more comes of it, since workers don't all change over in the same moment.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.inference.latency import StageLatencies
from apps.nexus import records
from apps.nexus.ledger import DropReason, FrameLedger
from apps.nexus.visit import Visit
from apps.sessions import services
from apps.sessions.figures import RunFigures

# Workers that change over one after the other do so within this time; a version that
# answers again later does so in a run of its own.
STRAGGLING = timedelta(seconds=2)
# Between two results further apart nobody knows whether the hot dog stayed.
LONGEST_GAP_S = 1.0
# More than a page that draws at all can be behind.
UNDRAWN_REMEMBERED = 64

# What gives a run its row.
Begin = Callable[[uuid.UUID, int, datetime], int]


class OpenRun:
    """One run: its ledger, its figures, and its row, which its first writing makes."""

    def __init__(self, session_id: uuid.UUID, version_id: int, begin: Begin) -> None:
        self.version_id = version_id
        self.ledger = FrameLedger()
        self.answered_since_save = False
        self.is_written = False
        # Results that the page may yet report as drawn; those that it skips stay.
        self._undrawn: deque[int] = deque(maxlen=UNDRAWN_REMEMBERED)
        self.last_answer_at = self._started_at = timezone.now()
        self._session_id = session_id
        self._begin = begin
        self._latencies = StageLatencies()
        self._labels: Counter[str] = Counter()
        self._hot_dog_seconds = 0.0
        self._last_hot_dog_at: float | None = None
        self._engine = self._worker = ""
        # Only read and written by the thread of `records`.
        self._row_id: int | None = None
        self._written = RunFigures()

    def count(self, message: dict[str, Any], timings: dict[str, float]) -> None:
        """Add a result to the figures; see `RunRecorder.infer`."""
        served_by = message["served_by"]
        self._engine, self._worker = served_by["engine"], served_by["worker"]
        self._latencies.record(timings)
        self._labels.update(
            {entry["label"] for entry in message["detections"]}
            or {entry["label"] for entry in message["classifications"][:1]}
        )
        self._count_hot_dog(message["is_hot_dog"])
        self._undrawn.append(message["seq"])
        self.answered_since_save = True
        self.last_answer_at = timezone.now()

    def draw(self, seq: int, timings: dict[str, float]) -> bool:
        """Add what the page says of a result; False when it is none of this run's."""
        if seq not in self._undrawn:
            return False
        self._undrawn.remove(seq)
        self._latencies.record(timings)
        return True

    def save(self, ended_at: datetime | None = None) -> None:
        """Add to the row what is new, and end the run if told when.

        A track that never brought a frame is no run, and must not end another's.
        """
        if not self.is_written and not self.ledger.received:
            return
        self.answered_since_save = False
        self.is_written = True
        figures = self._figures(measured_at=ended_at or timezone.now())
        records.write(self._write, figures, ended_at)

    def _count_hot_dog(self, is_hot_dog: bool) -> None:
        now = time.monotonic()
        if self._last_hot_dog_at is not None:
            self._hot_dog_seconds += min(now - self._last_hot_dog_at, LONGEST_GAP_S)
        self._last_hot_dog_at = now if is_hot_dog else None

    def _figures(self, measured_at: datetime) -> RunFigures:
        dropped: dict[str, Any] = {
            str(reason): count for reason, count in self.ledger.dropped.items()
        }
        return RunFigures(
            received=self.ledger.received,
            inferred=self.ledger.inferred,
            pending=self.ledger.pending,
            **dropped,
            hot_dog_seconds=round(self._hot_dog_seconds, 2),
            labels=dict(self._labels),
            latency=self._latencies.counts(),
            engine=self._engine,
            worker=self._worker,
            measured_at=measured_at,
            began_at=self._started_at,
        )

    def _write(self, figures: RunFigures, ended_at: datetime | None) -> None:
        if self._row_id is None:
            self._row_id = self._begin(
                self._session_id, self.version_id, self._started_at
            )
        services.add_to_run(self._row_id, figures.since(self._written), ended_at)
        self._written = figures


class RunRecorder:
    """Books every frame of one track in the run of the session that it belongs to.

    The first run goes on where the session's last track left it.

    Args:
        visit: whose runs they are. It tells which version is expected to answer, and is
            told which one did: a later track may end before it has any result.
    """

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._current = OpenRun(
            visit.session_id, visit.version_id, services.continue_run
        )
        self._former: list[OpenRun] = []

    @property
    def ledger(self) -> FrameLedger:
        return self._current.ledger

    @property
    def _runs(self) -> list[OpenRun]:
        return [*self._former, self._current]

    def receive(self, seq: int) -> None:
        self.ledger.receive(seq)

    def drop(self, seq: int, reason: DropReason) -> None:
        """Book a drop, unless the frame has its outcome already."""
        self.ledger.drop(seq, reason)

    def give_up(self, seq: int, reason: DropReason) -> None:
        """Book a drop that an answer may yet correct."""
        self.ledger.give_up(seq, reason)

    def infer(self, message: dict[str, Any], timings: dict[str, float]) -> bool:
        """Book a result, in the run of the version that gave it.

        Args:
            message: an `inference.result`.
            timings: milliseconds by stage, as the page gets them.

        Returns:
            False when the frame isn't waited for any more.
        """
        if not any(run.ledger.knows(message["seq"]) for run in self._runs):
            return False
        self._turn_to(message["served_by"]["version_id"])
        is_first = self.ledger.inferred == 0
        if not self.ledger.infer(message["seq"]):
            return False
        self._current.count(message, timings)
        if is_first:
            self._current.save()
        return True

    def draw(self, seq: int, timings: dict[str, float]) -> None:
        """Book what the page measured, once for each result, in the result's run."""
        any(run.draw(seq, timings) for run in self._runs)

    def save(self) -> None:
        """Write the figures of now; end the runs of which nothing came since."""
        for run in list(self._former):
            if not run.answered_since_save:
                run.save(ended_at=run.last_answer_at)
                self._former.remove(run)
        for run in self._runs:
            run.save()

    def close(self) -> None:
        """Write the last figures; the current run ends with the session, if at all."""
        for run in self._former:
            run.save(ended_at=run.last_answer_at)
        self._current.save()

    def _turn_to(self, version_id: int) -> None:
        """Make a version's run the current one, with the frames without outcome."""
        self._visit.version_id = version_id
        before = self._current
        if before.version_id == version_id:
            return
        if not before.is_written:
            # Nobody had answered: the expectation was wrong, not the run another one.
            before.version_id = version_id
            return
        for run in self._former:
            is_straggling = timezone.now() - run.last_answer_at < STRAGGLING
            if run.version_id == version_id and is_straggling:
                self._former.remove(run)
                self._current = run
                break
        else:
            self._current = OpenRun(
                self._visit.session_id, version_id, services.start_run
            )
        before.ledger.hand_over(self._current.ledger)
        self._former.append(before)
