"""One load on the product, and what came of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from bench import records
from bench.clip import EncodedClip
from bench.figures import Latencies, latencies
from bench.product import Product
from bench.records import Ledger
from bench.sender import Result, Sender, sending
from bench.usage import Usage, usage

WARM_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """`bare_rate`: how many results a second the model alone would give."""

    name: str
    sessions: int
    frames_per_second: int
    seconds: float
    bare_rate: float


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """CPU and memory of one process in the measured time; a percent is of one core."""

    cpu_percent: float
    cpu_ms_per_frame: float
    cpu_ms_per_result: float | None
    rss_mb_at_start: float
    rss_mb_at_end: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured after the warm-up; ledgers cover all of the sessions' time."""

    scenario: Scenario
    frames_sent: int
    packets_lost: int
    results_per_second: float
    results_per_second_by_session: list[float]
    share_of_bare_rate: float
    latencies_ms: Latencies
    processes: dict[str, ProcessCost]
    ledgers: list[Ledger]


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    frames_sent: int
    usages: dict[str, Usage]


@dataclass(frozen=True, slots=True)
class _Observation:
    began: _Moment
    ended: _Moment
    results: list[list[Result]]
    packets_lost: int
    session_ids: list[UUID]


def run(
    scenario: Scenario, product: Product, clip: EncodedClip
) -> tuple[Outcome, list[Result]]:
    """Run a scenario; gives the results too, for those who look at the answers."""
    clip = replace(clip, frames_per_second=scenario.frames_per_second)
    seen = asyncio.run(_observe(scenario, product, clip))
    results = [result for session in seen.results for result in session]
    seconds = seen.ended.at - seen.began.at
    rate = len(results) / seconds
    outcome = Outcome(
        scenario=scenario,
        frames_sent=seen.ended.frames_sent - seen.began.frames_sent,
        packets_lost=seen.packets_lost,
        results_per_second=round(rate, 2),
        results_per_second_by_session=[
            round(len(session) / seconds, 2) for session in seen.results
        ],
        share_of_bare_rate=round(rate / scenario.bare_rate, 3),
        latencies_ms=latencies(results),
        processes=_costs(seen, len(results)),
        ledgers=product.inside(records.ledgers, seen.session_ids),
    )
    return outcome, results


async def _observe(
    scenario: Scenario, product: Product, clip: EncodedClip
) -> _Observation:
    pids = {name: process.pid for name, process in product.processes.items()}
    pids["sender"] = os.getpid()
    async with sending(product.url, clip, scenario.sessions) as senders:
        for sender in senders:
            await sender.results(1)
        await asyncio.sleep(WARM_UP_S)
        began = _now(pids, senders)
        await asyncio.sleep(scenario.seconds)
        ended = _now(pids, senders)
        return _Observation(
            began,
            ended,
            results=[
                [
                    result
                    for result in sender.received
                    if began.at <= result.arrived_at < ended.at
                ]
                for sender in senders
            ],
            packets_lost=sum([await sender.packets_lost() for sender in senders]),
            session_ids=[UUID(sender.session_id) for sender in senders],
        )


def _now(pids: dict[str, int], senders: Sequence[Sender]) -> _Moment:
    return _Moment(
        at=time.monotonic(),
        frames_sent=sum(sender.frames_sent for sender in senders),
        usages={name: usage(pid) for name, pid in pids.items()},
    )


def _costs(seen: _Observation, results: int) -> dict[str, ProcessCost]:
    """By the process's name."""
    seconds = seen.ended.at - seen.began.at
    frames = seen.ended.frames_sent - seen.began.frames_sent
    costs = {}
    for name, before in seen.began.usages.items():
        after = seen.ended.usages[name]
        cpu_s = after.cpu_s - before.cpu_s
        costs[name] = ProcessCost(
            cpu_percent=round(100 * cpu_s / seconds, 1),
            cpu_ms_per_frame=round(1000 * cpu_s / frames, 2),
            cpu_ms_per_result=round(1000 * cpu_s / results, 2) if results else None,
            rss_mb_at_start=round(before.rss_mb, 1),
            rss_mb_at_end=round(after.rss_mb, 1),
        )
    return costs
