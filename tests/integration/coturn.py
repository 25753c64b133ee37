"""Our TURN server on a free port of the loopback, and a client that asks for relays."""

from __future__ import annotations

import asyncio
import datetime
import os
import shutil
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aioice.turn import TurnTransport, create_turn_endpoint
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.nexus.turn import Credentials
from bench.processes import Process, free_port, listens

COMMAND = [sys.executable, "-m", "emporium.turn_server"]
LOOPBACK = "127.0.0.1"


def turnserver_is_there() -> None:
    if shutil.which("turnserver") is None:
        pytest.fail("There is no coturn: `make integration` installs it.")


def turn_env(directory: Path, **env: str) -> dict[str, str]:
    """Settings of a TURN server that relays to the loopback alone."""
    return {
        "EMPORIUM_TEST_DIR": str(directory),
        "TURN_IP": LOOPBACK,
        "TURN_PORT_TCP": str(free_port()),
        "TURN_PORT_TLS": str(free_port()),
        "NEXUS_ADDRESSES": LOOPBACK,
        **env,
    }


class Coturn(Process):
    """Runs, and listens, from its making on."""

    def __init__(self, directory: Path, **env: str) -> None:
        turnserver_is_there()
        self.env = turn_env(directory, **env)
        self.port = int(self.env["TURN_PORT_TCP"])
        self.tls_port = int(self.env["TURN_PORT_TLS"])
        self.log = directory / "turnserver.log"
        super().__init__(
            COMMAND, {**os.environ, **self.env}, directory / "launcher.log"
        )
        self.wait_for(lambda: listens(self.port), "it listened")


class Receiver(asyncio.DatagramProtocol):
    """What comes to a socket or a relay, and what was refused."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.lost = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.put_nowait((data, addr[:2]))

    def error_received(self, exc: Exception) -> None:
        self.errors.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@asynccontextmanager
async def relay(
    port: int,
    key: Credentials,
    *,
    transport: str = "udp",
    tls: ssl.SSLContext | None = None,
    host: str = LOOPBACK,
) -> AsyncIterator[tuple[TurnTransport, Receiver]]:
    """An address that the server lends."""
    lent, receiver = await create_turn_endpoint(
        Receiver, (host, port), key.username, key.password, ssl=tls, transport=transport
    )
    try:
        yield lent, receiver
    finally:
        lent.close()
        await receiver.lost.wait()


def write_certificate(
    path: Path,
    password: bytes | None = None,
    *,
    names: Sequence[str] = ("localhost",),
    days: float = 2,
) -> Path:
    """A certificate for the loopback and its key, in one PEM file.

    Args:
        path: the file to be written.
        password: of the key.
        names: the hosts that it is for, beside the loopback's address.
        days: until it expires; negative if it has.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName(
                [*map(x509.DNSName, names), x509.IPAddress(ip_address(LOOPBACK))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            encryption,
        )
    )
    return path
