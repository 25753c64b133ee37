"""Evaluates a version on held-out pictures, and lays evaluations side by side."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.inference.datasets import keeping
from apps.inference.evaluating import evaluations
from apps.inference.evaluating.evaluations import NAMES
from apps.inference.evaluating.job import evaluate
from apps.inference.exceptions import InferenceError
from apps.inference.finding import find_version
from apps.inference.management import terminal
from apps.inference.models import Dataset, Evaluation
from apps.inference.serving.rehearsal import stand_behind_live_frames

COMPARE = "compare"


class Command(BaseCommand):
    help = (
        "Evaluate a version: evaluate MODEL[:VERSION]. Or lay what has been evaluated"
        " side by side: evaluate compare [MODEL[:VERSION] …]."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "versions",
            nargs="+",
            metavar="MODEL[:VERSION]",
            help="one; or, after the word compare, any number of them, or none for all",
        )
        parser.add_argument(
            "--dataset", help="its held-out pictures; else the built-in scenes"
        )
        parser.add_argument(
            "--json", action="store_true", help="print the figures as JSON"
        )

    def handle(self, *args: Any, versions: list[str], **options: Any) -> None:
        try:
            dataset = keeping.find(options["dataset"]) if options["dataset"] else None
            if versions[0] == COMPARE:
                found = self._compared(versions[1:], dataset)
            else:
                found = [self._evaluated(versions, dataset)]
        except InferenceError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            said = [as_json(each) for each in found]
            self.stdout.write(json.dumps(said if len(said) > 1 else said[0], indent=2))
        else:
            self.stdout.write("\n".join(table(found)))

    def _evaluated(self, versions: list[str], dataset: Dataset | None) -> Evaluation:
        if len(versions) > 1:
            raise InferenceError(
                f"One version is evaluated at a time; to see several: evaluate"
                f" {COMPARE} {' '.join(versions)}."
            )
        version = find_version(versions[0])
        stand_behind_live_frames()
        with terminal.Progress() as progress:
            return evaluate(version, dataset, progress)

    def _compared(
        self, versions: list[str], dataset: Dataset | None
    ) -> list[Evaluation]:
        data = evaluations.data_name(dataset)
        if not versions:
            if all_of_it := evaluations.latest_of_each(dataset):
                return all_of_it
            raise InferenceError(f"No version has been evaluated on {data} yet.")
        found = []
        for version in map(find_version, versions):
            evaluation = evaluations.latest(version, dataset)
            if evaluation is None:
                raise InferenceError(f"{version} has not been evaluated on {data} yet.")
            found.append(evaluation)
        if not evaluations.are_comparable(found):
            self.stderr.write(
                "They have not answered the same pictures: the dataset was changed in"
                " between. Evaluate the older ones anew."
            )
        return found


def table(found: list[Evaluation]) -> list[str]:
    """Its figures beside each version, and of a single one each label's too."""
    names = [name for name in NAMES if any(name in each.figures for each in found)]
    rows: list[tuple[str, ...]] = [("version", *(NAMES[name] for name in names))]
    for each in found:
        values = (evaluations.shown(each.figures.get(name)) for name in names)
        rows.append((str(each.version), *values))
    lines = terminal.aligned(rows)
    lines.append(
        f"{found[0].pictures} pictures of {evaluations.data_name(found[0].dataset)}"
    )
    if len(found) == 1:
        lines += ["", *_labels(found[0])]
    return lines


def _labels(evaluation: Evaluation) -> list[str]:
    columns = ("label", "there", "precision", "recall", "ap50", "ap50_95")
    rows: list[tuple[str, ...]] = [columns]
    for each in evaluation.figures["labels"]:
        values = (evaluations.shown(each.get(name)) for name in columns[2:])
        rows.append((each["label"], str(each["there"]), *values))
    lines = terminal.aligned(rows)
    for where, words in (
        ("only_in_data", "The version doesn't know"),
        ("only_in_version", "Never to be seen in the data"),
    ):
        if names := evaluation.figures[where]:
            lines.append(f"{words}: {', '.join(names)}")
    return lines


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "version": str(evaluation.version),
        "dataset": evaluation.dataset.name if evaluation.dataset else None,
        "pictures": evaluation.pictures,
        "data_sha256": evaluation.data_sha256,
        "evaluated_at": evaluation.evaluated_at.isoformat(),
        "figures": evaluation.figures,
    }
