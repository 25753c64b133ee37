"""Runs coturn as the Procfile's `turn` process; idles where no TURN server is wanted.

Its configuration is written from the settings before each start, for nobody else to
read: it holds the secret, which so is in no log and on no command line.
"""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import sys
from pathlib import Path
from typing import NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.nexus import turn
from emporium.redis_server import listen_problem, say
from emporium.security import require_secret_key

# Twice what a page sends at most, in bytes a second.
SESSION_BYTES_PER_S = 400_000
# A page asks for a relay over each way there is, from each of its networks, and those
# of a connection that broke linger for minutes.
RELAYS_PER_SESSION = 24
EVERYTHING = ("0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")


def peers() -> list[str]:
    """Our own nodes' addresses, the only ones that anything is relayed to."""
    # Imported here because it brings aiortc, and most who run this only idle.
    from apps.nexus.ice import Reach

    return settings.TURN_PEERS or Reach.from_settings().host_addresses()


def configuration() -> str:
    """What coturn reads at its start; see `turnserver --help` for the words."""
    ip, public = settings.TURN_IP, settings.TURN_MOCK_IP
    low, high = settings.TURN_PORT_UDP_FROM, settings.TURN_PORT_UDP_TO
    lines = [
        f"listening-ip={ip}",
        f"relay-ip={ip}",
        f"listening-port={settings.TURN_PORT_TCP}",
        f"min-port={low}",
        f"max-port={high}",
        "realm=hot-dog-emporium",
        "use-auth-secret",
        f"static-auth-secret={turn.secret()}",
        "fingerprint",
        "stale-nonce=600",
        f"user-quota={RELAYS_PER_SESSION}",
        f"total-quota={high - low + 1}",
        f"max-bps={SESSION_BYTES_PER_S}",
        *(f"denied-peer-ip={addresses}" for addresses in EVERYTHING),
        # What is allowed by its address is allowed in spite of what is denied.
        *(f"allowed-peer-ip={peer}" for peer in peers()),
        "no-tcp-relay",
        "no-cli",
        "no-dtls",
        "no-rfc5780",
        "no-stun-backward-compatibility",
        "response-origin-only-with-rfc5780",
        "no-software-attribute",
        f"userdb={settings.VAR_DIR / 'turnserver.sqlite3'}",
        f"pidfile={settings.VAR_DIR / 'turnserver.pid'}",
        "log-file=stdout",
    ]
    if public != ip:
        lines.append(f"external-ip={public}/{ip}")
    if ":" in ip:
        # Else it lends IPv4 addresses only, of which it has none.
        lines.append("allocation-default-address-family=keep")
    if any(peer == "::1" or peer.startswith("127.") for peer in peers()):
        lines.append("allow-loopback-peers")
    if certificate := settings.TURN_CERT_TLS:
        lines += [f"cert={certificate}", f"pkey={certificate}"]
        lines += [f"tls-listening-port={settings.TURN_PORT_TLS}"]
        lines += ["no-tlsv1", "no-tlsv1_1"]
    else:
        lines.append("no-tls")
    return "\n".join(lines) + "\n"


def refuse_what_is_impossible() -> None:
    if shutil.which("turnserver") is None:
        sys.exit(
            "TURN_IP is set, but coturn isn't installed: apt-get install coturn (on "
            "macOS: brew install coturn), or leave TURN_IP empty."
        )
    ports = [settings.TURN_PORT_TCP]
    if settings.TURN_CERT_TLS:
        ports.append(settings.TURN_PORT_TLS)
        refuse_bad_certificate(settings.TURN_CERT_TLS)
    for port in ports:
        if problem := listen_problem(settings.TURN_IP, port):
            sys.exit(
                f"coturn can't listen on port {port} ({problem}). Stop what runs "
                "there, perhaps the system's own coturn, or set TURN_PORT_TCP or "
                "TURN_PORT_TLS to a free port."
            )


def refuse_bad_certificate(path: str) -> None:
    try:
        # Nobody is there to be asked for a password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password="")
    except OSError as error:
        sys.exit(
            f"TURN_CERT_TLS={path} can't be used ({error.strerror or error}): it must "
            "be a PEM file with the certificate, its chain and its private key, "
            "which has no password."
        )


def open_private(path: Path) -> int:
    """An empty file that only we can read, whatever was there before."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def serve() -> NoReturn:
    """Become coturn."""
    refuse_what_is_impossible()
    written = settings.VAR_DIR / "turnserver.conf"
    with os.fdopen(open_private(written), "w") as file:
        file.write(configuration())
    say(
        f"coturn on {settings.TURN_IP}:{settings.TURN_PORT_TCP}, "
        "log in var/turnserver.log"
    )
    log = open_private(settings.VAR_DIR / "turnserver.log")
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    os.execvp("turnserver", ["turnserver", "-c", str(written)])


def idle(why: str) -> NoReturn:
    """Stay beside the others; honcho ends all when one ends."""
    say(why)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while True:
        signal.pause()


def main() -> NoReturn:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emporium.settings")
    try:
        if not turn.is_configured():
            idle("No TURN server runs here: TURN_IP is not set.")
        require_secret_key()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    if listen_problem(settings.TURN_IP, 0):
        idle(
            f"Pages are sent to the TURN server at {settings.TURN_MOCK_IP}: TURN_IP is "
            "no address of this machine, so none runs here."
        )
    serve()


if __name__ == "__main__":
    main()
