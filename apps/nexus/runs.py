"""`RunRecorder`: the run of a session that is going on, and its figures.

Counts on the event loop, writes through `records` every few seconds and at the end. A
result of another model version ends the run and begins the next.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from typing import Any

from apps.nexus import records
from apps.nexus.latency import StageLatencies
from apps.nexus.ledger import DropReason, FrameLedger
from apps.sessions import services
from apps.sessions.services import RunFigures

# Between two results further apart nobody knows whether the hot dog stayed.
LONGEST_GAP_S = 1.0


class RunRecorder:
    def __init__(self, session_id: uuid.UUID, version_id: int) -> None:
        self.version_id = version_id
        self._session_id = session_id
        self._ledger = FrameLedger()
        # Only read and written by the thread of `records`.
        self._row_id: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._latencies = StageLatencies()
        self._labels: Counter[str] = Counter()
        self._hot_dog_seconds = 0.0
        self._last_hot_dog_at: float | None = None
        self._engine = self._worker = ""
        records.write(self._start_row, self.version_id)

    def receive(self, seq: int) -> None:
        self._ledger.receive(seq)

    def drop(self, seq: int, reason: DropReason) -> bool:
        return self._ledger.drop(seq, reason)

    def infer(self, message: dict[str, Any], timings: dict[str, float]) -> bool:
        """Book a result, in the run of the version that gave it.

        Args:
            message: an `inference.result`.
            timings: milliseconds by stage, as the page gets them.

        Returns:
            False when the frame isn't waited for any more.
        """
        served_by = message["served_by"]
        if served_by["version_id"] != self.version_id:
            self._switch(served_by["version_id"])
        if not self._ledger.infer(message["seq"]):
            return False
        self._engine, self._worker = served_by["engine"], served_by["worker"]
        self._latencies.record(timings)
        self._labels.update(
            {entry["label"] for entry in message["detections"]}
            or {entry["label"] for entry in message["classifications"][:1]}
        )
        self._count_hot_dog(message["is_hot_dog"])
        return True

    def save(self) -> None:
        """Write the figures of now."""
        records.write(self._record_row, self._figures())

    def finish(self) -> None:
        records.write(self._finish_row, self._figures())

    def _switch(self, version_id: int) -> None:
        successor = self._ledger.hand_over()
        self.finish()
        self._ledger = successor
        self.version_id = version_id
        self._begin()

    def _count_hot_dog(self, is_hot_dog: bool) -> None:
        now = time.monotonic()
        if self._last_hot_dog_at is not None:
            self._hot_dog_seconds += min(now - self._last_hot_dog_at, LONGEST_GAP_S)
        self._last_hot_dog_at = now if is_hot_dog else None

    def _figures(self) -> RunFigures:
        return RunFigures(
            received=self._ledger.received,
            inferred=self._ledger.inferred,
            pending=self._ledger.pending,
            **{str(reason): count for reason, count in self._ledger.dropped.items()},
            hot_dog_seconds=round(self._hot_dog_seconds, 2),
            labels=dict(self._labels),
            latency=self._latencies.summary(),
            engine=self._engine,
            worker=self._worker,
        )

    def _start_row(self, version_id: int) -> None:
        self._row_id = services.start_run(self._session_id, version_id)

    def _record_row(self, figures: RunFigures) -> None:
        if self._row_id is not None:
            services.record_run(self._row_id, figures)

    def _finish_row(self, figures: RunFigures) -> None:
        if self._row_id is not None:
            services.finish_run(self._row_id, figures)
