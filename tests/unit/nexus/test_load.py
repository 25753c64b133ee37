"""What is observed of a session, and who is told what follows. A decider stands in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from apps.nexus import load
from apps.nexus.load import LoadWatch, RateMeter
from apps.nexus.quality import Quality, QualityController
from tests.waiting import eventually


@dataclass
class Decider:
    """Asks for what it is told to, and remembers what it was shown."""

    asks: Quality = field(default_factory=lambda: Quality(640, 30))
    lags_ms: list[float] = field(default_factory=list)
    rates: list[float | None] = field(default_factory=list)

    def observe(
        self, now: float, *, lag_ms: float, results_per_s: float | None
    ) -> Quality:
        self.lags_ms.append(lag_ms)
        self.rates.append(results_per_s)
        return self.asks

    async def is_shown_more(self) -> None:
        seen = len(self.rates)
        await eventually(lambda: len(self.rates) > seen + 1, "another observation")


class Watched:
    """A watch at work, and what it hears and tells."""

    def __init__(self) -> None:
        self.decider = Decider()
        self.asked: list[Quality] = []
        self.decode_lag_ms = 0.0
        self.watch = LoadWatch(
            controller=cast(QualityController, self.decider),
            decode_lag_ms=lambda: self.decode_lag_ms,
            on_quality=self.asked.append,
        )


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(load, "INTERVAL_S", 0.001)
    watched = Watched()
    task = asyncio.create_task(watched.watch.run())
    yield watched
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_quality_is_told_at_first_and_when_it_changes(watched: Watched):
    await watched.decider.is_shown_more()
    await watched.decider.is_shown_more()
    assert watched.asked == [Quality(640, 30)]

    watched.decider.asks = Quality(320, 15)
    await watched.decider.is_shown_more()
    assert watched.asked == [Quality(640, 30), Quality(320, 15)]


async def test_a_decoder_that_is_behind_is_seen(watched: Watched):
    watched.decode_lag_ms = 12_345.0
    await watched.decider.is_shown_more()
    assert watched.decider.lags_ms[-1] == 12_345.0


async def test_an_event_loop_that_is_late_is_seen(watched: Watched):
    await watched.decider.is_shown_more()
    time.sleep(0.05)  # noqa: ASYNC251 - what must not happen, happens
    await watched.decider.is_shown_more()
    assert max(watched.decider.lags_ms) >= 45


def test_a_rate_is_that_of_the_last_window():
    meter = RateMeter()
    meter.begin(100.0)
    for tenth in range(100):
        meter.count(100 + tenth / 10)
    assert meter.per_second(110.0) == pytest.approx(10, abs=0.3)
    assert meter.per_second(112.5) == pytest.approx(5, abs=0.3)
    assert meter.per_second(115.0) == 0


def test_there_is_no_rate_before_a_window_has_passed():
    meter = RateMeter()
    assert meter.per_second(100.0) is None
    meter.begin(100.0)
    meter.count(100.0)
    assert meter.per_second(100.0 + load.WINDOW_S - 0.1) is None
    assert meter.per_second(100.0 + load.WINDOW_S) == 0


async def test_results_are_counted(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load, "WINDOW_S", 1e-9)
    watched.decider.rates.clear()
    await watched.decider.is_shown_more()
    assert watched.decider.rates[-1] == 0
    monkeypatch.setattr(load, "WINDOW_S", 3600.0)
    watched.watch._results.begin(time.monotonic() - 3600)
    for _ in range(36):
        watched.watch.count_result()
    await watched.decider.is_shown_more()
    assert watched.decider.rates[-1] == 0.01
