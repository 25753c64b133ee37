"""`Passes`: what the loaded versions are at for live frames, and for how long already.

A pass that never ends is in no figure of what was answered: whoever judges a version
looks here as well. Knows threads and a clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from apps.inference.serving.loading import LoadedVersion, Stamp


@dataclass(frozen=True, slots=True)
class Pass:
    """A step of a version with a batch of live frames, such as the forward pass."""

    loaded: LoadedVersion
    began: float = field(default_factory=time.monotonic)

    @property
    def under_way_s(self) -> float:
        return time.monotonic() - self.began


class Passes:
    """Each thread is at one of them at most."""

    def __init__(self) -> None:
        self._by_thread: dict[int, Pass] = {}

    @contextmanager
    def under_way(self, loaded: LoadedVersion) -> Iterator[None]:
        thread = threading.get_ident()
        self._by_thread[thread] = Pass(loaded)
        try:
            yield
        finally:
            del self._by_thread[thread]

    def now(self) -> list[Pass]:
        return list(self._by_thread.values())

    def longest_s(self, stamp: Stamp) -> float:
        """For how long a version has been at what it began with first."""
        its = (each.under_way_s for each in self.now() if each.loaded.stamp == stamp)
        return max(its, default=0.0)
