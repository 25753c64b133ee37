"""Evaluates one version, and writes down what came of it: the job `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import IntegrityError

from apps.inference.evaluating import evaluations
from apps.inference.evaluating.scoring import Answered, figures_of
from apps.inference.evaluating.shown import Shown, data_of
from apps.inference.exceptions import InferenceError
from apps.inference.jobs import Progress
from apps.inference.jobs.doing import RowProgress
from apps.inference.models import Dataset, Evaluation, ModelVersion
from apps.inference.registering.contents import labels_of
from apps.inference.serving.loading import load_version
from apps.inference.types import Predictor

_LOADED, _ANSWERED = 0.05, 0.98


def run(parameters: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The job `evaluate`: of `version`, on `dataset`; both by their numbers."""
    version = evaluations.version_of(parameters["version"])
    evaluation = evaluate(version, _dataset(parameters.get("dataset")), progress)
    if isinstance(progress, RowProgress):
        evaluation.job = progress.job
        evaluation.save(update_fields=["job"])
    return {"evaluation": evaluation.pk} | evaluations.headline(evaluation)


def evaluate(
    version: ModelVersion, dataset: Dataset | None, progress: Progress
) -> Evaluation:
    """Answer all held-out pictures as a worker would, and count.

    Args:
        version: verified, on whose engine it is loaded.
        dataset: the built-in scenes, if None.
        progress: told how far it is.

    Raises:
        InferenceError: it can't be loaded, there is nothing to be shown, or one of both
            is gone before it is done.
    """
    evaluations.refuse_unverified(version)
    data = data_of(dataset)
    progress.tell(0, f"Loading {version}.")
    loaded = load_version(version)
    answered = []
    for each in answers(loaded.predictor, data.pictures, at_once=loaded.batch_size):
        answered.append(each)
        share = len(answered) / data.count
        progress.tell(_LOADED + (_ANSWERED - _LOADED) * share, "Answering pictures.")
    progress.tell(_ANSWERED, "Counting.")
    figures = figures_of(answered, labels_of(version))
    try:
        return Evaluation.objects.create(
            version=version,
            dataset=dataset,
            pictures=len(answered),
            data_sha256=data.sha256,
            figures=figures | {"engine": loaded.predictor.engine},
        )
    except IntegrityError:
        evaluations.version_of(version.pk)
        _dataset(dataset.pk if dataset else None)
        raise


def answers(
    predictor: Predictor, pictures: Iterable[Shown], *, at_once: int
) -> Iterator[Answered]:
    """In batches, with nothing more than one in memory."""
    number, pictures = 0, iter(pictures)
    while batch := list(islice(pictures, at_once)):
        frames = [each.frame(number + place) for place, each in enumerate(batch)]
        number += len(batch)
        for shown, prediction in zip(batch, predictor.predict(frames), strict=True):
            yield Answered(shown.annotations, prediction)


def _dataset(pk: int | None) -> Dataset | None:
    if pk is None:
        return None
    dataset = Dataset.objects.filter(pk=pk).first()
    if dataset is None:
        raise InferenceError("The dataset has been removed meanwhile.")
    return dataset
