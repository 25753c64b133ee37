"""The report on the admin's pages: the slowest first, and what isn't reached marked."""

from __future__ import annotations

import json

from bench.admin import AdminReport, Page
from bench.figures import Spread

MACHINE: dict[str, object] = {"cpu": "a CPU", "cores": 2, "load": 0.1, "commit": "abc"}
REPORT = AdminReport(
    measured_at="2026-11-28T12:00:00+00:00",
    machine=MACHINE,
    sessions=100_000,
    runs=1_000_000,
    filled_in_s=80.0,
    pages=[
        Page("/admin/", 11, Spread(60.0, 70.0), True),
        Page("/admin/emporium_sessions/run/", 20, Spread(90.0, 400.0), False),
    ],
)


def test_the_slowest_page_comes_first_and_says_that_it_is_late():
    *_, first, second = REPORT.as_text().splitlines()
    assert "/admin/emporium_sessions/run/" in first
    assert "NOT REACHED" in first
    assert "NOT REACHED" not in second


def test_its_json_has_queries_and_milliseconds_of_every_page():
    pages = json.loads(REPORT.as_json())["pages"]
    assert [page["queries"] for page in pages] == [11, 20]
    assert pages[1]["took"] == {"p50": 90.0, "p95": 400.0}
