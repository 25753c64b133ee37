"""The second half of `make run`: `honcho start`, and one block when the page is of use.

Stays until everything has stopped, so it is light: knows neither Django nor torch.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from emporium.redis_server import CHECKOUT, read_env_file, say

POLL_S = 0.2
STOPPED_BY_US = 128 + signal.SIGTERM
EVERYWHERE_OR_HERE = {"0.0.0.0", "127.0.0.1", "::", "::1"}


def is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
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


def announce(host: str, port: int) -> None:
    host = "localhost" if host in EVERYWHERE_OR_HERE else host
    while not is_ready(host, port):
        time.sleep(POLL_S)
    say(block(host, port, CHECKOUT / "var" / "admin-password"))


def read(pipe: int) -> bytes:
    try:
        return os.read(pipe, 65_536)
    except OSError:  # how a pseudo-terminal says that nobody writes any more
        return b""


def run_honcho() -> int:
    """Run the Procfile until it ends or someone ends it, and give its exit status.

    honcho can't stop its processes once the terminal that it writes to is gone. So it
    writes to us, is out of reach of the terminal's signals, and is told to stop for any
    reason that we have to.
    """
    # A pseudo-terminal where we have a terminal, so that names keep their colours.
    reader, writer = os.openpty() if sys.stdout.isatty() else os.pipe()
    honcho: subprocess.Popen[bytes] | None = None
    told_to_stop = False

    def stop(*_: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True
        if honcho is not None:
            honcho.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    honcho = subprocess.Popen(
        # Given no .env: honcho would let it overrule the environment, so PORT=8001.
        ["honcho", "-e", os.devnull, "start"],
        cwd=CHECKOUT,
        stdout=writer,
        stderr=writer,
        start_new_session=True,
    )
    os.close(writer)
    if told_to_stop:  # while it was being started
        honcho.terminate()
    while output := read(reader):
        try:
            os.write(sys.stdout.fileno(), output)
        except OSError:
            honcho.terminate()
    return honcho.wait()


def main() -> None:
    read_env_file()
    host = os.environ.setdefault("HOST", "127.0.0.1")
    port = os.environ.setdefault("PORT", "8000")
    programs = Path(sys.executable).parent
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    threading.Thread(target=announce, args=(host, int(port)), daemon=True).start()
    status = run_honcho()
    sys.exit(0 if status == STOPPED_BY_US else status)


if __name__ == "__main__":
    main()
