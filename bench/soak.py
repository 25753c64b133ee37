"""`make soak`: the product under four sessions for ten minutes, and then every fault.

Does memory stay flat and do pictures stay fresh; do results come back after each fault,
and is nothing left over? Takes the seconds as its argument; the figures go where those
of `make bench` go.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from apps.inference.starter.clips import CLIPS, render_clip
from bench import faults, records
from bench.clip import EncodedClip, encode
from bench.faults import Recovery
from bench.figures import Spread, spread
from bench.processes import CHECKOUT, wait_until
from bench.product import Product
from bench.report import spread_cell
from bench.sender import Result, sending
from bench.usage import describe_machine, usage

PARTS = ("redis", "web", "worker", "housekeeping")
SESSIONS = 4
# Until every cache and every pool is as large as it gets; at most a fifth of the time.
SETTLING_S = 60.0
SAMPLE_S = 2.0
MOST_GROWTH = 0.02
MOST_BACK_S = 5.0
FAULT_S = 10.0
# What is left open is ended by the housekeeping, which looks every half minute for what
# has been silent for one.
HOUSEKEEPING_S = 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    rss_mb: dict[str, float]


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process: medians of the first and the last tenth after it has settled."""

    first_mb: float
    last_mb: float

    @property
    def growth(self) -> float:
        return self.last_mb / self.first_mb - 1


@dataclass(frozen=True, slots=True)
class Soaking:
    seconds: float
    results: int
    memory: dict[str, Memory]
    age: Spread
    age_first_third: Spread
    age_last_third: Spread
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class SoakReport:
    measured_at: str
    machine: dict[str, object]
    soaking: Soaking
    recoveries: Sequence[Recovery]
    sessions_left_open: int

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def main() -> None:
    seconds = float(sys.argv[1])
    now = datetime.now(UTC)
    machine = describe_machine()
    clip = encode(render_clip(CLIPS["tour"]))
    with (
        tempfile.TemporaryDirectory() as directory,
        Product(Path(directory), settings="tests.settings") as product,
    ):
        product.inside(records.deploy_starters)
        for part in PARTS:
            product.start(part)
        say(f"{SESSIONS} sessions for {seconds:.0f} s")
        soaking = asyncio.run(soak(product, clip, seconds))
        print(soaking_table(soaking))
        recoveries = []
        for fault in faults.faults():
            say(fault.name)
            recoveries.append(asyncio.run(faults.suffer(product, clip, fault, FAULT_S)))
        report = SoakReport(
            measured_at=now.isoformat(timespec="seconds"),
            machine=machine,
            soaking=soaking,
            recoveries=recoveries,
            sessions_left_open=_left_open(product),
        )
    path = CHECKOUT / "bench" / "results" / f"{now:%Y-%m-%d-%H%M%S}-soak.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.as_json() + "\n")
    print(faults_table(report))
    print(f"\nWritten to {path}")
    if problems := verdict(report):
        sys.exit("\n".join(problems))


async def soak(product: Product, clip: EncodedClip, seconds: float) -> Soaking:
    pids = {part: process.pid for part, process in product.processes.items()}
    samples = []
    async with sending(product.url, clip, SESSIONS) as senders:
        for sender in senders:
            await sender.results(1)
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            rss = {part: round(usage(pid).rss_mb, 1) for part, pid in pids.items()}
            samples.append(Sample(round(now - began, 1), rss))
            await asyncio.sleep(SAMPLE_S)
        results = [
            result
            for sender in senders
            for result in sender.received
            if result.arrived_at >= began
        ]
    return Soaking(
        seconds=seconds,
        results=len(results),
        memory={part: memory(part, samples, seconds) for part in pids},
        age=_age(results),
        age_first_third=_age(
            [each for each in results if each.arrived_at < began + seconds / 3]
        ),
        age_last_third=_age(
            [each for each in results if each.arrived_at >= began + seconds * 2 / 3]
        ),
        samples=samples,
    )


def memory(part: str, samples: Sequence[Sample], seconds: float) -> Memory:
    """How the memory of a process has grown, apart from its first minute."""
    settling_s = min(SETTLING_S, seconds / 5)
    settled = [each.rss_mb[part] for each in samples if each.at >= settling_s]
    tenth = max(1, len(settled) // 10)
    return Memory(median(settled[:tenth]), median(settled[-tenth:]))


def verdict(report: SoakReport) -> list[str]:
    """A sentence for everything that isn't as it should be."""
    problems = [
        f"{part} grew by {each.growth:.1%}."
        for part, each in report.soaking.memory.items()
        if each.growth > MOST_GROWTH
    ]
    for recovery in report.recoveries:
        if recovery.back_s > MOST_BACK_S:
            problems.append(
                f"Results came {recovery.back_s} s after the end of: {recovery.fault}."
            )
        for name, count in recovery.left_over.items():
            problems.append(f"{count} {name} are left over of: {recovery.fault}.")
    if report.sessions_left_open:
        problems.append(f"{report.sessions_left_open} sessions were left open.")
    return problems


def soaking_table(soaking: Soaking) -> str:
    return "\n".join(
        (
            f"{SESSIONS} sessions, {soaking.seconds:.0f} s, {soaking.results} results",
            f"age, ms: {spread_cell(soaking.age)}; first third "
            f"{spread_cell(soaking.age_first_third)}, last third "
            f"{spread_cell(soaking.age_last_third)}",
            *(
                f"memory of {part:<14}{each.first_mb:>8.1f} → {each.last_mb:.1f} MB "
                f"({each.growth:+.1%})"
                for part, each in soaking.memory.items()
            ),
        )
    )


def faults_table(report: SoakReport) -> str:
    machine = report.machine
    return "\n".join(
        (
            "",
            *(
                f"{each.fault:<22} for {each.lasted_s:.0f} s, results again after "
                f"{each.back_s:.1f} s, left over: {each.left_over or 'nothing'}"
                for each in report.recoveries
            ),
            f"sessions left open: {report.sessions_left_open}",
            "",
            f"{report.measured_at}  {machine['cpu']}, {machine['cores']} cores, "
            f"load {machine['load']}, now {os.getloadavg()[0]:.1f}, "
            f"commit {machine['commit']}",
        )
    )


def say(what: str) -> None:
    print(f"soak: {what}...", file=sys.stderr)


def _left_open(product: Product) -> int:
    try:
        wait_until(
            lambda: product.inside(records.held_sessions) == 0,
            "every session's end",
            patience_s=HOUSEKEEPING_S,
        )
    except TimeoutError:
        return product.inside(records.held_sessions)
    return 0


def _age(results: Sequence[Result]) -> Spread:
    return spread(result.timings["age_ms"] for result in results)


if __name__ == "__main__":
    main()
