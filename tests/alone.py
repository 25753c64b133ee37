"""Stands in for the other workers, where a test has one worker and no Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from apps.inference.serving.company import Company, Minute, Progress, Roll
from apps.inference.serving.first_minute import Counts


class Alone(Company):
    """What one worker says and counts; `lasted_s` is for how long it has counted."""

    def __init__(self) -> None:
        self.progress: dict[str, Progress] = {}
        self.seconds: dict[int, Counts] = {}
        self.lasted_s = 0

    def tell(self, affair: str, progress: Progress) -> None:
        self.progress[affair] = progress

    def withdraw(self, affair: str) -> None:
        self.progress.pop(affair, None)

    def leave(self) -> None:
        self.progress.clear()

    def look(self, affair: str, queue: str) -> Roll:
        mine = self.progress.get(affair)
        return Roll(frozenset({"me"}), progress={"me": mine} if mine else {})

    def count(self, affair: str, counts: Mapping[str, int]) -> None:
        self.seconds.setdefault(self.lasted_s, Counter()).update(counts)

    def counted(self, affair: str) -> Minute:
        return Minute(self.lasted_s, self.seconds)
