"""How runs look on a terminal: a line each, or all that the page of one says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from apps.inference.management import terminal
from apps.sessions.models import Run
from apps.sessions.run_admin import LEDGER, RunColumns, label_rows, stage_rows

COLUMNS = (
    "run",
    "started (UTC)",
    "results/s",
    "age p50 / p95",
    "model version",
    "received",
    "inferred",
    "dropped",
    "lasted",
    "hot dog",
    "session",
)
_columns = RunColumns()


def table(runs: Iterable[Run]) -> list[str]:
    """A line a run, under a heading."""
    return terminal.aligned([COLUMNS, *map(_row, runs)])


def _row(run: Run) -> tuple[str, ...]:
    return (
        str(run.pk),
        _moment(run.started_at),
        _columns.rate(run),
        _columns.age(run),
        str(run.model_version),
        str(run.received),
        str(run.inferred),
        str(run.dropped),
        _columns.lasted(run),
        _columns.hot_dog(run),
        str(run.session),
    )


def facts(run: Run) -> list[str]:
    """All that the page of a run says in words and figures."""
    known = [f"{name + ':':<15}{value}" for name, value in _facts(run) if value]
    ledger = [(name, f"{getattr(run, name):,}") for name in (*LEDGER, "pending")]
    lines = [*known, "", *terminal.aligned([("frames", ""), *ledger])]
    if stages := stage_rows(run):
        lines += ["", *terminal.aligned([("stage, ms", "p50", "p95"), *stages])]
    if labels := label_rows(run):
        lines += ["", *terminal.aligned([("label", "results"), *labels])]
    return lines


def _facts(run: Run) -> Iterator[tuple[str, object]]:
    yield "run", run.pk
    yield "model version", run.model_version
    yield "engine", run.engine
    yield "worker", run.worker
    yield "deployment", run.deployment
    yield "session", run.session_id
    yield "browser", run.session.client
    yield "started", f"{_moment(run.started_at)} UTC"
    yield "lasted", _columns.lasted(run)
    yield "ended", _end(run)
    yield "results/s", _columns.rate(run)
    yield "age p50 / p95", _columns.age(run)
    yield "hot dog", _columns.hot_dog(run)


def _end(run: Run) -> str:
    """By its session's words; a run that another version followed just ended."""
    if run.ended_at is None:
        return "it goes on"
    at, session = f"{_moment(run.ended_at)} UTC", run.session
    if run.was_followed:
        return f"{at}; its session went on"
    state = session.get_status_display().lower()
    return f"{at}; {state}: {session.sentence}".rstrip(": ")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
