"""Asking for evaluations, and reading what came of them; it loads no network.

Figures are comparable where their data is the same: not only the dataset, but what was
held out of it then, which `data_sha256` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import OuterRef, Subquery

from apps.inference import jobs
from apps.inference.exceptions import InferenceError, NotVerifiedError
from apps.inference.models import Dataset, Evaluation, Job, ModelVersion

BUILT_IN = "held-out scenes"
# The figures that everything is compared by, and what they are called.
NAMES = {
    "map50": "mAP50",
    "map50_95": "mAP50-95",
    "top1": "top-1",
    "verdict_precision": "verdict precision",
    "verdict_recall": "verdict recall",
}


def request(
    version: ModelVersion,
    dataset: Dataset | None,
    requested_by: AbstractBaseUser | AnonymousUser | None = None,
) -> Job:
    """Have a version evaluated, on the built-in scenes if there is no dataset.

    Raises:
        InferenceError: nobody has verified it.
    """
    refuse_unverified(version)
    return jobs.request("evaluate", parameters(version, dataset), requested_by)


def parameters(version: ModelVersion, dataset: Dataset | None) -> dict[str, Any]:
    return {
        "what": f"{version} on {data_name(dataset)}",  # for whoever reads it
        "version": version.pk,
        "dataset": dataset.pk if dataset else None,
    }


def refuse_unverified(version: ModelVersion) -> None:
    """Raises: NotVerifiedError."""
    if version.state != ModelVersion.State.VERIFIED:
        raise NotVerifiedError(f"{version} has not been verified, so it can't answer.")


def version_of(pk: int) -> ModelVersion:
    """Raises: InferenceError, if there is none of that number any more."""
    version = ModelVersion.objects.select_related("model").filter(pk=pk).first()
    if version is None:
        raise InferenceError("The version has been removed meanwhile.")
    return version


def headline(evaluation: Evaluation) -> dict[str, float]:
    return headline_of(evaluation.figures)


def headline_of(figures: Mapping[str, Any]) -> dict[str, float]:
    """Those of them that everything is compared by, in one order."""
    return {name: figures[name] for name in NAMES if name in figures}


def latest(version: ModelVersion, dataset: Dataset | None) -> Evaluation | None:
    return Evaluation.objects.filter(version=version, dataset=dataset).first()


def latest_of_each(dataset: Dataset | None) -> list[Evaluation]:
    """The newest evaluation of every version that was ever evaluated on it.

    The database picks them, so that the figures of no other are read.
    """
    of_version = Evaluation.objects.filter(version=OuterRef("pk"), dataset=dataset)
    newest = ModelVersion.objects.values(newest=Subquery(of_version.values("pk")[:1]))
    found = Evaluation.objects.filter(pk__in=newest)
    return list(found.select_related("version__model"))


def are_comparable(compared: Iterable[Evaluation]) -> bool:
    """Whether all have answered the very same pictures and labels."""
    return len({each.data_sha256 for each in compared}) <= 1


def data_name(dataset: Dataset | None) -> str:
    return dataset.name if dataset else BUILT_IN


def shown(value: float | None) -> str:
    """A figure as people read it: 0.41."""
    return "-" if value is None else f"{value:.3f}"
