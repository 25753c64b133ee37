from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from emporium import redis_server
from emporium.redis_server import PATIENCE_S, QUIET_S


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


class Clock:
    """Time passes only where somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Visited:
    """A Redis that others use until some second, from some second on."""

    def __init__(self, clock: Clock, since: float, until: float) -> None:
        self._clock, self._since, self._until = clock, since, until

    def __call__(self, *_: object, **options: object) -> Visited:
        return self

    def __enter__(self) -> Visited:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def client_list(self) -> list[str]:
        is_used = self._since <= self._clock.now < self._until
        return ["us", "worker"] if is_used else ["us"]


@pytest.mark.parametrize(
    ("since", "until", "ends"),
    [
        (0.0, 0.0, QUIET_S),
        (0.0, 1.0, 1.0 + QUIET_S),
        # One that was starting still, and connects before it ends.
        (0.3, 1.0, 1.0 + QUIET_S),
        (0.0, 60.0, PATIENCE_S),
    ],
)
def test_it_stays_until_nobody_comes_any_more(
    monkeypatch: pytest.MonkeyPatch, since: float, until: float, ends: float
) -> None:
    clock = Clock()
    monkeypatch.setattr(redis_server, "time", clock)
    monkeypatch.setattr(redis_server, "Redis", Visited(clock, since, until))
    redis_server.wait_for_the_others(1)
    assert clock.now == pytest.approx(ends, abs=0.11)
