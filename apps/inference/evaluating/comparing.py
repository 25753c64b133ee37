"""Versions side by side on one data: their figures, and by how much they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.inference.evaluating import evaluations
from apps.inference.evaluating.evaluations import NAMES
from apps.inference.models import Dataset, Deployment, Evaluation


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, and how much more it is than the base's; None where one has none."""

    value: float | None
    more: float | None


@dataclass(frozen=True, slots=True)
class Row:
    evaluation: Evaluation
    is_base: bool
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows by version, a column for each figure that any has; the base comes first."""

    names: list[str]
    rows: list[Row]
    labels: list[str]
    are_comparable: bool

    @property
    def base(self) -> Evaluation | None:
        return next((row.evaluation for row in self.rows if row.is_base), None)

    def by_label(self, figure: str) -> list[tuple[str, list[Cell]]]:
        """A row a label: this figure of it by every version."""
        base = self.base
        return [
            (
                label,
                [
                    _cell(
                        _of_label(row.evaluation, label, figure),
                        _of_label(base, label, figure) if base else None,
                    )
                    for row in self.rows
                ],
            )
            for label in self.labels
        ]


def side_by_side(dataset: Dataset | None, deployment: Deployment | None) -> Comparison:
    """The newest evaluation of every version on this data, beside what is active."""
    found = evaluations.latest_of_each(dataset)
    active = deployment.active_version_id if deployment else None
    found.sort(key=lambda each: (each.version_id != active, str(each.version)))
    base = found[0] if found and found[0].version_id == active else None
    names = [name for name in NAMES if any(name in each.figures for each in found)]
    rows = [
        Row(
            each,
            each is base,
            [
                _cell(each.figures.get(name), base.figures.get(name) if base else None)
                for name in names
            ],
        )
        for each in found
    ]
    return Comparison(names, rows, _labels(found), evaluations.are_comparable(found))


def _labels(found: Sequence[Evaluation]) -> list[str]:
    said = (row["label"] for each in found for row in each.figures.get("labels", ()))
    return list(dict.fromkeys(said))


def _of_label(evaluation: Evaluation, label: str, figure: str) -> float | None:
    for row in evaluation.figures.get("labels", ()):
        if row["label"] == label:
            value: float | None = row.get(figure)
            return value
    return None


def _cell(value: float | None, base: float | None) -> Cell:
    more = None if value is None or base is None else round(value - base, 4)
    return Cell(value, more)
