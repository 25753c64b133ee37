"""Which of a model's labels a dataset's names are, and which are new to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apps.inference.datasets.annotations import key_of
from apps.inference.evaluating.vocabulary import names_of


def place_of(name: str, labels: Sequence[str]) -> int | None:
    """The label's number; ImageNet lists the names of a thing in one label."""
    for number, label in enumerate(labels):
        if key_of(name) in names_of(label):
            return number
    return None


def with_new(labels: Sequence[str], names: Iterable[str]) -> list[str]:
    """The labels, old ones in their places, and behind them those they lack."""
    grown = list(labels)
    for name in sorted(set(names)):
        if place_of(name, grown) is None:
            grown.append(name)
    return grown
