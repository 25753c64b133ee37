"""`EchoPeer`: the server's end of a connection that only tries the way.

It is met where cameras are, on the same ports, and sends back what comes over a data
channel; nothing is decoded or kept.
"""

from __future__ import annotations

import asyncio
import logging
import re

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription

from apps.nexus.ice import UnreachableError, peer_configuration
from apps.nexus.protocol import ProtocolError

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5.0
# The page sends some eight, of a kilobyte each.
MOST_MESSAGES = 32
LONGEST_MESSAGE = 2000


class EchoPeer:
    def __init__(self) -> None:
        self._pc = RTCPeerConnection(peer_configuration())
        self._pc.on("datachannel", _send_back)

    async def accept_offer(self, sdp: str) -> str:
        """Answer an offer that has all the candidates of its side.

        Raises:
            ProtocolError: it can't be used, or no port is free to be met on.
        """
        try:
            offered = SessionDescription.parse(sdp)
            if [media.kind for media in offered.media] != ["application"]:
                raise ProtocolError("invalid", "The offer must be of a data channel.")
            await self._pc.setRemoteDescription(
                RTCSessionDescription(sdp=_without_hidden_names(sdp), type="offer")
            )
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except ProtocolError:
            raise
        except UnreachableError as error:
            raise ProtocolError("unavailable", str(error)) from error
        except Exception as error:
            # SDP is text from a stranger: aiortc meets it with any kind of exception.
            raise ProtocolError("invalid", "The offer can't be used.") from error
        answer: str = self._pc.localDescription.sdp
        return answer

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._pc.close()
        except TimeoutError:
            logger.error("A trial did not close in %s s", CLOSE_TIMEOUT_S)


def _without_hidden_names(sdp: str) -> str:
    """Leave out candidates that only the browser's own network can resolve.

    It calls us first, so we need not know where it is; nor may we be told that there is
    nobody else to wait for.
    """
    lines = sdp.splitlines(keepends=True)
    hidden = re.compile(r"a=(end-of-candidates|candidate:.*\.local )")
    return "".join(line for line in lines if not hidden.match(line))


def _send_back(channel: RTCDataChannel) -> None:
    sent = 0

    def echo(message: str | bytes) -> None:
        nonlocal sent
        sent += 1
        if sent <= MOST_MESSAGES and len(message) <= LONGEST_MESSAGE:
            channel.send(message)

    channel.on("message", echo)
