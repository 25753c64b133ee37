"""Addresses of this side of a peer connection.

The only file that touches aioice's insides. No STUN server is asked behind anybody's
back: a server knows its own address.
"""

from __future__ import annotations

import aioice.ice
from aiortc import RTCBundlePolicy, RTCConfiguration

_interface_addresses = aioice.ice.get_host_addresses


def host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """The interfaces' addresses; a machine without a network still reaches itself."""
    return _interface_addresses(use_ipv4, use_ipv6) or ["127.0.0.1"]


aioice.ice.get_host_addresses = host_addresses


def peer_configuration() -> RTCConfiguration:
    # An empty list, because None means Google's public STUN server to aiortc.
    return RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
