"""What a worker has counted of a trial and not written down yet, by any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from apps.inference.trials.figures import Sums, added


class Tally:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: Sums = {}

    def count(self, more: Mapping[str, Any]) -> None:
        with self._lock:
            self._sums = added(self._sums, more)

    def take(self) -> Sums:
        """All that was counted since the last time."""
        with self._lock:
            sums, self._sums = self._sums, {}
        return sums
