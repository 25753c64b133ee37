"""A camera and its peer in a process of their own, on whatever network it has.

Prints the addresses of the answer once frames have arrived. Runs without Django.
"""

from __future__ import annotations

import asyncio
import re

from aiortc import MediaStreamTrack

from apps.nexus.peer import Peer
from tests.integration.camera import Camera


async def main() -> None:
    tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
    camera = Camera()
    peer = Peer(on_track=tracks.put_nowait, on_lost=lambda: None)
    answer = await peer.accept_offer(await camera.offer())
    await camera.accept(answer)
    track = await tracks.get()
    for _ in range(3):
        await track.recv()
    await camera.close()
    await peer.close()
    print(*re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+)", answer, re.M))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
