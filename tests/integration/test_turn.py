"""A real coturn, started as the Procfile does: who gets a relay, how, and where to."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aioice.stun import TransactionFailed
from pytest_django import Settings

from apps.nexus import turn
from apps.nexus.turn import Credentials
from bench.processes import Process, free_port
from tests.integration.coturn import (
    COMMAND,
    LOOPBACK,
    Coturn,
    Receiver,
    relay,
    turn_env,
    write_certificate,
)

SECRET = "a-secret-that-must-not-be-seen"


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    directory = tmp_path_factory.mktemp("turn")
    certificate = write_certificate(directory / "turn.pem")
    with Coturn(
        directory, TURN_SECRET=SECRET, TURN_CERT_TLS=str(certificate)
    ) as coturn:
        yield coturn


@pytest.fixture
def key(settings: Settings) -> Credentials:
    settings.TURN_SECRET = SECRET
    return turn.mint("a-session")


def trusting(coturn: Coturn) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=coturn.env["TURN_CERT_TLS"])


# --- who is lent a relay, and how -----------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_relay_carries_both_ways(
    coturn: Coturn, key: Credentials, transport: str
):
    tls = trusting(coturn) if transport == "tls" else None
    node, received = await asyncio.get_running_loop().create_datagram_endpoint(
        Receiver, local_addr=(LOOPBACK, 0)
    )
    async with relay(
        coturn.tls_port if tls else coturn.port,
        key,
        transport="udp" if transport == "udp" else "tcp",
        tls=tls,
    ) as (lent, receiver):
        lent.sendto(b"a frame", node.get_extra_info("sockname"))
        data, sender = await received.received.get()
        assert (data, sender) == (b"a frame", lent.get_extra_info("sockname"))
        node.sendto(b"an answer", sender)
        assert (await receiver.received.get())[0] == b"an answer"
    node.close()


async def test_relays_lie_in_the_range(tmp_path: Path, settings: Settings):
    settings.TURN_SECRET = SECRET
    low, high = "49900", "49903"
    with Coturn(
        tmp_path, TURN_SECRET=SECRET, TURN_PORT_UDP_FROM=low, TURN_PORT_UDP_TO=high
    ) as coturn:
        async with relay(coturn.port, turn.mint("a-session")) as (lent, _):
            assert int(low) <= lent.get_extra_info("sockname")[1] <= int(high)


@pytest.mark.parametrize(
    "key",
    [
        Credentials("", ""),
        Credentials("9999999999:a-session", "invented"),
        # Right once, and long over.
        Credentials("1767225600:a-session", "bT8bMNtOYrfYBguiE9IGCiTmZjo="),
    ],
)
async def test_nobody_else_is_lent_one(coturn: Coturn, key: Credentials):
    with pytest.raises(TransactionFailed, match="401"):
        async with relay(coturn.port, key):
            pass


async def test_an_expired_key_is_refused(
    coturn: Coturn, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.TURN_SECRET = SECRET
    monkeypatch.setattr(turn, "LIFETIME_S", -60)
    with pytest.raises(TransactionFailed, match="401"):
        async with relay(coturn.port, turn.mint("a-session")):
            pass


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.2",  # the loopback, but no node of ours
        "10.0.0.1",
        "169.254.169.254",  # where clouds keep their secrets
        "192.0.2.1",
        "8.8.8.8",
        "224.0.0.1",
        "0.0.0.0",
    ],
)
async def test_nothing_is_relayed_to_anybody_else(
    coturn: Coturn, key: Credentials, address: str
):
    async with relay(coturn.port, key) as (lent, receiver):
        lent.sendto(b"anything", (address, 53))
        assert "403" in str(await receiver.errors.get())


async def test_it_serves_ipv6(tmp_path: Path, settings: Settings):
    settings.TURN_SECRET = SECRET
    node, received = await asyncio.get_running_loop().create_datagram_endpoint(
        Receiver, local_addr=("::1", 0)
    )
    # It listens on one address only, so not where `Coturn` looks.
    env = turn_env(tmp_path, TURN_IP="::1", NEXUS_ADDRESSES="::1", TURN_SECRET=SECRET)
    port = int(env["TURN_PORT_TCP"])
    log = tmp_path / "launcher.log"
    with Process(COMMAND, {**os.environ, **env}, log) as process:
        process.wait_for(lambda: listens_on_ipv6(port), "it listened")
        async with relay(port, turn.mint("a-session"), host="::1") as (lent, _):
            lent.sendto(b"a frame", node.get_extra_info("sockname")[:2])
            assert (await received.received.get())[0] == b"a frame"
    node.close()


def listens_on_ipv6(port: int) -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex(("::1", port)) == 0


# --- the launcher ---------------------------------------------------------------------


def test_the_secret_is_in_one_private_file_and_nowhere_else(coturn: Coturn):
    directory = coturn.log.parent
    command = Path(f"/proc/{coturn.pid}/cmdline")
    if command.exists():
        assert SECRET.encode() not in command.read_bytes()
    assert SECRET not in coturn.output()
    holding = [
        path for path in directory.iterdir() if SECRET.encode() in path.read_bytes()
    ]
    assert [path.name for path in holding] == ["turnserver.conf"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(coturn.log.stat().st_mode) == 0o600


def test_coturn_knows_every_word_of_its_configuration(coturn: Coturn):
    log = coturn.log.read_text().lower()
    assert "bad configuration" not in log
    assert "unrecognized option" not in log


def test_it_says_one_line_and_ends_when_told_to(tmp_path: Path):
    with Coturn(tmp_path) as coturn:
        assert coturn.output().splitlines() == [
            f"coturn on 127.0.0.1:{coturn.port}, log in var/turnserver.log"
        ]


@pytest.mark.parametrize(
    ("ip", "line"),
    [
        ("", "No TURN server runs here: TURN_IP is not set."),
        (
            "192.0.2.1",
            "Pages are sent to the TURN server at 192.0.2.1: TURN_IP is no address of "
            "this machine, so none runs here.",
        ),
    ],
)
def test_without_a_server_here_it_idles_in_one_line(tmp_path: Path, ip: str, line: str):
    env = {**os.environ, "TURN_IP": ip, "EMPORIUM_TEST_DIR": str(tmp_path)}
    with Process(COMMAND, env, tmp_path / "launcher.log") as process:
        process.wait_for(lambda: line in process.output(), "it said so")
        assert process.is_running()
        assert process.output() == f"{line}\n"


def refusal(directory: Path, **env: str) -> str:
    """What a launcher that gives up says, which is one sentence."""
    done = subprocess.run(
        COMMAND,
        env={**os.environ, **turn_env(directory), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_machine_without_coturn_is_told_what_to_install(tmp_path: Path):
    assert "apt-get install coturn" in refusal(tmp_path, PATH="/nonexistent")


def test_a_taken_port_is_told_with_its_cure(tmp_path: Path):
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(tmp_path, TURN_PORT_TCP=port)
    assert f"can't listen on port {port} " in said
    assert "TURN_PORT_TCP" in said


@pytest.mark.parametrize("kind", ["missing", "no key", "no certificate", "locked"])
def test_a_certificate_that_is_none_is_told_before_coturn_starts(
    tmp_path: Path, kind: str
):
    path = tmp_path / "turn.pem"
    if kind != "missing":
        write_certificate(path, b"locked" if kind == "locked" else None)
        certificate, separator, key = path.read_text().partition("-----BEGIN ENC")
        if not separator:
            certificate, separator, key = path.read_text().partition("-----BEGIN PRI")
        path.write_text(
            {"no key": certificate, "no certificate": separator + key}.get(
                kind, path.read_text()
            )
        )
    said = refusal(tmp_path, TURN_CERT_TLS=str(path))
    assert said.startswith(f"TURN_CERT_TLS={path} can't be used (")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TURN_IP", "turn.example.org"),
        ("TURN_MOCK_IP", "2001:db8::9"),
        ("TURN_PORT_UDP_FROM", "50000"),
        ("TURN_PORT_TCP", "none"),
        ("TURN_HOST", "https://turn.example.org"),
        ("TURN_SECRET", "sh0rt"),
        ("TURN_PEERS", "everybody"),
    ],
)
def test_an_impossible_setting_is_told_in_one_sentence(
    tmp_path: Path, name: str, value: str
):
    said = refusal(tmp_path, **{name: value})
    assert name in said
    assert "sh0rt" not in said


def test_a_public_address_alone_is_told_in_one_sentence(tmp_path: Path):
    assert "TURN_IP" in refusal(tmp_path, TURN_IP="", TURN_MOCK_IP="203.0.113.9")


def test_the_same_port_twice_is_told_in_one_sentence(tmp_path: Path):
    port = str(free_port())
    said = refusal(
        tmp_path, TURN_PORT_TCP=port, TURN_PORT_TLS=port, TURN_CERT_TLS="turn.pem"
    )
    assert "must differ" in said


def test_the_launcher_that_idles_is_light():
    """It is there on every node, and brings nothing that it doesn't use."""
    script = "import sys, emporium.turn_server; print('aiortc' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
