"""`make bench` in small: the product as the bench starts it, and what it reports."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import pytest

from apps.inference.starter.clips import Segment, render_clip
from bench import records, scenario
from bench.__main__ import start
from bench.clip import encode
from bench.figures import Accuracy
from bench.processes import ProcessError
from bench.product import Product
from bench.report import Report, table
from bench.scenario import Scenario
from bench.usage import describe_machine


def test_a_scenario_from_start_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scenario, "WARM_UP_S", 0.5)
    clip = encode(render_clip([Segment(None, 1.0)], size=(320, 240)))
    load = Scenario("2 sessions", 2, 15, seconds=4, bare_rate=10)

    with Product(tmp_path, settings="tests.settings") as product:
        model = partial(
            records.deploy_written, tmp_path / "slowed", "scripted", {"sleep_ms": 100}
        )
        start(product, model)
        bare = product.inside(records.bare_predictor, clip, 0.5)
        outcome, results = scenario.run(load, product, clip)
        pids = [process.pid for process in product.processes.values()]

    assert bare.engine == "scripted"
    assert not any(_is_running(pid) for pid in pids)
    assert len(outcome.ledgers) == 2
    assert all(ledger.adds_up for ledger in outcome.ledgers)
    assert sum(ledger.inferred for ledger in outcome.ledgers) >= len(results) > 0
    assert sum(outcome.results_per_second_by_session) == pytest.approx(
        outcome.results_per_second, abs=0.02
    )
    assert outcome.latencies_ms.stages["forward"].p50 == 100
    assert set(outcome.processes) == {"redis", "web", "worker", "sender"}

    unknown = Accuracy(0, None, None)
    report = Report("now", describe_machine(), "clip", bare, unknown, [outcome])
    assert json.loads(report.as_json())["outcomes"][0]["ledgers"][0]["adds_up"] is True
    assert "ledger adds up" in table(report)


def test_a_product_that_does_not_start_says_why(tmp_path: Path):
    product = Product(tmp_path, settings="tests.missing")

    with pytest.raises(ProcessError, match=r"No module named .tests\.missing"), product:
        pass


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
