"""What a shadow costs is told from turns without and with it."""

from __future__ import annotations

from bench.shadow import Load, ShadowReport, cost, table

LOAD = Load("detector behind 1 session", 1, "second-detector")
FLAT = [float(age) for age in range(1, 101)]


def test_a_shadow_that_costs_nothing_has_reached_its_aim():
    seen = cost(LOAD, [(FLAT, FLAT)] * 2, compared=20, turn_s=5.0)
    assert (seen.longer_p95, seen.each_turn) == (0.0, [0.0, 0.0])
    assert (seen.results_without, seen.results_beside) == (20.0, 20.0)
    assert seen.is_reached


def test_a_longer_p95_is_told_as_a_share():
    longer = [age * 1.2 for age in FLAT]
    seen = cost(LOAD, [(FLAT, longer), (FLAT, FLAT)], compared=20, turn_s=5.0)
    assert seen.each_turn == [0.2, 0.0]
    assert seen.longer_p95 is not None
    assert 0.05 < seen.longer_p95 < 0.2
    assert not seen.is_reached


def test_a_shadow_that_compared_nothing_has_proved_nothing():
    assert not cost(LOAD, [(FLAT, FLAT)], compared=0, turn_s=5.0).is_reached


def test_the_table_has_a_line_for_each_load():
    machine: dict[str, object] = {"cpu": "c", "cores": 2, "load": [0], "commit": "x"}
    costs = [cost(LOAD, [(FLAT, FLAT)], 20, 5.0), cost(LOAD, [([], [])], 0, 5.0)]
    lines = table(ShadowReport("now", machine, costs)).splitlines()
    assert "+0.0%" in lines[-2]
    assert "NOT" in lines[-1]
