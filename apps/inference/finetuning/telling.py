"""How a job of several parts tells how far it is."""

from __future__ import annotations

from apps.inference.jobs import Progress


class Part:
    """From `begin` to `end`, as shares of the whole."""

    def __init__(self, whole: Progress, begin: float, end: float) -> None:
        self._whole, self._begin, self._end = whole, begin, end

    def tell(self, share: float, words: str) -> None:
        self._whole.tell(self._begin + (self._end - self._begin) * share, words)
