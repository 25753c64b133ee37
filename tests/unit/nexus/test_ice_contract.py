"""What `apps/nexus/ice.py` relies on in aioice and aiortc, which promise none of it.

A test that fails after an upgrade says what has moved.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version

import aioice.ice
import aiortc.rtcicetransport
import pytest
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aiortc.rtcicetransport import RTCIceGatherer

from apps.nexus.ice import ReachableConnection, UnreachableError


@pytest.mark.parametrize(
    ("package", "pinned"), [("aioice", "0.13.0"), ("aiortc", "1.16.0")]
)
def test_the_versions_are_those_that_were_read(package: str, pinned: str):
    assert version(package) == pinned


def test_aiortc_makes_the_connection_that_its_module_names():
    assert type(RTCIceGatherer([])._connection) is ReachableConnection
    assert "Connection(" in inspect.getsource(RTCIceGatherer.__init__)


def test_aioice_asks_its_module_for_addresses():
    source = inspect.getsource(aioice.ice.Connection.gather_candidates)
    assert "get_host_addresses(" in source


def test_candidates_are_gathered_by_the_method_that_we_replace():
    theirs = inspect.signature(aioice.ice.Connection.get_component_candidates)
    ours = inspect.signature(ReachableConnection.get_component_candidates)
    assert list(ours.parameters) == list(theirs.parameters)
    gathering = inspect.getsource(aioice.ice.Connection.gather_candidates)
    assert "self.get_component_candidates(" in gathering


def test_sockets_are_bound_as_we_bind_them():
    """Of what aioice does with a socket of its own, nothing is left out."""
    source = inspect.getsource(aioice.ice.Connection.get_component_candidates)
    for step in (
        "StunProtocol(self)",
        "socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE",
        "protocol.local_candidate = Candidate(",
        "self._protocols += host_protocols",
    ):
        assert step in source


async def test_without_addresses_and_servers_aioice_adds_nothing():
    connection = aioice.ice.Connection(ice_controlling=False)
    assert await connection.get_component_candidates(1, []) == []
    assert connection._protocols == []


def test_a_candidate_is_written_as_a_stun_server_would_have_it():
    source = inspect.getsource(aioice.ice.server_reflexive_candidate)
    assert 'candidate_foundation("srflx", "udp", local_candidate.host)' in source
    assert candidate_foundation("host", "udp", "::1")
    assert candidate_priority(1, "host") > candidate_priority(1, "srflx")
    assert {"related_address", "related_port"} <= set(
        inspect.signature(Candidate).parameters
    )


def test_no_servers_means_none_and_not_googles():
    assert aiortc.rtcicetransport.connection_kwargs([]) == {}
    assert RTCIceGatherer([])._connection.stun_server is None


async def test_a_connection_that_was_closed_opens_no_sockets_any_more():
    connection = ReachableConnection(ice_controlling=False)
    await connection.close()
    with pytest.raises(UnreachableError, match="closed"):
        await connection.gather_candidates()
    assert connection._protocols == []
