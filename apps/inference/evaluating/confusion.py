"""What was taken for what, and from it each label's precision and recall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from apps.inference.boxes import box_iou
from apps.inference.datasets.annotations import NOTHING
from apps.inference.evaluating.precision import Boxed

# What the version says and the data has no name for.
OTHER = "another label"
_SAME_PLACE = 0.5  # IoU


class Confusion:
    """Pairs of what is there and what is said, either of which may be `NOTHING`."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._counts.update(pairs)

    def as_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """Rows are what is there, columns what is said."""
        seen = {each for pair in self._counts for each in pair}
        names = [each for each in (*labels, NOTHING, OTHER) if each in seen]
        rows = [[self._counts[row, column] for column in names] for row in names]
        return {"labels": names, "counts": rows}

    def of(self, label: str) -> dict[str, Any]:
        """How many there are, which share was found, which share of the found is."""
        right = self._counts[label, label]
        there = sum(n for (row, _), n in self._counts.items() if row == label)
        said = sum(n for (_, column), n in self._counts.items() if column == label)
        return {
            "there": there,
            "precision": right / said if said else None,
            "recall": right / there if there else None,
        }


def matched(
    wanted: Sequence[Boxed], found: Sequence[Boxed]
) -> Iterator[tuple[str, str]]:
    """Pairs for one picture: each box found, best first, takes the nearest one there
    that is left, whatever both are called.
    """
    left = list(wanted)
    for each in sorted(found, key=lambda one: -one.score):
        nearest = _nearest(each, left)
        if nearest is None:
            yield NOTHING, each.label
        else:
            left.remove(nearest)
            yield nearest.label, each.label
    for each in left:
        yield each.label, NOTHING


def _nearest(found: Boxed, left: Sequence[Boxed]) -> Boxed | None:
    if not left:
        return None
    there = torch.tensor([each.box for each in left])
    overlaps = box_iou(torch.tensor([found.box]), there)[0]
    best = int(overlaps.argmax())
    return left[best] if overlaps[best] >= _SAME_PLACE else None
