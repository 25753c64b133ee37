"""Lays what was trained further beside its parent, on the very same pictures."""

from __future__ import annotations

from typing import Any

from apps.inference.evaluating import evaluations
from apps.inference.evaluating.job import evaluate
from apps.inference.evaluating.shown import data_of
from apps.inference.finetuning.plan import Plan
from apps.inference.finetuning.telling import Part
from apps.inference.jobs import Progress
from apps.inference.models import Dataset, Evaluation, Example, ModelVersion


def compare(
    version: ModelVersion, plan: Plan, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Figures before and after, by the name of the data.

    What is held out of the dataset, if anything is, says what was learned; the built-in
    scenes, where it has rehearsed them, what was forgotten.

    Raises:
        InferenceError: one of both can't be evaluated.
    """
    sets: list[Dataset | None] = []
    if plan.dataset.examples.filter(split=Example.Split.HELD_OUT).exists():
        sets.append(plan.dataset)
    if plan.rehearsal:
        sets.append(None)
    figures = {}
    for number, dataset in enumerate(sets):
        part = Part(progress, number / len(sets), (number + 1) / len(sets))
        before = _known(plan.parent, dataset) or evaluate(
            plan.parent, dataset, Part(part, 0, 0.5)
        )
        after = _known(version, dataset) or evaluate(
            version, dataset, Part(part, 0.5, 1)
        )
        figures[evaluations.data_name(dataset)] = {
            "pictures": after.pictures,
            "before": evaluations.headline(before),
            "after": evaluations.headline(after),
        }
    return figures


def _known(version: ModelVersion, dataset: Dataset | None) -> Evaluation | None:
    """What has been found out already, if the pictures are the same still."""
    latest = evaluations.latest(version, dataset)
    if latest and latest.data_sha256 == data_of(dataset).sha256:
        return latest
    return None
