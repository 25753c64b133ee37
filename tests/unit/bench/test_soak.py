from __future__ import annotations

import json

from bench.faults import Recovery
from bench.figures import Spread
from bench.soak import (
    Memory,
    Sample,
    Soaking,
    SoakReport,
    faults_table,
    memory,
    verdict,
)

UNKNOWN = Spread(None, None)


def samples(*rss_mb: float) -> list[Sample]:
    return [Sample(at, {"web": each}) for at, each in enumerate(rss_mb)]


def report(
    grown_to: float = 101.0, recoveries: tuple[Recovery, ...] = (), left_open: int = 0
) -> SoakReport:
    soaking = Soaking(
        seconds=10,
        results=5,
        memory={"web": Memory(100.0, grown_to)},
        age=UNKNOWN,
        age_first_third=UNKNOWN,
        age_last_third=UNKNOWN,
        samples=[],
    )
    machine = {"cpu": "x", "cores": 2, "load": [0], "commit": None}
    return SoakReport("now", machine, soaking, recoveries, left_open)


def test_the_first_fifth_of_a_short_time_is_not_held_against_anyone():
    found = memory("web", samples(10, 50, 100, 100, 100, 100, 100, 100, 100, 101), 10)

    assert found == Memory(100, 101)


def test_one_sample_that_stands_out_is_no_growth():
    found = memory("web", samples(*[100.0] * 99, 200.0), 100)

    assert found.growth == 0


def test_what_is_well_has_no_verdict():
    well = Recovery("worker killed", 10, 4.9, is_same_session=True, left_over={})

    assert verdict(report(recoveries=(well,))) == []
    assert "worker killed" in faults_table(report(recoveries=(well,)))
    assert json.loads(report().as_json())["soaking"]["results"] == 5


def test_a_verdict_names_everything_that_is_wrong():
    late = Recovery("web killed", 10, 5.1, True, {"files of web": 9})

    problems = verdict(report(grown_to=103.0, recoveries=(late,), left_open=2))

    assert problems == [
        "web grew by 3.0%.",
        "Results came 5.1 s after the end of: web killed.",
        "9 files of web are left over of: web killed.",
        "2 sessions were left open.",
    ]
