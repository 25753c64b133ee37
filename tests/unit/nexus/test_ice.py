"""Which addresses this side of a peer connection offers, and whom it asks for them."""

from __future__ import annotations

import aioice.ice
import pytest
from aiortc import RTCBundlePolicy

from apps.nexus import ice


def test_no_stun_server_is_asked():
    # None, to aiortc, is a public server of Google's.
    assert ice.peer_configuration().iceServers == []


def test_all_media_share_one_transport():
    assert ice.peer_configuration().bundlePolicy == RTCBundlePolicy.MAX_BUNDLE


def test_aioice_asks_us_for_addresses():
    assert aioice.ice.get_host_addresses is ice.host_addresses


@pytest.mark.parametrize(
    ("found", "offered"),
    [
        (["192.0.2.7", "2001:db8::7"], ["192.0.2.7", "2001:db8::7"]),
        # A machine without a network can still show itself its own camera.
        ([], ["127.0.0.1"]),
    ],
)
def test_addresses_are_those_of_the_interfaces(
    monkeypatch: pytest.MonkeyPatch, found: list[str], offered: list[str]
):
    monkeypatch.setattr(ice, "_interface_addresses", lambda use_ipv4, use_ipv6: found)
    assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == offered
