"""The second half of `make run`: `honcho start`, and one block when the page answers.

Stays until everything has stopped, so it is light: knows neither Django nor torch.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import environ

from emporium.redis_server import CHECKOUT, say

POLL_S = 0.2
EVERYWHERE_OR_HERE = {"0.0.0.0", "127.0.0.1", "::", "::1"}


def answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def block(host: str, port: int, password_file: Path) -> str:
    page = f"http://{host}:{port}"
    if password_file.exists():
        login = f"admin, password {password_file.read_text().strip()}"
    else:
        login = "the account that you made"
    return f"""
    The Hot Dog Emporium is open. Ctrl-C closes it.

        Page    {page}
        Admin   {page}/admin/
        Login   {login}
"""


def main() -> None:
    environ.Env.read_env(CHECKOUT / ".env")
    host = os.environ.setdefault("HOST", "127.0.0.1")
    port = os.environ.setdefault("PORT", "8000")
    programs = Path(sys.executable).parent
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    # Told of no .env: honcho would let it overrule the environment, PORT=8001 as well.
    honcho = subprocess.Popen(["honcho", "-e", os.devnull, "start"], cwd=CHECKOUT)
    # Ctrl-C reaches honcho too, which stops everything and is waited for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: honcho.terminate())
    host = "localhost" if host in EVERYWHERE_OR_HERE else host
    while honcho.poll() is None and not answers(host, int(port)):
        time.sleep(POLL_S)
    if honcho.poll() is None:
        say(block(host, int(port), CHECKOUT / "var" / "admin-password"))
    sys.exit(honcho.wait())


if __name__ == "__main__":
    main()
