"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.figures import Accuracy, Spread
from bench.records import BarePredictor, Ledger
from bench.scenario import Outcome, ProcessCost

FIRST_COLUMN = 30
COLUMN = 17
NOT_MEASURED = "-"


@dataclass(frozen=True, slots=True)
class Report:
    measured_at: str
    machine: dict[str, object]
    clip: str
    bare_predictor: BarePredictor
    accuracy: Accuracy
    outcomes: Sequence[Outcome]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        return table(self)


def table(report: Report) -> str:
    """A column for each outcome; pairs are the percentiles 50 and 95."""
    machine, bare = report.machine, report.bare_predictor
    columns = [_column(outcome) for outcome in report.outcomes]
    lines = [
        f"{report.measured_at}  {machine['cpu']}, {machine['cores']} cores, "
        f"load {machine['load']}, commit {machine['commit']}",
        f"{report.clip}; {bare.model} on {bare.engine}, {bare.threads} threads",
        "",
        f"{'predictor alone':<{FIRST_COLUMN}}{bare.results_per_second:.1f} results/s, "
        f"{spread_cell(bare.predict_ms)} ms",
        f"{'answers beside the truth':<{FIRST_COLUMN}}{_accuracy(report.accuracy)}",
        "",
        _line("", [outcome.scenario.name for outcome in report.outcomes]),
        *(
            _line(name, [column.get(name, NOT_MEASURED) for column in columns])
            for name in columns[0]
        ),
        "",
        "Orchestration is the age less the video decoder's and the model's own time.",
        "It holds the wait for a busy worker too, so its own cost shows where the",
        "worker has time to spare.",
    ]
    if any(outcome.packets_lost for outcome in report.outcomes):
        lines.append("Answers were not held against the truth where packets were lost.")
    if not report.outcomes[0].processes:
        lines.append("CPU and memory are not known, for this system has no /proc.")
    return "\n".join(lines)


def _column(outcome: Outcome) -> dict[str, str]:
    """The cells of one outcome, by the names of their rows."""
    rates, latencies = outcome.results_per_second_by_session, outcome.latencies_ms
    seconds = outcome.scenario.seconds
    return {
        "results/s": f"{outcome.results_per_second:.1f}",
        "  of the predictor alone": f"{outcome.share_of_bare_rate:.0%}",
        "  least / most of a session": f"{min(rates):.1f} / {max(rates):.1f}",
        "frames sent/s": f"{outcome.frames_sent / seconds:.1f}",
        "packets lost": str(outcome.packets_lost),
        "age at the result, ms": spread_cell(latencies.age),
        **{f"  {name}": spread_cell(stage) for name, stage in latencies.stages.items()},
        "orchestration, ms": spread_cell(latencies.orchestration),
        "sent to result, ms": spread_cell(latencies.sent_to_result),
        **{
            f"CPU of {name}, ms a {_work_of(name)}": _cpu(name, cost)
            for name, cost in outcome.processes.items()
        },
        **{
            f"memory of {name}, MB": (
                f"{cost.rss_mb_at_start:.0f} → {cost.rss_mb_at_end:.0f}"
            )
            for name, cost in outcome.processes.items()
        },
        **_ledger_cells(outcome.ledgers),
    }


def _ledger_cells(ledgers: Sequence[Ledger]) -> dict[str, str]:
    columns = (
        *("received", "inferred", "superseded", "expired", "throttled"),
        *("failed", "lost", "pending"),
    )
    return {
        **{
            f"frames {column}": str(sum(getattr(run, column) for run in ledgers))
            for column in columns
        },
        "ledger adds up": "yes" if all(run.adds_up for run in ledgers) else "NO",
    }


def _work_of(process: str) -> str:
    """What a process's effort is measured by."""
    return "result" if process == "worker" else "frame"


def _cpu(process: str, cost: ProcessCost) -> str:
    by_result = _work_of(process) == "result"
    cpu_ms = cost.cpu_ms_per_result if by_result else cost.cpu_ms_per_frame
    return f"{cpu_ms} ({cost.cpu_percent:.0f} %)"


def _accuracy(accuracy: Accuracy) -> str:
    if accuracy.found is None or accuracy.false_alarms is None:
        return NOT_MEASURED
    return (
        f"{accuracy.found:.1%} of hot dogs found, {accuracy.false_alarms:.1%} false "
        f"alarms, in {accuracy.results} results"
    )


def _line(name: str, cells: Sequence[str]) -> str:
    columns = "".join(f"{cell:>{COLUMN}}" for cell in cells)
    return f"{name:<{FIRST_COLUMN}}{columns}".rstrip()


def spread_cell(spread: Spread) -> str:
    if spread.p50 is None or spread.p95 is None:
        return NOT_MEASURED
    return f"{_milliseconds(spread.p50)} / {_milliseconds(spread.p95)}"


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
