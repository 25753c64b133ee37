"""`make bench SHADOW=1`: what a shadow of all frames costs those who are live.

The product answers cameras with its starter detector while its shadow is given frames,
and while it is given none, in many turns of one run: what else the machine does meets
both alike.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from bench import records
from bench.clip import EncodedClip
from bench.figures import Spread, spread
from bench.product import Product
from bench.report import spread_cell
from bench.sender import Sender, sending

T = TypeVar("T")
WARM_UP_S = 5.0
# Workers hear of a change within a second; what was under way counts for neither.
SETTLE_S = 1.5
TURNS = 10
MOST_LONGER_P95 = 0.05
ALL, NONE = 1.0, 1e-9


@dataclass(frozen=True, slots=True)
class Load:
    """`challenger` is a name under which a starter model is registered."""

    name: str
    sessions: int
    challenger: str


LOADS = (
    Load("classifier behind 1 session", 1, "starter-classifier"),
    Load("detector behind 1 session", 1, "second-detector"),
    Load("detector behind 4 sessions", 4, "second-detector"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Ages in ms of the results of all sessions, without and with the shadow.

    `longer_p95` is by what share the p95 is longer with it, `each_turn` the same of
    each pair of turns; `compared` is how many frames the shadow answered in all.
    """

    load: Load
    without: Spread
    beside: Spread
    results_without: float
    results_beside: float
    compared: int
    longer_p95: float | None
    each_turn: list[float | None]
    is_reached: bool


@dataclass(frozen=True, slots=True)
class ShadowReport:
    measured_at: str
    machine: dict[str, object]
    costs: Sequence[Cost]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        return table(self)


def measure(load: Load, clip: EncodedClip, seconds: float) -> Cost:
    """Both for so many seconds in all, in turns."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Product(Path(directory)) as product,
    ):
        product.inside(records.deploy_starters)
        product.inside(records.register_second_detector)
        for process in ("redis", "web", "worker", "shadow"):
            product.start(process)
        return asyncio.run(_observe(load, product, clip, seconds / TURNS))


async def _observe(
    load: Load, product: Product, clip: EncodedClip, turn_s: float
) -> Cost:
    # One and the other goes first, so that a drift meets both.
    shares = [(NONE, ALL, ALL, NONE)[number % 4] for number in range(2 * TURNS)]
    async with sending(product.url, clip, load.sessions) as senders:
        for sender in senders:
            await sender.results(1)
        trial_id = await _inside(product, records.shadow_all, load.challenger)
        await asyncio.sleep(WARM_UP_S)
        began = await _inside(
            product, records.alternate_share, trial_id, shares, SETTLE_S + turn_s
        )
        # What was counted is written every few seconds.
        await asyncio.sleep(WARM_UP_S)
        compared = await _inside(product, records.compared_by_shadow, trial_id)
        ages = [_ages(senders, at + SETTLE_S, turn_s) for at in began]
    pairs = zip(shares[::2], ages[::2], ages[1::2], strict=True)
    turns = [
        (first, second) if share == NONE else (second, first)
        for share, first, second in pairs
    ]
    return cost(load, turns, compared, turn_s)


async def _inside(product: Product, function: Callable[..., T], *args: object) -> T:
    return await asyncio.to_thread(product.inside, function, *args)


def _ages(senders: Sequence[Sender], began: float, seconds: float) -> list[float]:
    return [
        result.timings["age_ms"]
        for sender in senders
        for result in sender.received
        if began <= result.arrived_at < began + seconds
    ]


def cost(
    load: Load,
    turns: Sequence[tuple[list[float], list[float]]],
    compared: int,
    turn_s: float,
) -> Cost:
    """The figures of turns, each the ages without and with the shadow."""
    without = [age for ages, _ in turns for age in ages]
    beside = [age for _, ages in turns for age in ages]
    seconds = turn_s * len(turns)
    longer = _longer(without, beside)
    return Cost(
        load=load,
        without=spread(without),
        beside=spread(beside),
        results_without=round(len(without) / seconds, 2),
        results_beside=round(len(beside) / seconds, 2),
        compared=compared,
        longer_p95=longer,
        each_turn=[_longer(*turn) for turn in turns],
        is_reached=longer is not None and longer <= MOST_LONGER_P95 and compared > 0,
    )


def _longer(without: Sequence[float], beside: Sequence[float]) -> float | None:
    """By what share the p95 of the second is longer."""
    before, after = spread(without).p95, spread(beside).p95
    if not before or after is None:
        return None
    return round(after / before - 1, 4)


def table(report: ShadowReport) -> str:
    """A line for each load; pairs are the percentiles 50 and 95."""
    machine = report.machine
    lines = [
        f"{report.measured_at}  {machine['cpu']}, {machine['cores']} cores, "
        f"load {machine['load']}, commit {machine['commit']}",
        "Age of results without and with a shadow of all frames, ms: p50 / p95",
        "",
        _line("", "without", "with", "p95 longer", "aim", "results/s", "compared"),
    ]
    lines += [
        _line(
            each.load.name,
            spread_cell(each.without),
            spread_cell(each.beside),
            "-" if each.longer_p95 is None else f"{each.longer_p95:+.1%}",
            "reached" if each.is_reached else f"NOT ≤ {MOST_LONGER_P95:.0%}",
            f"{each.results_without} → {each.results_beside}",
            str(each.compared),
        )
        for each in report.costs
    ]
    return "\n".join(lines)


def _line(name: str, *cells: str) -> str:
    return f"{name:<30}" + "".join(f"{cell:>17}" for cell in cells)
