from __future__ import annotations

import numpy as np
import pytest

from apps.inference.latency import LatencyHistogram, StageLatencies


def histogram_of(durations_ms) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for duration_ms in durations_ms:
        histogram.record(duration_ms)
    return histogram


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0])
@pytest.mark.parametrize(
    "shape",
    [
        lambda chance: chance.uniform(0.1, 50, 4001),
        lambda chance: chance.lognormal(3, 1, 4001),
        lambda chance: chance.exponential(800, 4001) + 0.05,
        lambda chance: np.full(9, 33.0),
        lambda chance: np.array([0.07, 12_000.0]),
        lambda chance: np.array([5.0]),
    ],
)
def test_percentiles_are_right_within_two_and_a_half_percent(shape, share):
    durations_ms = shape(np.random.default_rng(5))
    exact = np.percentile(durations_ms, share * 100, method="inverted_cdf")
    # And a hundredth of a millisecond, which is what is shown.
    assert histogram_of(durations_ms).percentile(share) == pytest.approx(
        exact, rel=0.025, abs=0.01
    )


def test_what_took_no_time_at_all_is_the_smallest_bucket():
    histogram = histogram_of([0, -0.0, -3])
    assert histogram.percentile(0.5) == histogram.percentile(1.0) == 0.05


def test_nothing_recorded_is_zero():
    assert LatencyHistogram().percentile(0.95) == 0


def test_memory_does_not_grow_with_the_run():
    chance = np.random.default_rng(5)
    histogram = histogram_of(chance.lognormal(3, 1, 20_000))
    assert len(histogram._counts) < 250


def test_stages_are_kept_apart_and_named_without_their_unit():
    stages = StageLatencies()
    for wait_ms in range(1, 101):
        stages.record({"wait_ms": wait_ms, "age_ms": 200})

    summary = stages.summary()

    assert list(summary) == ["wait", "age"]
    assert summary["wait"] == {
        "p50": pytest.approx(50, rel=0.025),
        "p95": pytest.approx(95, rel=0.025),
    }
    assert summary["age"]["p50"] == summary["age"]["p95"] == pytest.approx(200, 0.025)
    assert StageLatencies().summary() == {}
