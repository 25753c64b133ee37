"""Sessions and runs that nobody has had, so many that pages show whether they scale.

What they say is plausible and the same each time; nothing of it is measured.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from apps.inference.latency import StageLatencies
from apps.inference.models import Deployment, ModelVersion, RegisteredModel
from apps.sessions import filling_records
from apps.sessions.models import CameraSession, Run
from apps.sessions.timeline import MOST_ENTRIES, Entry, entry

Tell = Callable[[str], None]
Status = CameraSession.Status

DAYS = 90
LIVE = 20
# Between the beginnings of a session's runs.
APART = timedelta(minutes=1)
NEWEST = timedelta(minutes=30)
RATE = 25
MODELS = {"sample-detector": "yolov5", "sample-classifier": "classifier"}
VERSIONS = 4
DEPLOYMENTS = ("sample-front", "sample-kitchen", "sample-night")
WORKERS = [f"gpu{number}@sample-{place}" for place in "ab" for number in range(1, 4)]
CLIENTS = [
    f"Mozilla/5.0 ({machine}) AppleWebKit/537.36 Chrome/{version}.0.0.0 Safari/537.36"
    for machine in ("X11; Linux x86_64", "Windows NT 10.0; Win64", "Android 15; K")
    for version in range(128, 134)
]
ENDS = {
    "The page was closed.": Status.ENDED,
    "The server that held this session went away.": Status.ENDED,
    "The camera could not be reached.": Status.FAILED,
}
ENGINES = ("openvino", "openvino", "torch")
# What differs from run to run; they share so many sets of figures.
VARYING = (
    "session",
    "deployment",
    "model_version",
    "started_at",
    "measured_at",
    "ended_at",
    "engine",
    "worker",
)
SHAPES, LONG_SHAPES = 200, 3
BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """The figures of a run, as the database takes them, by the order of `SHAPED`."""

    lasted: timedelta
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shapes:
    """What most runs look like, and those that go on, whose timelines are full."""

    usual: list[Shape]
    longest: list[Shape]


# All other columns but those that the database makes.
SHAPED = tuple(
    field.name
    for field in Run._meta.concrete_fields
    if field.name not in VARYING and not field.generated and not field.primary_key
)


def fill(sessions: int, runs: int, tell: Tell) -> None:
    """Write as many sessions, runs evenly theirs, and what they need; in one piece."""
    chance = random.Random(1)
    with transaction.atomic():
        versions = _versions()
        deployments = _deployments(versions)
        shapes = Shapes(
            usual=[_shape(chance, chance.randint(1, 3)) for _ in range(SHAPES)],
            longest=[_shape(chance, MOST_ENTRIES) for _ in range(LONG_SHAPES)],
        )
        made = CameraSession.objects.bulk_create(
            _sessions(sessions, deployments, chance)
        )
        tell(f"{len(made)} sessions")
        _write(_runs(runs, made, versions, shapes, chance), tell)
        filling_records.fill(made, versions, chance)
        tell("and the records beside them")


def _field(name: str) -> Any:
    """A column of a run; the stubs think that it might be a relation to it."""
    return Run._meta.get_field(name)


def _write(rows: Iterator[tuple[Any, ...]], tell: Tell) -> None:
    """Past the models, which take longer to be made than to be written."""
    columns = [_field(name).column for name in (*VARYING, *SHAPED)]
    quoted = ", ".join(map(connection.ops.quote_name, columns))
    insert = (
        f"INSERT INTO {connection.ops.quote_name(Run._meta.db_table)} ({quoted}) "
        f"VALUES ({', '.join(['%s'] * len(columns))})"
    )
    written = 0
    with connection.cursor() as cursor:
        while batch := list(islice(rows, BATCH)):
            cursor.executemany(insert, batch)
            written += len(batch)
            if written % 200_000 == 0:
                tell(f"{written} runs")


def _versions() -> list[ModelVersion]:
    versions = []
    for name, family in MODELS.items():
        model, _ = RegisteredModel.objects.get_or_create(
            name=name, defaults={"family": family}
        )
        versions += [
            ModelVersion.objects.get_or_create(
                model=model,
                version=str(number),
                defaults={"state": ModelVersion.State.VERIFIED, "engine": "openvino"},
            )[0]
            for number in range(1, VERSIONS + 1)
        ]
    return versions


def _deployments(versions: list[ModelVersion]) -> list[Deployment]:
    deployments = []
    for name, version in zip(DEPLOYMENTS, versions, strict=False):
        deployment, _ = Deployment.objects.get_or_create(
            name=name, defaults={"active_version": version}
        )
        deployments.append(deployment)
    return deployments


def _sessions(
    count: int, deployments: list[Deployment], chance: random.Random
) -> Iterator[CameraSession]:
    """From the oldest on; the last ones are live."""
    now = timezone.now()
    # The runs of the last one are over by now, too.
    newest, first = now - NEWEST, now - timedelta(days=DAYS)
    for number in range(count):
        is_live = number >= count - LIVE
        opened_at = first + (newest - first) * (number / count)
        ended_at = min(now, opened_at + timedelta(minutes=chance.uniform(1, 60)))
        sentence = chance.choices(list(ENDS), (90, 5, 5))[0]
        yield CameraSession(
            id=uuid.UUID(int=chance.getrandbits(128), version=4),
            deployment=chance.choice(deployments),
            status=Status.LIVE if is_live else ENDS[sentence],
            sentence="Live." if is_live else sentence,
            client=chance.choice(CLIENTS),
            opened_at=opened_at,
            live_at=opened_at,
            last_seen_at=now if is_live else ended_at,
            ended_at=None if is_live else ended_at,
        )


def _runs(
    count: int,
    sessions: list[CameraSession],
    versions: list[ModelVersion],
    shapes: Shapes,
    chance: random.Random,
) -> Iterator[tuple[Any, ...]]:
    """The values of each, by the order of `VARYING` and `SHAPED`."""
    # Looked up once: it is asked for three times a run.
    written = connection.ops.adapt_datetimefield_value
    is_uuid = connection.features.has_native_uuid_field
    numbers = [version.pk for version in versions]
    for order, session in enumerate(sessions):
        pk = session.pk if is_uuid else session.pk.hex
        first, last = (count * each // len(sessions) for each in (order, order + 1))
        started_at = session.opened_at
        for number, shape in enumerate(
            chance.choices(shapes.usual, k=last - first), first + 1
        ):
            goes_on = session.ended_at is None and number == last
            if goes_on:
                shape = chance.choice(shapes.longest)
            told = written(started_at + shape.lasted)
            yield (
                pk,
                session.deployment_id,
                chance.choice(numbers),
                written(started_at),
                told,
                None if goes_on else told,
                chance.choice(ENGINES),
                chance.choice(WORKERS),
                *shape.values,
            )
            started_at += APART


def _shape(chance: random.Random, entries: int) -> Shape:
    age_ms = chance.uniform(12, 80)
    latencies = StageLatencies()
    timeline = []
    for number in range(entries):
        timeline.append(_entry(number * 5.0, age_ms, chance))
        for share in (0.1, 0.2, 0.6):
            latencies.record(
                {"wait_ms": share * age_ms, "age_ms": age_ms * chance.uniform(0.8, 1.6)}
            )
    inferred = sum(each["inferred"] for each in timeline)
    failed = chance.choice((0,) * 19 + (3,))
    superseded = sum(each["dropped"] for each in timeline)
    run = Run(
        received=inferred + superseded + failed,
        inferred=inferred,
        superseded=superseded,
        failed=failed,
        hot_dog_seconds=round(chance.uniform(0, 5.0 * entries), 1),
        labels={"hot dog": inferred // 2, "cup": inferred // 3},
        latency=latencies.summary(),
        latency_counts=latencies.counts(),
        timeline=timeline,
    )
    fields = map(_field, SHAPED)
    return Shape(
        timedelta(seconds=5.0 * entries),
        tuple(
            field.get_db_prep_save(getattr(run, field.name), connection)
            for field in fields
        ),
    )


def _entry(at: float, age_ms: float, chance: random.Random) -> Entry:
    inferred = round(5 * RATE * chance.uniform(0.7, 1))
    ages = StageLatencies()
    for _ in range(inferred):
        ages.record({"age_ms": age_ms * chance.uniform(0.8, 1.6)})
    return entry(
        at,
        5.0,
        frames=(inferred, chance.choice((0, 5 * 30 - inferred))),
        ages=ages.counts()["age"],
        labels={"hot dog": inferred // 2, "cup": inferred // 3},
    )
