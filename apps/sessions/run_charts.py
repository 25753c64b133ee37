"""What a run's page draws of it: how it went, where its frames went and their time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.inference.charts import bar_chart, line_chart, stacked_bars
from apps.inference.charts.drawing import elapsed
from apps.inference.charts.lines import Point
from apps.sessions.models import Run
from apps.sessions.timeline import Entry, coarser

# A picture's way in its order, and the two sums of it.
STAGES = {
    "capture": "camera to server",
    "receive": "decode the picture",
    "wait": "wait for the model",
    "featurize": "prepare",
    "forward": "model",
    "decode": "read the boxes",
    "publish": "publish",
    "draw": "server to page",
    "age": "age at the server",
    "picture": "age when drawn",
}
FATES = {
    "inferred": "answered",
    "superseded": "superseded",
    "expired": "expired",
    "throttled": "throttled",
    "failed": "failed",
    "lost": "lost",
    "pending": "pending",
}
# Longer without figures is a pause, which no line goes over.
PAUSE_S = 10.0
MOST_COLUMNS = 40
MOST_LABELS = 7


def run_charts(run: Run) -> SafeString:
    charts = (
        _frames(run.timeline),
        _ages(run.timeline),
        _fates(run),
        _stages(run),
        _labels(run.timeline),
    )
    return format_html(
        '<div class="charts">{}</div>',
        format_html_join("", "{}", ((chart,) for chart in charts)),
    )


def _frames(timeline: Sequence[Entry]) -> SafeString:
    return line_chart(
        "Frames a second",
        {
            "answered": _points(timeline, lambda each: _per_second(each, "inferred")),
            "dropped": _points(timeline, lambda each: _per_second(each, "dropped")),
        },
        unit="a second",
    )


def _ages(timeline: Sequence[Entry]) -> SafeString:
    return line_chart(
        "Age of the picture at the server, ms",
        {
            "p50": _points(timeline, lambda each: each["age_p50"]),
            "p95": _points(timeline, lambda each: each["age_p95"]),
        },
        unit="ms",
    )


def _fates(run: Run) -> SafeString:
    fates = {words: getattr(run, name) for name, words in FATES.items()}
    shown = {words: count for words, count in fates.items() if count}
    return bar_chart("Where every frame went", shown, unit="frames")


def _stages(run: Run) -> SafeString:
    known = {
        words: run.latency[stage]
        for stage, words in STAGES.items()
        if stage in run.latency
    }
    return bar_chart(
        "How long each step took, ms: p50 / p95",
        {words: figures["p50"] for words, figures in known.items()},
        up_to={words: figures["p95"] for words, figures in known.items()},
        unit="ms",
    )


def _labels(timeline: Sequence[Entry]) -> SafeString:
    columns = coarser(timeline, MOST_COLUMNS)
    totals: dict[str, int] = {}
    for each in columns:
        for label, count in each["labels"].items():
            totals[label] = totals.get(label, 0) + count
    named = sorted(filter(None, totals), key=lambda label: -totals[label])[:MOST_LABELS]
    parts = {
        label: [each["labels"].get(label, 0) for each in columns] for label in named
    }
    others = [
        sum(each["labels"].values())
        - sum(each["labels"].get(name, 0) for name in named)
        for each in columns
    ]
    if any(others):
        parts["others"] = others
    return stacked_bars(
        "Results by label",
        [elapsed(round(each["at"])) for each in columns],
        parts,
        unit="results",
    )


def _per_second(each: Entry, name: str) -> float | None:
    # What was given up and then answered is taken back from the drops later.
    return max(0.0, each[name] / each["seconds"]) if each["seconds"] else None


def _points(
    timeline: Sequence[Entry], value: Callable[[Entry], float | None]
) -> list[Point]:
    """In the middle of each entry, with a gap where a session was away."""

    def points() -> Iterator[Point]:
        for before, after in pairwise([None, *timeline]):
            assert after is not None
            if before and after["at"] - _end(before) > PAUSE_S:
                yield (_end(before) + after["at"]) / 2, None
            yield after["at"] + after["seconds"] / 2, value(after)

    return list(points())


def _end(each: Entry) -> float:
    return float(each["at"] + each["seconds"])
