"""Whose labels are the same: those of a version and those of the data, by name.

Upper and lower case are one. ImageNet lists the names of a thing in one label ("hotdog,
hot dog, red hot"), each of which counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from apps.inference.datasets.annotations import NOTHING, key_of


class Vocabulary:
    """The labels of the data, as they are first written there, and a version's."""

    def __init__(self, of_data: Iterable[str], of_version: Iterable[str]) -> None:
        self._known: dict[str, str] = {}
        for label in of_data:
            self._known.setdefault(key_of(label), label)
        self._known.pop(NOTHING, None)
        of_version = list(of_version)
        said = {name for label in of_version for name in names_of(label)}
        self.labels = sorted(self._known.values())
        self.knows_nothing = NOTHING in said
        self.only_in_data = [each for each in self.labels if key_of(each) not in said]
        self.only_in_version = [
            label
            for label in of_version
            if not {*self._known, NOTHING} & set(names_of(label))
        ]

    def of(self, label: str) -> str | None:
        """What the data calls it; `NOTHING`; or None, if the data has no such label."""
        for name in names_of(label):
            if name in self._known:
                return self._known[name]
        return NOTHING if key_of(label) == NOTHING else None


def names_of(label: str) -> list[str]:
    """All that a label may be called, as keys."""
    whole = key_of(label)
    parts = [key_of(part) for part in label.split(",")]
    return [whole, *parts] if len(parts) > 1 else [whole]
