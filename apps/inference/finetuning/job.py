"""The job: train a version further, and register what has come of it.

For a process of its own. It may be begun again at any point: training goes on from its
last checkpoint, and what is registered already isn't registered twice. When it is over,
done or not, nothing is left of it but the version, once it is registered.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from django.db import DatabaseError
from django.db.models import QuerySet
from safetensors import SafetensorError

from apps.inference import jobs, weights
from apps.inference.exceptions import (
    InferenceError,
    InUseError,
    StorageError,
    sentence_of,
)
from apps.inference.finetuning.classifier import ClassifierLesson
from apps.inference.finetuning.comparison import compare
from apps.inference.finetuning.course import Course
from apps.inference.finetuning.detector import DetectorLesson
from apps.inference.finetuning.lineage import lineage_of
from apps.inference.finetuning.order import Order
from apps.inference.finetuning.pictures import (
    Picture,
    refuse_unreadable,
    training_pictures,
)
from apps.inference.finetuning.plan import YOLOV5, Plan, remove_abandoned
from apps.inference.finetuning.telling import Part
from apps.inference.finetuning.validation import Validation
from apps.inference.jobs import CancelledError, Progress
from apps.inference.models import Job, ModelVersion
from apps.inference.registering import adding, removing

logger = logging.getLogger(__name__)

Lesson = DetectorLesson | ClassifierLesson
WORKERS = 1  # to draw a scene takes as long as to learn from it
# How much of the whole each part takes: training, verification, evaluation.
_TRAINED, _VERIFIED = 0.75, 0.85


def finetune(parameters: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Do what `plan.request` has asked for; returns what the job has come to.

    Raises:
        InferenceError: with a sentence for the operator.
        CancelledError: it isn't wanted any more.
    """
    remove_abandoned()
    plan = Plan.read(parameters)
    try:
        version = _registered(plan) or _make(plan, progress)
        _show(plan, {"version": version.pk})
        figures = _compared(version, plan, Part(progress, _VERIFIED, 1))
    except CancelledError:
        if not _goes_on_elsewhere(plan):
            clear_up(plan)
            _withdraw(plan)
        raise
    except Exception:
        clear_up(plan)
        raise
    clear_up(plan)
    return {"version": version.pk, "figures": figures}


def _compared(version: ModelVersion, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Without figures the version is as good as it is: they can be had later."""
    try:
        return compare(version, plan, progress)
    except Exception as error:
        logger.warning("%s has no figures: %s", version, error, exc_info=True)
        return {"missing": sentence_of(error)}


def _make(plan: Plan, progress: Progress) -> ModelVersion:
    _forget_unfinished(plan)  # of a try that was killed
    reading = partial(progress.tell, 0, "Reading the pictures.")
    reading()
    weights.verify(plan.parent.path, plan.parent.sha256)
    pictures = training_pictures(plan.dataset)
    lesson = _lesson(plan, pictures)
    refuse_unreadable(lesson.used, reading)
    course = Course(
        lesson,
        steps=plan.choices.steps,
        folder=plan.folder,
        validate=Validation(lesson, plan.dataset, plan.folder).figures,
    )
    with _disk_refusals():
        course.run(
            Part(progress, 0, _TRAINED).tell,
            lambda: _show(plan, course.learned),
            workers=WORKERS,
        )
    version = _row(plan, pictures, lesson, course)

    def write(directory: Path) -> None:
        with _disk_refusals():
            lesson.save(course.network, directory)
        card = json.dumps(_card(version, lesson), indent=2, ensure_ascii=False)
        (directory / weights.CARD_NAME).write_text(card + "\n")

    adding.take_in(version, write, Part(progress, _TRAINED, _VERIFIED).tell)
    return version


def _show(plan: Plan, result: dict[str, Any]) -> None:
    """Let the job's page say what has come of it so far."""
    running = _asked(plan).filter(state=Job.State.RUNNING)
    try:
        running.update(result=result)
    except DatabaseError as error:  # which is no reason to lose the training
        logger.warning("What has come of it can't be shown: %s", error)


def _lesson(plan: Plan, pictures: Sequence[Picture]) -> Lesson:
    kind = DetectorLesson if plan.parent.model.family == YOLOV5 else ClassifierLesson
    order = Order(plan.choices.seed, plan.rehearsal)
    return kind(plan.parent.path, pictures, order, plan.choices.learning_rate)


def _row(
    plan: Plan, pictures: Sequence[Picture], lesson: Lesson, course: Course
) -> ModelVersion:
    used = len(lesson.used)
    lineage = lineage_of(
        plan, used=used, left_out=len(pictures) - used, torch=torch.__version__
    )
    asked = _asked(plan).first()
    return ModelVersion.objects.create(
        model=plan.parent.model,
        version=f"new-{secrets.token_hex(4)}",
        source=f"finetuned from {plan.parent.version} on {plan.dataset}",
        state=ModelVersion.State.ADDING,
        parent=plan.parent,
        lineage={**lineage, **course.learned},
        added_by_id=asked.requested_by_id if asked else None,
    )


def _card(version: ModelVersion, lesson: Lesson) -> dict[str, Any]:
    """Figures of the parent would be false, so nothing else is taken over from it."""
    lineage = version.lineage
    return {
        "name": version.model.name,
        "description": f"{lineage['parent']}, trained further on {lineage['pictures']}"
        f" pictures of the dataset {lineage['dataset']}.",
        "labels": lesson.labels,
        "licence": version.parent.card.get("licence", "") if version.parent else "",
        "seed": lineage["seed"],
        "steps": lineage["steps"],
        "batch_size": lesson.batch_size,
    }


def _registered(plan: Plan) -> ModelVersion | None:
    """The version, where a try has got so far before it was killed."""
    return _rows(plan).exclude(sha256="").first()


def _goes_on_elsewhere(plan: Plan) -> bool:
    """Whether another process has taken the job, because this one was thought dead."""
    under_way = _asked(plan).filter(state__in=Job.UNDER_WAY)
    return under_way.filter(is_cancelling=False).exists()


def clear_up(plan: Plan) -> None:
    shutil.rmtree(plan.folder, ignore_errors=True)
    jobs.insist(partial(_forget_unfinished, plan))


def _withdraw(plan: Plan) -> None:
    """Take back what is registered already, unless somebody uses it meanwhile."""
    version = _registered(plan)
    if version is not None:
        with suppress(InUseError):
            removing.remove(version)
            _show(plan, {})


def _forget_unfinished(plan: Plan) -> None:
    for version in _rows(plan).filter(sha256=""):
        removing.forget(version)


def _asked(plan: Plan) -> QuerySet[Job]:
    return Job.objects.filter(parameters__token=plan.token)


def _rows(plan: Plan) -> QuerySet[ModelVersion]:
    return ModelVersion.objects.select_related("model", "parent").filter(
        parent=plan.parent, lineage__token=plan.token
    )


@contextmanager
def _disk_refusals() -> Iterator[None]:
    try:
        yield
    except InferenceError:
        raise
    except OSError as error:
        raise StorageError(_REFUSED.format(error.strerror or error)) from error
    except SafetensorError as error:
        raise StorageError(_REFUSED.format(error)) from error


_REFUSED = "The disk refused, and nothing was kept: {}."
