"""What a finetune is asked for with, and why some can't be done.

What a web process may know of it: rows and JSON, no weights and no torch.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from apps.inference import jobs
from apps.inference.exceptions import InferenceError
from apps.inference.models import Dataset, Example, Job, ModelVersion
from apps.inference.registering import removing
from apps.inference.registering.registry import STARTER_NAMES

KIND = "finetune"
# Families by their names in the settings: a web process imports no predictor.
YOLOV5 = "yolov5"
TRAINABLE = (YOLOV5, "classifier")

STEPS, MOST_STEPS = 80, 100_000
LEARNING_RATE, LEAST_LEARNING_RATE, MOST_LEARNING_RATE = 2e-4, 1e-6, 1e-2
MOST_SEED = 10_000
# The share of scenes among the examples, for a model that has learned from scenes.
REHEARSAL, MOST_REHEARSAL = 0.75, 0.9

_WHY_NOT = {
    "exported": "was exported: it can be run, and not trained further. Add the"
    " checkpoint that it was exported from.",
    "transformers-detector": "is a detector of transformers, whose training isn't"
    " built here: what can be trained further are YOLOv5 and classifiers.",
}


@dataclass(frozen=True, slots=True)
class Choices:
    """How a finetune is done.

    `rehearsal` is the share of the Emporium's own scenes among the examples. None is
    three quarters for a model that has learned from them, and none for another.
    """

    steps: int = STEPS
    learning_rate: float = LEARNING_RATE
    seed: int = 0
    rehearsal: float | None = None

    def refuse_impossible(self) -> None:
        """Raises InferenceError."""
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise InferenceError(
                    f"The {name.replace('_', ' ')} must be between {least:g} and"
                    f" {most:g}, not {value:g}."
                )


DEFAULTS = Choices()
_BOUNDS = (
    ("steps", 1, MOST_STEPS),
    ("learning_rate", LEAST_LEARNING_RATE, MOST_LEARNING_RATE),
    ("seed", 0, MOST_SEED),
    ("rehearsal", 0, MOST_REHEARSAL),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A finetune that can be begun with; `token` names its folder of work."""

    parent: ModelVersion
    dataset: Dataset
    choices: Choices
    token: str

    @classmethod
    def read(cls, parameters: dict[str, Any]) -> Self:
        """The plan of a job's parameters.

        Raises:
            InferenceError: it can't be done, or not any more.
        """
        versions = ModelVersion.objects.select_related("model")
        parent = versions.filter(pk=parameters["parent"]).first()
        dataset = Dataset.objects.filter(pk=parameters["dataset"]).first()
        if parent is None or dataset is None:
            gone = "version" if parent is None else "dataset"
            raise InferenceError(f"The {gone} has been removed meanwhile.")
        if reason := why_not(parent):
            raise InferenceError(reason)
        if not dataset.examples.filter(split=Example.Split.TRAIN).exists():
            raise InferenceError(
                f"The dataset {dataset} has no pictures to train on: all are held out,"
                " or there are none."
            )
        choices = Choices(**{name: parameters[name] for name, *_ in _BOUNDS})
        choices.refuse_impossible()
        return cls(parent, dataset, choices, parameters["token"])

    @property
    def folder(self) -> Path:
        """Where its checkpoints lie until it is over."""
        return shelf() / f"{KIND}-{self.token}"

    @property
    def rehearsal(self) -> float:
        if self.choices.rehearsal is not None:
            return self.choices.rehearsal
        return REHEARSAL if self.parent.model.name in STARTER_NAMES else 0.0


def request(
    parent: ModelVersion,
    dataset: Dataset,
    choices: Choices = DEFAULTS,
    requested_by: AbstractBaseUser | AnonymousUser | None = None,
) -> Job:
    """Ask for a version to be trained further on a dataset.

    Raises:
        InferenceError: it can't be, and why.
    """
    parameters = {
        "what": f"{parent} on {dataset}",  # for whoever reads it
        "parent": parent.pk,
        "dataset": dataset.pk,
        **asdict(choices),
        "token": secrets.token_hex(8),
    }
    Plan.read(parameters)
    return jobs.request(KIND, parameters, requested_by)


def why_not(parent: ModelVersion) -> str:
    """Why a version can't be trained further; empty if it can."""
    if parent.state != ModelVersion.State.VERIFIED:
        return f"{parent} isn't verified, so nothing can be built on it."
    family = parent.model.family
    if family in TRAINABLE:
        return ""
    reason = _WHY_NOT.get(family, f"is of the family {family}, which nobody can train.")
    return f"{parent} {reason}"


def shelf() -> Path:
    return Path(settings.MODELS_DIR) / "staging"


def remove_abandoned() -> None:
    """Remove what jobs have left that ended where no process could do it."""
    under_way = Job.objects.filter(kind=KIND, state__in=Job.UNDER_WAY)
    tokens = {job.parameters.get("token") for job in under_way}
    for folder in shelf().glob(f"{KIND}-*"):
        if folder.name.removeprefix(f"{KIND}-") not in tokens:
            shutil.rmtree(folder, ignore_errors=True)
    for version in ModelVersion.objects.filter(sha256="", lineage__has_key="token"):
        if version.lineage["token"] not in tokens:
            removing.forget(version)
