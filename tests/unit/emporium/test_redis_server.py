from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from emporium import redis_server


def write_program(path: Path, version: str) -> str:
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return str(path)


def test_a_checkout_keeps_its_port_and_shares_it_with_no_neighbour() -> None:
    here, there = Path("/srv/emporium"), Path("/srv/emporium-2")
    assert redis_server.default_port(here) == redis_server.default_port(here)
    assert redis_server.default_port(here) != redis_server.default_port(there)


def test_ports_of_checkouts_lie_below_those_that_systems_lend_out() -> None:
    ports = {redis_server.default_port(Path(f"/srv/{n}")) for n in range(1000)}
    assert min(ports) >= 20_000
    assert max(ports) < 30_000


def test_a_server_on_path_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = write_program(tmp_path / "valkey-server", "Valkey server v=8.0.1 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_server.find_server() == server


def test_a_server_that_lacks_getdel_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "redis-server", "Redis server v=6.0.16 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path))
    chosen = Path(redis_server.find_server())
    assert chosen.name == "valkey-server"
    assert os.access(chosen, os.X_OK)


def test_a_free_port_is_no_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert redis_server.listen_problem("127.0.0.1", port) is not None
    assert redis_server.listen_problem("127.0.0.1", port) is None


def test_an_address_of_another_machine_is_a_problem() -> None:
    assert redis_server.listen_problem("192.0.2.1", 8000) is not None


@pytest.mark.parametrize("port", ["abc", "", "0", "65536", "-1", "6379.0"])
def test_an_impossible_port_is_refused_in_one_sentence(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_PORT", port)
    with pytest.raises(SystemExit, match=r"^REDIS_PORT must be a whole number .*\.$"):
        redis_server.read_port()
