"""The labels that files of YOLO's kind carry, checked: what they call `names`."""

from __future__ import annotations

import unicodedata

from apps.inference.exceptions import LabelsError

_UNREADABLE = {"Cc", "Cs"}  # control characters, halves of characters


def labels_of(names: object) -> list[str]:
    """A list, or since release 6.2 a dictionary by number; numbers may be names.

    Raises:
        LabelsError
    """
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise LabelsError("The file doesn't number its labels 0, 1, 2 and so on.")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list | tuple) or not names:
        raise LabelsError("The file doesn't name its labels.")
    labels = [_label(name) for name in names]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise LabelsError(f"The file names two labels alike: {twice}.")
    return labels


def _label(name: object) -> str:
    label = str(name).strip() if isinstance(name, str | int | float) else ""
    if not label or any(unicodedata.category(sign) in _UNREADABLE for sign in label):
        raise LabelsError("A label in the file isn't a readable name.")
    return label
