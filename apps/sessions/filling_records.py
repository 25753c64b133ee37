"""What is written down beside sessions and runs: as much as goes with so many of them.

As plausible as those are, and as little measured.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone

from apps.inference.latency import LatencyHistogram
from apps.inference.models import (
    Activation,
    Dataset,
    Deployment,
    Evaluation,
    Example,
    Job,
    ModelVersion,
    Trial,
)
from apps.sessions import recent
from apps.sessions.figures import RunFigures
from apps.sessions.models import CameraSession, Capture, CaptureAccess

BATCH = 10_000
# Of each capture and of each session; what operators ask for is a tenth of these.
LOOKS, EXAMPLES, SESSIONS_OF_A_JOB = 3, 2, 10
SIZE = {"width": 640, "height": 480}
LABELS = ("hot dog", "cup", "banana", "pizza")
RATE, AGE_MS = 25, 40.0
RowT = TypeVar("RowT", bound=Model)


def fill(
    sessions: Sequence[CameraSession],
    versions: Sequence[ModelVersion],
    chance: random.Random,
) -> None:
    user, _ = User.objects.get_or_create(
        username="sample-operator", defaults={"is_active": False}
    )
    dataset, _ = Dataset.objects.get_or_create(name="sample-pictures")
    deployments = {each.deployment_id: each.deployment for each in sessions}
    _write(Capture, _captures(sessions, versions, user, chance))
    captures = Capture.objects.filter(reviewed_by=user).iterator()
    _write(CaptureAccess, _looks(captures, user))
    _write(Example, _examples(dataset, EXAMPLES * len(sessions), chance))
    for _ in range(len(sessions) // SESSIONS_OF_A_JOB):
        _write_what_was_asked_for(
            chance.choice(list(deployments.values())), chance.choice(versions), user
        )
    for number in deployments:
        _write_half_minutes(number, timezone.now())


def _write(model: type[RowT], rows: Iterator[RowT]) -> None:
    while batch := list(islice(rows, BATCH)):
        model._default_manager.bulk_create(batch)


def _captures(
    sessions: Iterable[CameraSession],
    versions: Sequence[ModelVersion],
    user: User,
    chance: random.Random,
) -> Iterator[Capture]:
    for session in sessions:
        yield Capture(
            session=session,
            deployment_id=session.deployment_id,
            model_version=chance.choice(versions),
            reason=chance.choice(Capture.Reason.values),
            state=chance.choice(Capture.State.values),
            file="sample/none.png",
            predicted={"is_hot_dog": chance.random() < 0.5},
            taken_at=session.opened_at,
            reviewed_by=user,
            **SIZE,
        )


def _looks(captures: Iterable[Capture], user: User) -> Iterator[CaptureAccess]:
    for capture in captures:
        for number in range(LOOKS):
            yield CaptureAccess(
                capture_id=capture.pk,
                session_id=capture.session_id,
                user=user,
                act=CaptureAccess.Act.SEEN,
                at=capture.taken_at + timedelta(hours=number),
            )


def _examples(dataset: Dataset, count: int, chance: random.Random) -> Iterator[Example]:
    for number in range(count):
        sha256 = f"{chance.getrandbits(256):064x}"
        yield Example(
            dataset=dataset,
            file=f"{sha256[:2]}/{sha256}.png",
            sha256=sha256,
            annotations=[{"label": chance.choice(LABELS), "box": [8, 8, 64, 64]}],
            split=Example.Split.TRAIN if number % 5 else Example.Split.HELD_OUT,
            source=f"sample.zip: {number}.png",
            **SIZE,
        )


def _write_what_was_asked_for(
    deployment: Deployment, version: ModelVersion, user: User
) -> None:
    now = timezone.now()
    job = Job.objects.create(
        kind="evaluate", state=Job.State.DONE, requested_by=user, finished_at=now
    )
    Evaluation.objects.create(version=version, job=job, figures={"map50": 0.9})
    Activation.objects.create(
        deployment=deployment,
        from_version=deployment.active_version,
        to_version=version,
        requested_by=user,
        state=Activation.State.SWITCHED,
        finished_at=now,
    )
    Trial.objects.create(
        deployment=deployment,
        version=version,
        kind=Trial.Kind.SHADOW,
        share=0.1,
        state=Trial.State.STOPPED,
        started_by=user,
        ended_at=now,
    )


def _write_half_minutes(deployment_id: int, now: datetime) -> None:
    ages = LatencyHistogram()
    for step in range(100):
        ages.record(AGE_MS * (0.5 + step / 100))
    span = timedelta(seconds=recent.HALF_MINUTE_S)
    for number in range(recent.HALF_MINUTES):
        figures = RunFigures(
            inferred=RATE * recent.HALF_MINUTE_S,
            latency={"age": ages.counts()},
            began_at=now - (number + 1) * span,
            measured_at=now - number * span,
        )
        recent.add(deployment_id, figures)
