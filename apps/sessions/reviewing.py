"""What a reviewer makes of captures: examples of a dataset, or nothing.

Each decision is a guarded update, so that of two reviewers the second is told.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.inference import datasets
from apps.inference.datasets.looking import Who
from apps.inference.exceptions import DatasetError, InferenceError
from apps.inference.hotdog import HOT_DOG, names_hot_dog
from apps.inference.models import Dataset, Example
from apps.sessions import capture_files
from apps.sessions.access import Act, log
from apps.sessions.models import Capture

State = Capture.State
# Where examples go unless a reviewer says otherwise.
DATASET = "captures"
GONE = "The file of this picture is gone: reject it."


class ReviewError(Exception):
    """A decision can't be taken, with a sentence for the reviewer."""


def waiting(deployment: str = "", reason: str = "") -> QuerySet[Capture]:
    """What is to be reviewed, the oldest first."""
    captures = Capture.objects.filter(state=State.WAITING).order_by("taken_at", "pk")
    if deployment:
        captures = captures.filter(deployment__name=deployment)
    return captures.filter(reason=reason) if reason else captures


def behind(captures: QuerySet[Capture], number: int) -> QuerySet[Capture]:
    """Those of `waiting` that come behind the capture of this number.

    All, if it is gone: rather is one seen twice than another never. Numbers say nothing
    of the order, for what was taken first may be written last.
    """
    last = Capture.objects.filter(pk=number).first()
    if last is None:
        return captures
    same_moment = Q(taken_at=last.taken_at, pk__lte=last.pk)
    return captures.filter(taken_at__gte=last.taken_at).exclude(same_moment)


@transaction.atomic
def accept(capture_id: int, user: Who, annotations: Any, dataset: Dataset) -> Capture:
    """Make an example of a capture.

    Args:
        capture_id: which one.
        user: who has looked at it.
        annotations: what is to be seen on it, as those of an `Example`.
        dataset: where it goes.

    Raises:
        ReviewError: somebody was quicker, the picture or a box is of no use.
    """
    capture = _taken(capture_id)
    try:
        encoded = capture_files.path_of(capture.file).read_bytes()
        source = f"capture {capture.pk}"
        example = datasets.add_picture(dataset, encoded, annotations, source=source)
    except OSError as error:
        raise ReviewError(GONE) from error
    except InferenceError as error:
        raise ReviewError(str(error)) from error
    capture.example, capture.sha256 = example, example.sha256
    capture.annotations = example.annotations
    _decide(capture, State.ACCEPTED, user)
    return capture


@transaction.atomic
def reject(capture_id: int, user: Who) -> Capture:
    """Say that a capture is of no use; it goes when its time is over.

    Raises:
        ReviewError: somebody was quicker.
    """
    capture = _taken(capture_id)
    _decide(capture, State.REJECTED, user)
    return capture


@transaction.atomic
def undo(capture_id: int, user: Who) -> Capture:
    """Have a capture wait again, without the example that was made of it.

    Datasets that have a copy of that keep it.

    Raises:
        ReviewError: it is gone, or it was another's decision.
    """
    capture = (
        Capture.objects.select_for_update(of=("self",))
        .filter(pk=capture_id, reviewed_by_id=user.pk if user else None)
        .exclude(state=State.WAITING)
        .select_related("example__dataset")
        .first()
    )
    if capture is None:
        raise ReviewError("There is nothing of yours to undo on that picture.")
    if capture.example is not None:
        _take_back(capture, capture.example)
    capture.example = capture.reviewed_by = capture.reviewed_at = None
    capture.state, capture.annotations = State.WAITING, []
    capture.save()
    return capture


def _take_back(capture: Capture, example: Example) -> None:
    """Remove an example, unless the same picture was kept and accepted twice."""
    others = Capture.objects.filter(example=example).exclude(pk=capture.pk)
    if other := others.order_by("-reviewed_at").first():
        example.annotations = other.annotations
        example.save(update_fields=["annotations"])
    else:
        datasets.remove_example(example)


def dataset_called(name: str) -> Dataset:
    """It is made if there is none.

    Raises:
        ReviewError: nothing can be called so.
    """
    try:
        return Dataset.objects.filter(name=name).first() or datasets.create(name)
    except DatasetError as error:
        raise ReviewError(f"The dataset can't be called so. {error}") from error


def read_annotations(text: str) -> Any:
    """Raises: ReviewError, if it is no JSON; what it says, `accept` looks at."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReviewError("The boxes could not be read.") from error


def suggestions(capture: Capture) -> dict[str, list[dict[str, Any]]]:
    """What to begin with: if the model was right, and if its person was."""
    answered = _answered(capture.predicted)
    return {"right": answered, "wrong": _corrected(answered, capture)}


def _answered(predicted: dict[str, Any]) -> list[dict[str, Any]]:
    detections = predicted.get("detections") or []
    best = (predicted.get("classifications") or [])[:1]
    return [
        *({"label": each["label"], "box": each["box"]} for each in detections),
        *({"label": each["label"]} for each in best),
    ]


def _corrected(
    answered: list[dict[str, Any]], capture: Capture
) -> list[dict[str, Any]]:
    """The answer with the one label changed that it is about; the best comes first."""
    said, was_hot_dog = capture.said, capture.predicted.get("is_hot_dog")
    if not said:
        return answered
    label = HOT_DOG if said["is_hot_dog"] else said.get("label") or ""
    if said["is_hot_dog"] == was_hot_dog:
        is_named = label in {each["label"] for each in answered}
        if was_hot_dog or is_named or not label:
            return answered
    doubted = answered[:1]
    if was_hot_dog:
        doubted = [each for each in answered if names_hot_dog(each["label"])]
    rest = [each for each in answered if each not in doubted]
    corrected = {**doubted[0], "label": label} if doubted else {"label": label}
    return [corrected, *rest] if label else rest


def _taken(capture_id: int) -> Capture:
    """A capture that still waits, and for nobody else until this transaction ends."""
    capture = (
        Capture.objects.select_for_update(of=("self",))
        .select_related("reviewed_by")
        .filter(pk=capture_id)
        .first()
    )
    if capture is None:
        raise ReviewError("That picture has been removed meanwhile.")
    if capture.state != State.WAITING:
        by = f" by {capture.reviewed_by}" if capture.reviewed_by else ""
        raise ReviewError(f"That picture was {capture.state}{by} meanwhile.")
    return capture


def _decide(capture: Capture, state: str, user: Who) -> None:
    capture.state = state
    capture.reviewed_by_id = user.pk if user else None
    capture.reviewed_at = timezone.now()
    capture.save()
    log([capture], Act.REVIEWED, user)
