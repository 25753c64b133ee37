"""What is said of a picture: labels, and boxes that lie in it. Knows no files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.inference.exceptions import DatasetError

Annotation = dict[str, Any]

LONGEST_LABEL = 100
# What a classifier may say where nothing is to be seen: for data that is no label.
NOTHING = "nothing"
# Tools round, and half a pixel more or less is nobody's mistake.
_TOLERANCE = 1.0
# Beyond any picture, and what no float can hold.
_FARTHEST = 1e9


def checked(said: Any, width: int, height: int) -> list[Annotation]:
    """Annotations in the form that `Example` describes, of a picture of that size.

    Whoever says that nothing is to be seen annotates nothing.

    Raises:
        DatasetError: one can't be right, and which.
    """
    if not isinstance(said, list):
        raise DatasetError("Its annotations are no list.")
    found = [_checked(each, width, height) for each in said]
    return [each for each in found if key_of(each["label"]) != NOTHING]


def labels_of(annotations: Iterable[Annotation]) -> list[str]:
    """Each once, in the order in which they come."""
    return list(dict.fromkeys(each["label"] for each in annotations))


def same_label(one: str, other: str) -> bool:
    return key_of(one) == key_of(other)


def key_of(label: str) -> str:
    """What labels are matched by: people write them as they like."""
    return " ".join(label.split()).casefold()


def _checked(said: Any, width: int, height: int) -> Annotation:
    label = said.get("label") if isinstance(said, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise DatasetError("One of its annotations has no label.")
    label = " ".join(label.split())
    if len(label) > LONGEST_LABEL:
        raise DatasetError(f"A label is longer than {LONGEST_LABEL} characters.")
    if not label.isprintable():
        raise DatasetError("A label has characters that can't be printed.")
    if said.get("box") is None:
        return {"label": label}
    return {"label": label, "box": _box(said["box"], label, width, height)}


def _box(said: Any, label: str, width: int, height: int) -> list[float]:
    is_box = (
        isinstance(said, list | tuple)
        and len(said) == 4
        and all(isinstance(each, int | float) for each in said)
        and all(abs(each) < _FARTHEST for each in said)
    )
    if not is_box:
        raise DatasetError(f"The box of “{label}” is not four numbers.")
    left, top, right, bottom = map(float, said)
    if right <= left or bottom <= top:
        raise DatasetError(f"The box of “{label}” has no area.")
    outside = max(-left, -top, right - width, bottom - height)
    if outside > _TOLERANCE:
        raise DatasetError(
            f"The box of “{label}” reaches {outside:.0f} pixels out of the picture,"
            f" which is {width} x {height}."
        )
    inside = [max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)]
    return [round(each, 2) for each in inside]
