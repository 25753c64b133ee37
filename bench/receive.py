"""`make bench RECEIVE=1`: how long a picture takes from the encoder of a real Chromium
to a decoded frame, and how soon that is so again after the network was cut.

aiortc's own receiver and ours, one after the other, in one process; loopback only.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from apps.nexus import receiver
from apps.nexus.ice import Reach, be_reached, peer_configuration
from bench import wire
from bench.camera import Camera, camera
from bench.figures import Spread, spread
from bench.wire import Wire

FRAMES_PER_SECOND = 20
WARM_UP_S = 3.0
CUTS = 5
CUT_S = 0.15
BETWEEN_CUTS_S = 3.0
# Above the usual delay by no more than this, it is the usual one again.
BACK_TO_NORMAL_MS = 10.0
FRAMES_IN_TIME = 5
RTP_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class Received:
    """Milliseconds; `recovery_ms` is from each cut's end until the usual delay."""

    frames: int
    encoded_to_decoded_ms: Spread
    recovery_ms: list[float | None]


@dataclass(frozen=True, slots=True)
class Report:
    """`ratio`: our delay over upstream's."""

    measured_at: str
    machine: dict[str, object]
    frames_per_second: int
    cut_ms: float
    receivers: dict[str, Received]
    ratio: Spread

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        return table(self)


@dataclass(frozen=True, slots=True)
class Delay:
    """Of one picture, by when it was decoded, of `time.time`."""

    decoded_at: float
    ms: float


def measure(seconds: float, measured_at: str, machine: dict[str, object]) -> Report:
    be_reached(Reach(addresses=["127.0.0.1"]))
    upstream, ours = asyncio.run(_measure(seconds))
    return Report(
        measured_at=measured_at,
        machine=machine,
        frames_per_second=FRAMES_PER_SECOND,
        cut_ms=CUT_S * 1000,
        receivers={"upstream aiortc": upstream, "ours": ours},
        ratio=_ratio(ours.encoded_to_decoded_ms, upstream.encoded_to_decoded_ms),
    )


def _ratio(spread: Spread, other: Spread) -> Spread:
    def of(mine: float | None, theirs: float | None) -> float | None:
        return round(mine / theirs, 3) if mine and theirs else None

    return Spread(of(spread.p50, other.p50), of(spread.p95, other.p95))


async def _measure(seconds: float) -> tuple[Received, Received]:
    """By aiortc's own receiver and by ours, which takes its place for good."""
    async with camera() as sending:
        upstream = await _receive(sending, seconds)
        receiver.install()
        return upstream, await _receive(sending, seconds)


async def _receive(sending: Camera, seconds: float) -> Received:
    async with _connected(sending) as (_, decoded):
        await asyncio.sleep(WARM_UP_S)
        begun_at = time.time()
        await asyncio.sleep(seconds)
        usual = [
            delay
            for delay in delays(await sending.encoded(), decoded)
            if delay.decoded_at >= begun_at
        ]
    cut_ends = []
    async with _connected(sending) as (between, decoded):
        await asyncio.sleep(WARM_UP_S)
        for _ in range(CUTS):
            between.cut(CUT_S)
            cut_ends.append(time.time() + CUT_S)
            await asyncio.sleep(BETWEEN_CUTS_S)
        after_cuts = delays(await sending.encoded(), decoded)
    figures = spread(delay.ms for delay in usual)
    normal_ms = (figures.p95 or 0.0) + BACK_TO_NORMAL_MS
    return Received(
        frames=len(usual),
        encoded_to_decoded_ms=figures,
        recovery_ms=[recovery_ms(after_cuts, end, normal_ms) for end in cut_ends],
    )


@asynccontextmanager
async def _connected(
    sending: Camera,
) -> AsyncIterator[tuple[Wire, list[tuple[int, float]]]]:
    """A connection through a wire, and what is decoded: timestamps and times."""
    connection = RTCPeerConnection(peer_configuration())
    decoded: list[tuple[int, float]] = []
    reading: list[asyncio.Task[None]] = []
    connection.on(
        "track",
        lambda track: reading.append(asyncio.create_task(_read(track, decoded))),
    )
    offer = wire.without_candidates(await sending.offer(FRAMES_PER_SECOND))
    await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    answer = connection.localDescription.sdp
    between = await Wire.open(wire.of_server(answer))
    try:
        await sending.accept(wire.led_through(answer, between))
        yield between, decoded
    finally:
        await connection.close()
        await asyncio.gather(*reading)
        between.close()


async def _read(track: MediaStreamTrack, decoded: list[tuple[int, float]]) -> None:
    with suppress(MediaStreamError):
        while True:
            frame = await track.recv()
            decoded.append((frame.pts or 0, time.time()))


def delays(
    encoded: Sequence[tuple[int, float]], decoded: Sequence[tuple[int, float]]
) -> list[Delay]:
    """Match frames by timestamp; aiortc's own count from 0 at their first picture."""
    encoded_at = {timestamp % RTP_WRAP: at for timestamp, at in encoded}
    numbers = [timestamp for timestamp, _ in decoded]
    origin = max(
        (0, *list(encoded_at)[:FRAMES_PER_SECOND]),
        key=lambda first: sum(
            (first + number) % RTP_WRAP in encoded_at for number in numbers
        ),
    )
    return [
        Delay(at, (at - encoded_at[timestamp]) * 1000)
        for number, at in decoded
        if (timestamp := (origin + number) % RTP_WRAP) in encoded_at
    ]


def recovery_ms(
    seen: Sequence[Delay], cut_end: float, normal_ms: float
) -> float | None:
    """From a cut's end to the first of several frames that are in time again.

    None if there is none before the next cut.
    """
    until = cut_end + BETWEEN_CUTS_S - CUT_S
    after = [delay for delay in seen if cut_end <= delay.decoded_at < until]
    for place, delay in enumerate(after[: len(after) - FRAMES_IN_TIME + 1]):
        following = after[place : place + FRAMES_IN_TIME]
        if all(each.ms <= normal_ms for each in following):
            return round((delay.decoded_at - cut_end) * 1000, 1)
    return None


def table(report: Report) -> str:
    lines = [
        f"encoded → decoded, {report.frames_per_second} frames/s, one Chromium, "
        "loopback; p50 / p95",
        "",
    ]
    for name, received in report.receivers.items():
        delay = received.encoded_to_decoded_ms
        recovery = ", ".join(str(ms) for ms in received.recovery_ms)
        lines.append(
            f"{name:<18}{delay.p50} / {delay.p95} ms in {received.frames} frames; "
            f"in time again after a cut: {recovery} ms"
        )
    lines.append(f"{'ours / upstream':<18}{report.ratio.p50} / {report.ratio.p95}")
    return "\n".join(lines)
