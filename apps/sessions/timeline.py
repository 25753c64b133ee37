"""How a run went: what came of each few seconds of it, in so many entries at most.

An entry is `{"at": s, "seconds": s, "inferred": n, "dropped": n, "age_p50": ms,
"age_p95": ms, "ages": counts, "labels": counts}`, `at` being where it begins, counted
from the run's start. All but its beginning adds up, whoever counted it: where there are
too many, neighbours become one, and their percentiles stay right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from apps.inference.latency import Counts, LatencyHistogram

Entry = dict[str, Any]

MOST_ENTRIES = 120
# One that is shorter goes with its neighbour: a rate over a moment says nothing.
SHORTEST_S = 2.5
MOST_LABELS = 10
# What the labels beyond the most frequent are counted as; no label is called nothing.
OTHER = ""


def entry(
    at: float,
    seconds: float,
    *,
    frames: tuple[int, int],
    ages: Counts,
    labels: Counts,
) -> Entry:
    """Of what came between two savings; `frames` are the inferred and the dropped."""
    ages = {bucket: count for bucket, count in ages.items() if count}
    histogram = LatencyHistogram(ages)
    return {
        "at": round(at, 1),
        "seconds": round(seconds, 1),
        "inferred": frames[0],
        "dropped": frames[1],
        "age_p50": histogram.percentile(0.50) if ages else None,
        "age_p95": histogram.percentile(0.95) if ages else None,
        "ages": ages,
        "labels": _most_frequent(labels),
    }


def extended(timeline: Sequence[Entry], new: Entry) -> list[Entry]:
    """The timeline with what has come since, which another process may be counting."""
    if timeline and _is_the_same_moment(timeline[-1], new):
        return [*timeline[:-1], merged([timeline[-1], new])]
    longer = sorted([*timeline, new], key=lambda each: float(each["at"]))
    return coarser(longer, MOST_ENTRIES)


def coarser(timeline: Sequence[Entry], most: int) -> list[Entry]:
    """At most so many entries, by merging neighbours in pairs."""
    entries = list(timeline)
    while len(entries) > most:
        starts = range(0, len(entries), 2)
        entries = [merged(entries[start : start + 2]) for start in starts]
    return entries


def merged(entries: Sequence[Entry]) -> Entry:
    ages: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for each in entries:
        ages.update(each["ages"])
        labels.update(each["labels"])
    return entry(
        entries[0]["at"],
        sum(each["seconds"] for each in entries),
        frames=(
            sum(each["inferred"] for each in entries),
            sum(each["dropped"] for each in entries),
        ),
        ages=ages,
        labels=labels,
    )


def rate(entry: Entry) -> float | None:
    """Results a second."""
    return entry["inferred"] / entry["seconds"] if entry["seconds"] else None


def _is_the_same_moment(last: Entry, new: Entry) -> bool:
    apart = new["at"] - last["at"] - last["seconds"]
    shorter = min(last["seconds"], new["seconds"])
    return bool(shorter < SHORTEST_S and abs(apart) < SHORTEST_S)


def _most_frequent(labels: Counts) -> Counts:
    named = Counter({label: count for label, count in labels.items() if label})
    kept = dict(named.most_common(MOST_LABELS))
    rest = sum(labels.values()) - sum(kept.values())
    return {**kept, OTHER: rest} if rest else kept
