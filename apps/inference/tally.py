"""Sums of what a worker has seen and not told yet: numbers that can be added."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

Sums = dict[str, Any]


def added(sums: Mapping[str, Any], more: Mapping[str, Any]) -> Sums:
    """Both together, number by number."""
    total = dict(sums)
    for name, value in more.items():
        if isinstance(value, Mapping):
            total[name] = added(total.get(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value
    return total


class Tally:
    """Any thread may count, and any may take."""

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
