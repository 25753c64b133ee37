"""What `make bench AGE=1` measures with: a clock in Chromium, read by a model."""

from __future__ import annotations

from bench.age import Watch, measure


def test_a_model_reads_when_the_browser_drew_its_picture(monkeypatch):
    monkeypatch.setattr("bench.age.WARM_UP_S", 0.0)
    watch = Watch("short", sessions=1, sleep_ms=20, most_p50_ms=None, most_p95_ms=0)

    figures = measure(watch, seconds=3)

    assert figures.results > 3
    assert figures.unreadable == 0
    assert figures.age.p50 is not None
    assert figures.age.p50 > 0
    assert figures.is_reached is False
