"""Starting processes that must come up and must end: for the bench and for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0


class ProcessError(Exception):
    """A process isn't what it should be; the text says which, and what it printed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S
) -> None:
    """Ask again and again, for as long as the slowest machine needs.

    Raises:
        TimeoutError: it needs longer than `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not in {patience_s} s: {what}")
        time.sleep(0.05)


class Process:
    """A process in a group of its own, run in this checkout, its output in a file.

    It ends by the exit of a `with`, or by one of the methods.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], log: Path
    ) -> None:
        self.command = command
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that the running process brings about.

        Raises:
            ProcessError: it has ended, or takes too long.
        """

        def checked() -> object:
            if not self.is_running():
                raise self._error(f"ended before {what}")
            return condition()

        try:
            wait_until(checked, what)
        except TimeoutError as error:
            raise self._error(str(error)) from None

    def kill(self) -> None:
        """End the process and its children without a chance to do anything more."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self, patience_s: float = 20) -> int:
        """Tell the process to end; gives its exit code.

        Raises:
            ProcessError: it did not listen, and was killed.
        """
        self.tell_to_end()
        return self.wait_for_end(patience_s)

    def tell_to_end(self) -> None:
        self._process.terminate()

    def wait_for_end(self, patience_s: float = 20) -> int:
        """Wait for what was told to end; gives its exit code.

        Raises:
            ProcessError: it did not listen, and was killed.
        """
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._error("did not end by SIGTERM") from None

    def _error(self, what: str) -> ProcessError:
        command = " ".join(self.command)
        return ProcessError(f"{command}: {what}\n{self.output()}")
