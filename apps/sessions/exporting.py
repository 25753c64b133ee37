"""Runs as CSV and JSON, row by row, so that a million of them need little memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from apps.sessions.models import Run
from apps.sessions.timeline import OTHER

FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
CHUNK = 500
LINES_AT_ONCE = 500
# A spreadsheet takes what begins so for a formula, and a browser names itself.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = dict[str, Any]


class _Echo:
    """Hands on what is written to it."""

    def write(self, text: str) -> str:
        return text


def list_as(format: str, runs: QuerySet[Run]) -> Iterator[str]:
    return as_csv(rows(runs)) if format == "csv" else as_json(rows(runs))


def rows(runs: QuerySet[Run]) -> Iterator[Row]:
    """What lists export of each run, in their order, by a cursor of the database."""
    related = runs.select_related("session", "deployment", "model_version__model")
    for run in related.defer("timeline", "latency_counts").iterator(chunk_size=CHUNK):
        yield row(run)


def row(run: Run) -> Row:
    age, picture = run.latency.get("age", {}), run.latency.get("picture", {})
    rate = run.results_per_second
    return {
        "run": run.pk,
        "session": run.session_id,
        "deployment": run.deployment.name,
        "model": run.model_version.model.name,
        "version": run.model_version.version,
        "engine": run.engine,
        "worker": run.worker,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "away_seconds": run.away_seconds,
        "results_per_second": None if rate is None else round(rate, 2),
        "received": run.received,
        "inferred": run.inferred,
        "superseded": run.superseded,
        "expired": run.expired,
        "throttled": run.throttled,
        "failed": run.failed,
        "lost": run.lost,
        "pending": run.pending,
        "age_p50_ms": age.get("p50"),
        "age_p95_ms": age.get("p95"),
        "picture_age_p50_ms": picture.get("p50"),
        "picture_age_p95_ms": picture.get("p95"),
        "hot_dog_seconds": run.hot_dog_seconds,
        "session_status": run.session.status,
        "session_sentence": run.session.sentence,
        "client": run.session.client,
    }


def one(run: Run) -> Row:
    """All that is known of a run."""
    timeline = [
        {name: value for name, value in each.items() if name != "ages"}
        for each in run.timeline
    ]
    return {
        **row(run),
        "labels": run.labels,
        "latency_ms": run.latency,
        "timeline": timeline,
    }


def timeline_rows(run: Run) -> list[Row]:
    """A run's timeline as a table, with a column for each label."""
    labels = sorted({label for each in run.timeline for label in each["labels"]})
    return [
        {
            "at_s": each["at"],
            "seconds": each["seconds"],
            "inferred": each["inferred"],
            "dropped": each["dropped"],
            "age_p50_ms": each["age_p50"],
            "age_p95_ms": each["age_p95"],
            **{
                "other labels" if label == OTHER else f"label {label}": (
                    each["labels"].get(label, 0)
                )
                for label in labels
            },
        }
        for each in run.timeline
    ]


def one_as(format: str, run: Run) -> Iterator[str]:
    """A run's timeline as a table, or all that is known of it as JSON."""
    if format == "csv":
        return as_csv(timeline_rows(run))
    return iter([json.dumps(one(run), cls=DjangoJSONEncoder, indent=2), "\n"])


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    for number, each in enumerate(rows):
        if number == 0:
            yield writer.writerow(_harmless(name) for name in each)
        yield writer.writerow(_harmless(value) for value in each.values())


def as_json(rows: Iterable[Row]) -> Iterator[str]:
    """An array, one row a line."""
    before = "[\n"
    for each in rows:
        yield before + json.dumps(each, cls=DjangoJSONEncoder)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def in_blocks(lines: Iterator[str]) -> Generator[str, None, None]:
    """The same text in larger pieces, where each costs something."""
    while some := list(islice(lines, LINES_AT_ONCE)):
        yield "".join(some)


def _harmless(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
