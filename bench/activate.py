"""`make bench ACTIVATE=1`: what live sessions notice of an activation.

Four cameras stream to the product as it comes, and another of its versions is activated
under them: one that has to be built first, and then the former again. The gaps between
two results of a session are held against its usual ones, just before: with as many
pictures as a small machine has time for, and with more.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from uuid import UUID

from apps.inference.starter.clips import CLIPS, FRAMES_PER_SECOND, render_clip
from bench import records
from bench.clip import EncodedClip, encode
from bench.product import Product
from bench.records import Outcome
from bench.sender import Sender, sending

SESSIONS = 4
# Pictures a second of each.
RATES = (10, FRAMES_PER_SECOND)
WARM_UP_S = 5.0
# For so long after the switch its effects are looked for.
AFTERWARDS_S = 5.0
MOST_TIMES_USUAL = 2.0
CHANGES = (
    ("built first", "starter-classifier"),
    ("and back", "starter-detector"),
)


@dataclass(frozen=True, slots=True)
class Gaps:
    """Of one session, in ms: before it was asked for, and from then on."""

    usual_p50: float
    usual_longest: float
    longest: float

    @property
    def times_usual(self) -> float:
        return round(self.longest / self.usual_p50, 2)


@dataclass(frozen=True, slots=True)
class Change:
    """`took_s` is from the click to the switch."""

    name: str
    to: str
    state: str
    reason: str
    took_s: float
    sessions: list[Gaps]
    times_usual: float
    dropped_sessions: int
    failed_frames: int
    is_reached: bool


@dataclass(frozen=True, slots=True)
class ActivationReport:
    measured_at: str
    machine: dict[str, object]
    sessions: int
    changes: Sequence[Change]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        return table(self)


def measure(
    seconds: float, measured_at: str, machine: dict[str, object]
) -> ActivationReport:
    return ActivationReport(
        measured_at=measured_at,
        machine=machine,
        sessions=SESSIONS,
        changes=[change for rate in RATES for change in _changes(rate, seconds)],
    )


def _changes(rate: int, seconds: float) -> list[Change]:
    frames = render_clip(CLIPS["tour"], every=FRAMES_PER_SECOND // rate)
    clip = replace(encode(frames), frames_per_second=rate)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Product(directory) as product:
            # Nothing has been built yet.
            product.env["XDG_CACHE_HOME"] = str(directory / "cache")
            product.inside(records.deploy_starters)
            for process in ("redis", "web", "worker"):
                product.start(process)
            return [
                asyncio.run(_change(product, clip, seconds, *each)) for each in CHANGES
            ]


async def _change(
    product: Product, clip: EncodedClip, seconds: float, name: str, model: str
) -> Change:
    async with sending(product.url, clip, SESSIONS) as senders:
        for sender in senders:
            await sender.results(1)
        await asyncio.sleep(WARM_UP_S)
        began, began_at = time.monotonic(), time.time()
        # Its process is there before, so that only what it asks for is noticed.
        asking = asyncio.create_task(
            asyncio.to_thread(
                product.inside, records.activate, model, began_at + seconds
            )
        )
        outcome = await asking
        await asyncio.sleep(AFTERWARDS_S)
        ended = time.monotonic()
        asked = began + outcome.asked_at - began_at
        gaps = [_gaps(sender, began, asked, ended) for sender in senders]
        ids = [UUID(sender.session_id) for sender in senders]
        dropped = sum(_is_dropped(sender) for sender in senders)
    ledgers = product.inside(records.ledgers, ids)
    name = f"{name}, {clip.frames_per_second}/s"
    return _judged(
        name, outcome, gaps, dropped, sum(ledger.failed for ledger in ledgers)
    )


def _judged(
    name: str, outcome: Outcome, gaps: list[Gaps], dropped: int, failed: int
) -> Change:
    worst = max(each.times_usual for each in gaps)
    return Change(
        name=name,
        to=outcome.version,
        state=outcome.state,
        reason=outcome.reason,
        took_s=outcome.took_s,
        sessions=gaps,
        times_usual=worst,
        dropped_sessions=dropped,
        failed_frames=failed,
        is_reached=outcome.state == "switched"
        and worst <= MOST_TIMES_USUAL
        and dropped == failed == 0,
    )


def _gaps(sender: Sender, began: float, asked: float, ended: float) -> Gaps:
    return gaps([result.arrived_at for result in sender.received], began, asked, ended)


def gaps(arrivals: Sequence[float], began: float, asked: float, ended: float) -> Gaps:
    """By when each gap ended; one that goes on at the end counts as far as it went."""
    before = [
        1000 * (later - earlier)
        for earlier, later in pairwise(arrivals)
        if began <= later < asked
    ]
    after = [
        1000 * (later - earlier)
        for earlier, later in pairwise([*arrivals, ended])
        if asked <= later <= ended
    ]
    return Gaps(
        usual_p50=round(median(before), 1),
        usual_longest=round(max(before), 1),
        longest=round(max(after), 1),
    )


def _is_dropped(sender: Sender) -> bool:
    """Whether its page was told that it is over, or had to begin again."""
    ends = ("ended", "failed", "reconnecting")
    return any(
        message["type"] == "error" or message.get("status") in ends
        for message in sender.messages
    )


def table(report: ActivationReport) -> str:
    """A line for each change; gaps are those of the session with the longest."""
    machine = report.machine
    lines = [
        f"{report.measured_at}  {machine['cpu']}, {machine['cores']} cores, "
        f"load {machine['load']}, commit {machine['commit']}",
        f"{report.sessions} sessions; gaps between two results of a session, ms",
        "",
        _line(
            "",
            "took",
            "usual p50",
            "usual max",
            "longest",
            "times",
            "dropped",
            "failed",
        ),
    ]
    for each in report.changes:
        worst = max(each.sessions, key=lambda gaps: gaps.times_usual)
        lines.append(
            _line(
                each.name,
                f"{each.took_s:.1f} s",
                str(worst.usual_p50),
                str(worst.usual_longest),
                str(worst.longest),
                f"{worst.times_usual:.2f}{'' if each.is_reached else ' NO'}",
                str(each.dropped_sessions),
                str(each.failed_frames),
            )
        )
        if each.reason:
            lines.append(f"{each.state}: {each.reason}")
    return "\n".join(lines)


def _line(name: str, *cells: str) -> str:
    return f"{name:<20}" + "".join(f"{cell:>11}" for cell in cells)
