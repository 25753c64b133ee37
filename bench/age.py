"""`make bench AGE=1`: how old the picture is when the model starts on it.

The camera of a real Chromium draws the time into its picture, and a model at the other
end of the whole product reads it there; both look at the clock of this machine.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import browser, records
from bench.figures import Spread, spread
from bench.product import Product
from bench.reading import Reading
from bench.report import NOT_MEASURED, spread_cell

WARM_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Watch:
    """`most_p50_ms` and `most_p95_ms` are what is aimed at, where something is."""

    name: str
    sessions: int
    sleep_ms: int
    most_p50_ms: float | None
    most_p95_ms: float


WATCHES = (
    Watch("20 ms model", 1, 20, 18, 32),
    Watch("200 ms model", 1, 200, 45, 95),
    Watch("4 on a 200 ms model", 4, 200, None, 150),
)


@dataclass(frozen=True, slots=True)
class Ages:
    """Milliseconds from the drawing of a picture to the beginning of its forward pass.

    `held` of it is from the taking, so the time that a picture waits in the worker, and
    `first` and `last` are the first and the last third of the time.
    """

    watch: Watch
    results: int
    unreadable: int
    results_per_second: float
    age: Spread
    first: Spread
    last: Spread
    held: Spread
    stages: list[dict[str, dict[str, float]]]
    is_reached: bool


@dataclass(frozen=True, slots=True)
class AgeReport:
    measured_at: str
    machine: dict[str, object]
    watches: Sequence[Ages]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        return table(self)


def measure(watch: Watch, seconds: float) -> Ages:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        log = directory / "readings"
        config = {"sleep_ms": watch.sleep_ms, "log": str(log)}
        model = directory / "clock"
        with Product(directory, settings="tests.settings") as product:
            product.inside(records.deploy_written, model, "clock", config)
            for process in ("redis", "web", "worker"):
                product.start(process)
            with browser.watching(product.url, watch.sessions):
                time.sleep(WARM_UP_S)
                began = time.time()
                time.sleep(seconds)
            stages = product.inside(records.run_latencies)
        return ages(watch, seconds, began, _readings(log), stages)


def ages(
    watch: Watch,
    seconds: float,
    began: float,
    readings: Sequence[Reading],
    stages: list[dict[str, dict[str, float]]],
) -> Ages:
    """The figures of what was read from `began` on, for so many seconds."""

    def between(start: float, end: float) -> list[Reading]:
        return [
            each
            for each in readings
            if began + start * seconds <= each.started_at < began + end * seconds
        ]

    measured = between(0, 1)
    age = _age(measured)
    return Ages(
        watch=watch,
        results=len(measured),
        unreadable=sum(each.age_ms is None for each in measured),
        results_per_second=round(len(measured) / seconds, 2),
        age=age,
        first=_age(between(0, 1 / 3)),
        last=_age(between(2 / 3, 1)),
        held=spread(each.held_ms for each in measured),
        stages=stages,
        is_reached=_is_within(age.p50, watch.most_p50_ms)
        and _is_within(age.p95, watch.most_p95_ms),
    )


def table(report: AgeReport) -> str:
    """A line for each load; pairs are the percentiles 50 and 95."""
    machine = report.machine
    lines = [
        f"{report.measured_at}  {machine['cpu']}, {machine['cores']} cores, "
        f"load {machine['load']}, commit {machine['commit']}",
        "Age of the picture when the model starts on it, ms: p50 / p95",
        "",
        _line("", "age", "aim", "reached", "first third", "last third", "held", "n/s"),
    ]
    for each in report.watches:
        watch = each.watch
        lines.append(
            _line(
                watch.name,
                spread_cell(each.age),
                f"{watch.most_p50_ms or NOT_MEASURED} / {watch.most_p95_ms}",
                "yes" if each.is_reached else "NO",
                spread_cell(each.first),
                spread_cell(each.last),
                spread_cell(each.held),
                str(each.results_per_second),
            )
        )
    if unreadable := sum(each.unreadable for each in report.watches):
        lines.append(f"{unreadable} pictures could not be read.")
    return "\n".join(lines)


def _line(name: str, *cells: str) -> str:
    return f"{name:<22}" + "".join(f"{cell:>15}" for cell in cells)


def _readings(log: Path) -> list[Reading]:
    return [Reading(**json.loads(line)) for line in log.read_text().splitlines()]


def _age(readings: Sequence[Reading]) -> Spread:
    return spread(each.age_ms for each in readings if each.age_ms is not None)


def _is_within(measured: float | None, most: float | None) -> bool:
    return most is None or (measured is not None and measured <= most)
