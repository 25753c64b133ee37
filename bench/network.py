"""`make bench NETWORK=1`: results and their age through a bad network.

A real Chromium on the session page, and the product behind a `Wire`, which has no loss
first and then some. The WebSocket doesn't go through the wire. A model that answers at
once leaves the network alone in the way.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from playwright.async_api import Page, WebSocket
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from bench import records, wire
from bench.camera import chromium
from bench.figures import Spread, spread
from bench.processes import CHECKOUT
from bench.product import Product
from bench.records import Ledger
from bench.wire import Weather, Wire

FRAMES_PER_SECOND = 30
MODEL_MS = 5
WARM_UP_S = 8.0
PATIENCE_MS = 40_000
# Without loss nothing changes, however long it is looked at.
FAIR_WEATHER_S = 30.0
MOST_ATTEMPTS = 4
LIVE = '[data-status="live"]'
FAIR = Weather()
FOUL = Weather(loss=0.03, delay_ms=50, jitter_ms=20)
THROUGH_WIRE = CHECKOUT / "bench" / "pages" / "through_wire.js"


@dataclass(frozen=True, slots=True)
class Passage:
    """What came through one weather; ages are of pictures when drawn.

    `age_first_ms` and `age_last_ms` are of the first and the last third of the results.
    `attempts` is how often the page was opened until it was live.
    """

    weather: Weather
    attempts: int
    packets: int
    packets_lost: int
    frames_per_second: float
    results_per_second: float
    age_ms: Spread
    age_first_ms: Spread
    age_last_ms: Spread
    camera_to_server_ms: Spread
    ledgers: list[Ledger]


@dataclass(frozen=True, slots=True)
class Report:
    """`share_of_results`: of those a second without loss."""

    measured_at: str
    machine: dict[str, object]
    fair: Passage
    foul: Passage
    share_of_results: float

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        return table(self)


def measure(seconds: float, measured_at: str, machine: dict[str, object]) -> Report:
    with tempfile.TemporaryDirectory() as directory:
        model = partial(
            records.deploy_written,
            Path(directory) / "quick",
            "scripted",
            {"sleep_ms": MODEL_MS},
        )
        with Product(Path(directory), settings="tests.settings") as product:
            product.env["NEXUS_ADDRESSES"] = "127.0.0.1"
            product.inside(model)
            for name in ("redis", "web", "worker"):
                product.start(name)
            fair, foul = (
                asyncio.run(_pass(product, weather, lasting_s))
                for weather, lasting_s in (
                    (FAIR, min(seconds, FAIR_WEATHER_S)),
                    (FOUL, seconds),
                )
            )
    share = foul.results_per_second / fair.results_per_second
    return Report(measured_at, machine, fair, foul, round(share, 3))


async def _pass(product: Product, weather: Weather, seconds: float) -> Passage:
    wires: list[Wire] = []

    async def through_wire(sdp: str) -> str:
        wires.append(await Wire.open(wire.of_server(sdp), weather))
        return wire.led_through(sdp, wires[-1])

    heard = _Heard()
    device = f"--use-fake-device-for-media-stream=fps={FRAMES_PER_SECOND}"
    async with chromium(device) as browser:
        page = await browser.new_page()
        await page.expose_function("throughWire", through_wire)
        await page.add_init_script(path=THROUGH_WIRE)
        page.on("websocket", heard.follow)
        attempts = await _go_live(page, product.url)
        await asyncio.sleep(WARM_UP_S)
        frames, begun_at = await _frames_sent(page), time.monotonic()
        heard.clear()
        await asyncio.sleep(seconds)
        frames = await _frames_sent(page) - frames
        lasted_s = time.monotonic() - begun_at
        results, drawn = heard.results, heard.drawn
    for each in wires:
        each.close()
    ledgers = product.inside(records.ledgers, [UUID(heard.session_id)])
    ages = [each["picture_ms"] for each in drawn]
    third = len(ages) // 3
    return Passage(
        weather=weather,
        attempts=attempts,
        packets=sum(each.packets for each in wires),
        packets_lost=sum(each.lost for each in wires),
        frames_per_second=round(frames / lasted_s, 2),
        results_per_second=round(results / lasted_s, 2),
        age_ms=spread(ages),
        age_first_ms=spread(ages[:third]),
        age_last_ms=spread(ages[len(ages) - third :]),
        camera_to_server_ms=spread(each["capture_ms"] for each in drawn),
        ledgers=ledgers,
    )


async def _go_live(page: Page, url: str) -> int:
    """Open the page as often as it takes; a handshake may get lost as well."""
    for attempt in range(1, MOST_ATTEMPTS):
        await page.goto(url)
        with suppress(PlaywrightTimeoutError):
            await page.wait_for_selector(LIVE, timeout=PATIENCE_MS)
            return attempt
    await page.goto(url)
    await page.wait_for_selector(LIVE, timeout=PATIENCE_MS)
    return MOST_ATTEMPTS


async def _frames_sent(page: Page) -> int:
    frames: int = await page.evaluate("framesSent()")
    return frames


class _Heard:
    """What goes over the page's WebSocket."""

    def __init__(self) -> None:
        self.session_id = ""
        self.clear()

    def clear(self) -> None:
        self.results = 0
        self.drawn: list[dict[str, float]] = []

    def follow(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._told(self._hear))
        socket.on("framesent", self._told(self._say))

    @staticmethod
    def _told(tell: Callable[[dict[str, Any]], None]) -> Callable[[str | bytes], None]:
        return lambda text: tell(json.loads(text))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "welcome":
            self.session_id = message["session_id"]
        self.results += message["type"] == "result"

    def _say(self, message: dict[str, Any]) -> None:
        if message["type"] == "ack" and message["timings"]:
            self.drawn.append(message["timings"])


def table(report: Report) -> str:
    lines = [
        f"{'':<26}{'results/s':>11}{'frames/s':>10}{'age, ms':>18}"
        f"{'first third':>18}{'last third':>18}{'way in, ms':>18}"
    ]
    for passage in (report.fair, report.foul):
        lines.append(
            f"{passage.weather!s:<26}{passage.results_per_second:>11}"
            f"{passage.frames_per_second:>10}{_words(passage.age_ms):>18}"
            f"{_words(passage.age_first_ms):>18}{_words(passage.age_last_ms):>18}"
            f"{_words(passage.camera_to_server_ms):>18}"
        )
        lines += [f"  {ledger}" for ledger in passage.ledgers]
    lines.append(f"{report.share_of_results:.1%} of the results without loss")
    return "\n".join(lines)


def _words(spread: Spread) -> str:
    return f"{spread.p50} / {spread.p95}"
