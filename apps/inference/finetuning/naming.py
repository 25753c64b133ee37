"""Which of a model's labels a dataset's names are, and which are new to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apps.inference.datasets.annotations import key_of
from apps.inference.evaluating.vocabulary import names_of


class Places:
    """A label's number by any of its names: ImageNet lists several in one label."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._by_name: dict[str, int] = {}
        for number, label in enumerate(labels):
            for name in names_of(label):
                self._by_name.setdefault(name, number)

    def of(self, name: str) -> int | None:
        return self._by_name.get(key_of(name))


def with_new(labels: Sequence[str], names: Iterable[str]) -> list[str]:
    """The labels, old ones in their places, and behind them those they lack."""
    known = Places(labels)
    lacking = {key_of(name): name for name in sorted(names) if known.of(name) is None}
    return [*labels, *lacking.values()]
