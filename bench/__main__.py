"""`make bench`: starts the product, sends it cameras, and reports what it costs.

The table goes to stdout and the figures to `bench/results/`. `JSON=path` writes them
there instead; `JSON=-` puts them alone on stdout, and all else on stderr.
`BENCH_SECONDS=5` makes each measurement shorter than the usual 20. Something else is
measured with `AGE=1` (how old the picture is when a model starts on it, see `age.py`),
`RECEIVE=1` (the way in of a picture, `receive.py`), `NETWORK=1` (what a bad network
leaves of the results, `network.py`), `ACTIVATE=1` (what live sessions notice of an
activation, `activate.py`), `SHADOW=1` (what a shadow costs those who are live,
`shadow.py`) and `ADMIN=1` (the operators' pages on a large database, `admin.py`).
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypedDict

from apps.inference.starter.clips import CLIPS, FRAMES_PER_SECOND, render_clip
from bench import activate, admin, age, network, receive, records, scenario, shadow
from bench.browser import BrowserError
from bench.clip import EncodedClip, encode
from bench.figures import Accuracy, accuracy
from bench.processes import CHECKOUT, ProcessError
from bench.product import Product
from bench.records import BarePredictor
from bench.report import Report
from bench.scenario import Outcome, Scenario
from bench.usage import describe_machine

RESULTS = CHECKOUT / "bench" / "results"
CLIP = "tour"
SLOW_MS = 500
SLOW_FRAMES = 2000


class Readable(Protocol):
    def as_text(self) -> str: ...

    def as_json(self) -> str: ...


class Heading(TypedDict):
    measured_at: str
    machine: dict[str, object]


def measure_deployed(
    clip: EncodedClip, seconds: float
) -> tuple[BarePredictor, list[Outcome], Accuracy]:
    """The product as it comes, with the model that it comes with."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Product(Path(directory)) as product,
    ):
        start(product, records.deploy_starters)
        say("the predictor alone")
        bare = product.inside(records.bare_predictor, clip, seconds)
        outcomes, results = [], []
        for load in loads(seconds, bare.results_per_second):
            say(load.name)
            outcome, answers = scenario.run(load, product, clip)
            outcomes.append(outcome)
            if not outcome.packets_lost:
                # Otherwise nobody knows for sure which frame was answered.
                results += answers
    return bare, outcomes, accuracy(results)


def loads(seconds: float, bare_rate: float) -> list[Scenario]:
    # A worker with time to spare has a frame wait for nothing but the product.
    unhurried = max(1, min(FRAMES_PER_SECOND, int(bare_rate)) // 2)
    return [
        Scenario(name, sessions, frames_per_second, seconds, bare_rate)
        for name, sessions, frames_per_second in (
            ("1 session", 1, FRAMES_PER_SECOND),
            ("4 sessions", 4, FRAMES_PER_SECOND),
            (f"1 at {unhurried}/s", 1, unhurried),
        )
    ]


def measure_slowed(clip: EncodedClip) -> Outcome:
    """Far more frames than the worker can answer: do they stay fresh, and accounted?"""
    name = f"{SLOW_MS} ms worker"
    say(name)
    with tempfile.TemporaryDirectory() as directory:
        model = partial(
            records.deploy_written,
            Path(directory) / "slowed",
            "scripted",
            {"sleep_ms": SLOW_MS},
        )
        with Product(Path(directory), settings="tests.settings") as product:
            start(product, model)
            seconds = SLOW_FRAMES / FRAMES_PER_SECOND
            load = Scenario(name, 1, FRAMES_PER_SECOND, seconds, 1000 / SLOW_MS)
            outcome, _ = scenario.run(load, product, clip)
    return outcome


def start(product: Product, deploy: Callable[[], None]) -> None:
    """Start what frames pass through; `jobs` is not of them."""
    product.inside(deploy)
    product.start("redis")
    product.start_all("web", "worker")


def read_seconds() -> float:
    raw = os.environ.get("BENCH_SECONDS", "20")
    if not raw.isdecimal() or int(raw) < 1:
        sys.exit(f"BENCH_SECONDS must be a whole number of seconds, not {raw!r}.")
    return float(raw)


def say(what: str) -> None:
    print(f"bench: {what}...", file=sys.stderr)


def measure_all(seconds: float, heading: Heading) -> Report:
    say(f"rendering the clip {CLIP!r}")
    clip = encode(render_clip(CLIPS[CLIP]))
    bare, outcomes, answers = measure_deployed(clip, seconds)
    return Report(
        **heading,
        clip=f"{CLIP}, {clip.codec} {clip.width}×{clip.height}",
        bare_predictor=bare,
        accuracy=answers,
        outcomes=[*outcomes, measure_slowed(clip)],
    )


def measure_ages(seconds: float, heading: Heading) -> age.AgeReport:
    watches = []
    for watch in age.WATCHES:
        say(watch.name)
        watches.append(age.measure(watch, seconds))
    return age.AgeReport(**heading, watches=watches)


def measure_shadows(seconds: float, heading: Heading) -> shadow.ShadowReport:
    clip = encode(render_clip(CLIPS[CLIP]))
    costs = []
    for load in shadow.LOADS:
        say(load.name)
        costs.append(shadow.measure(load, clip, seconds))
    return shadow.ShadowReport(**heading, costs=costs)


MEASUREMENTS: dict[str, Callable[[float, Heading], Readable]] = {
    "AGE": measure_ages,
    "RECEIVE": lambda seconds, heading: receive.measure(seconds, **heading),
    "SHADOW": measure_shadows,
    "NETWORK": lambda seconds, heading: network.measure(seconds, **heading),
    "ACTIVATE": lambda seconds, heading: activate.measure(seconds, **heading),
    "ADMIN": lambda seconds, heading: admin.measure(**heading),
}


def main() -> None:
    # Whoever ends the bench ends the product that it started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("Stopped."))
    seconds = read_seconds()
    now = datetime.now(UTC)
    target = os.environ.get("JSON") or str(RESULTS / f"{now:%Y-%m-%d-%H%M%S}.json")
    heading: Heading = {
        "measured_at": now.isoformat(timespec="seconds"),
        "machine": describe_machine(),
    }
    chosen = (name for name in MEASUREMENTS if os.environ.get(name))
    measure = MEASUREMENTS.get(next(chosen, ""), measure_all)
    try:
        report = measure(seconds, heading)
    except ProcessError as error:
        sys.exit(f"The product did not start. {error}")
    except BrowserError as error:
        sys.exit(str(error))
    print(report.as_text(), file=sys.stderr if target == "-" else sys.stdout)
    if target == "-":
        print(report.as_json())
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(report.as_json() + "\n")
        print(f"\nWritten to {target}")


if __name__ == "__main__":
    main()
