"""A run's timeline: bounded, in order, and adding up however it is merged."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from apps.inference.latency import LatencyHistogram
from apps.sessions.timeline import (
    MOST_ENTRIES,
    MOST_LABELS,
    OTHER,
    Entry,
    coarser,
    entry,
    extended,
    rate,
)


def interval(at: float, seconds: float = 5.0, **fields: Any) -> Entry:
    ages = LatencyHistogram()
    for age_ms in fields.pop("ages", [40.0] * 10):
        ages.record(age_ms)
    frames = fields.pop("frames", (10, 2))
    labels = fields.pop("labels", {"hot dog": 10})
    return entry(at, seconds, frames=frames, ages=ages.counts(), labels=labels)


def totals(timeline: list[Entry]) -> dict[str, Any]:
    labels: Counter[str] = Counter()
    for each in timeline:
        labels.update(each["labels"])
    sums = {
        name: sum(each[name] for each in timeline)
        for name in ("inferred", "dropped", "seconds")
    }
    ages = sum(sum(each["ages"].values()) for each in timeline)
    return {**sums, "ages": ages, "labels": labels.total()}


def test_a_timeline_stays_short_and_keeps_its_sums():
    timeline: list[Entry] = []
    for number in range(5 * MOST_ENTRIES):
        timeline = extended(timeline, interval(number * 5.0))
        assert len(timeline) <= MOST_ENTRIES
    count = 5 * MOST_ENTRIES
    assert len(timeline) > MOST_ENTRIES / 4
    assert totals(timeline) == {
        "inferred": 10 * count,
        "dropped": 2 * count,
        "seconds": pytest.approx(5.0 * count),
        "ages": 10 * count,
        "labels": 10 * count,
    }
    assert all(rate(each) == pytest.approx(2.0) for each in timeline)


def test_percentiles_of_merged_neighbours_are_those_of_all_their_results():
    slow, quick = [200.0] * 10, [20.0] * 90
    (both,) = coarser([interval(0, ages=slow), interval(5, ages=quick)], 1)
    assert both["age_p50"] == pytest.approx(20, rel=0.03)
    assert both["age_p95"] == pytest.approx(200, rel=0.03)
    assert (both["at"], both["seconds"]) == (0, 10)


def test_a_short_interval_goes_with_its_neighbour():
    first = extended([], interval(0, 0.1, frames=(1, 0)))
    (entry,) = extended(first, interval(0.1, 5.0))
    assert (entry["at"], entry["inferred"]) == (0, 11)
    assert entry["seconds"] == pytest.approx(5.1)


def test_a_short_interval_after_a_pause_begins_anew():
    timeline = extended([interval(0)], interval(65, 0.1, frames=(1, 0)))
    timeline = extended(timeline, interval(65.1))
    assert [each["at"] for each in timeline] == [0, 65]
    assert rate(timeline[1]) == pytest.approx(11 / 5.1)


def test_two_processes_that_count_at_once_add_up_in_order():
    chance = random.Random(3)
    timeline: list[Entry] = []
    starts = [n * 5.0 for n in range(40)] + [n * 5.0 + 1.7 for n in range(20, 40)]
    chance.shuffle(starts)
    for at in starts:
        timeline = extended(timeline, interval(at))
    assert [each["at"] for each in timeline] == sorted(starts)
    assert totals(timeline)["inferred"] == 600


def test_an_interval_without_results_has_a_rate_and_no_age():
    stalled = interval(0, frames=(0, 3), ages=[], labels={})
    assert rate(stalled) == 0
    assert (stalled["age_p50"], stalled["age_p95"]) == (None, None)
    assert rate(interval(0, 0)) is None


def test_rare_labels_are_counted_together():
    many = {f"label {number}": number + 1 for number in range(30)}
    timeline = [interval(0, labels=many), interval(5, labels={"hot dog": 500})]
    (both,) = coarser(timeline, 1)
    assert len(both["labels"]) == MOST_LABELS + 1
    assert both["labels"]["hot dog"] == 500
    assert sum(both["labels"].values()) == sum(many.values()) + 500
    assert both["labels"][OTHER]
