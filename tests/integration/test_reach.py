"""Peer connections that are met where the settings say, in IPv4 and in IPv6."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from apps.nexus import ice
from apps.nexus.ice import Reach
from apps.nexus.protocol import ProtocolError
from bench.processes import CHECKOUT, PATIENCE_S
from tests.integration.camera import Camera
from tests.integration.test_peer import Receiver, connect
from tests.unit.nexus.test_ice import free_ports

pytestmark = pytest.mark.usefixtures("no_decoder_left")

PUBLIC = "203.0.113.9"
# A machine that has nothing but a global IPv6 address, and nobody beside it.
IPV6_ONLY = """
ip link set lo up
ip -4 address flush dev lo
ip -6 address add 2001:db8::7/64 dev lo
exec "$@"
"""
SCRIPT = [sys.executable, "-m", "tests.integration.lone_peer"]
NAMESPACE = ["unshare", "--map-root-user", "--net"]


@pytest.fixture(autouse=True)
def reach_of_others() -> Iterator[None]:
    """What a test changes ends with it."""
    yield
    ice.be_reached(Reach())


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    yield receiver
    await receiver.close()


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    camera = Camera()
    yield camera
    await camera.close()


def candidates(sdp: str) -> list[tuple[str, int, str]]:
    """Address, port and type of each candidate."""
    found = re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\w+)", sdp, re.M)
    return [(address, int(port), type_) for address, port, type_ in found]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_frames_arrive_on_the_loopback(
    camera: Camera, receiver: Receiver, address: str
):
    ice.be_reached(Reach(addresses=[address]))
    answer = await connect(camera, receiver)
    await receiver.has_frames(3)
    assert [each[0] for each in candidates(answer)] == [address]


async def test_frames_arrive_on_a_port_of_the_range(camera: Camera, receiver: Receiver):
    ports = free_ports(4)
    ice.be_reached(Reach(addresses=["127.0.0.1"], ports=ports))
    answer = await connect(camera, receiver)
    await receiver.has_frames(3)
    ((_, port, type_),) = candidates(answer)
    assert port in ports
    assert type_ == "host"


async def test_a_port_is_given_back_with_its_connection():
    ports = free_ports(1)
    for _ in range(2):
        receiver, camera = Receiver(), Camera()
        try:
            ice.be_reached(Reach(addresses=["127.0.0.1"]))
            offer = await camera.offer()
            ice.be_reached(Reach(addresses=["127.0.0.1"], ports=ports))
            await camera.accept(await receiver.peer.accept_offer(offer))
            await receiver.has_frames(1)
        finally:
            await camera.close()
            await receiver.close()


async def test_a_range_that_is_used_up_refuses_the_offer_in_plain_words(
    camera: Camera, receiver: Receiver, caplog: pytest.LogCaptureFixture
):
    offer = await camera.offer()
    reach = Reach(addresses=["127.0.0.1"], ports=free_ports(1))
    ice.be_reached(reach)
    with (
        reach.bind("127.0.0.1"),
        caplog.at_level(logging.ERROR),
        pytest.raises(ProtocolError, match="no room for one more") as refused,
    ):
        await receiver.peer.accept_offer(offer)
    assert refused.value.code == "unavailable"
    assert "127.0.0.1: every port of NEXUS_UDP_PORTS=" in caplog.text


async def test_an_address_that_is_gone_costs_only_itself(
    camera: Camera, receiver: Receiver, caplog: pytest.LogCaptureFixture
):
    ice.be_reached(Reach(addresses=["192.0.2.1", "127.0.0.1"]))
    answer = await connect(camera, receiver)
    await receiver.has_frames(1)
    assert [each[0] for each in candidates(answer)] == ["127.0.0.1"]
    assert "Cameras can't be met on 192.0.2.1" in caplog.text


async def test_the_public_address_is_advertised_on_the_same_port(
    camera: Camera, receiver: Receiver
):
    offer = await camera.offer()
    ice.be_reached(Reach(addresses=["127.0.0.1", "::1"], public_ip=PUBLIC))
    answer = await receiver.peer.accept_offer(offer)
    await camera.accept(answer)
    await receiver.has_frames(1)

    port = next(port for address, port, _ in candidates(answer) if "." in address)
    public = [each for each in candidates(answer) if each[2] == "srflx"]
    assert public == [(PUBLIC, port, "srflx")]
    assert f"raddr 127.0.0.1 rport {port}" in answer


def can_make_networks() -> bool:
    return (
        sys.platform == "linux"
        and shutil.which("ip") is not None
        and subprocess.run([*NAMESPACE, "true"], check=False).returncode == 0
    )


@pytest.mark.skipif(not can_make_networks(), reason="No network can be made here.")
def test_frames_arrive_where_there_is_ipv6_only():
    done = subprocess.run(
        [*NAMESPACE, "sh", "-ec", IPV6_ONLY, "sh", *SCRIPT],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2001:db8::7"]
