"""The product as it is deployed, for the length of a bench: its own processes, ports,
database and Redis, so that a checkout that runs beside it isn't touched.

Starts what frames pass through, by the Procfile's own commands; `jobs` is not of them.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import django
from honcho.environ import parse_procfile

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120.0
# Redis first, the worker last: it loads the model, while the web process starts.
PROCESSES = ("redis", "web", "worker")

P = ParamSpec("P")
T = TypeVar("T")


class ProductError(Exception):
    """The product did not start; the text says which process, and what it said."""


class Product:
    """Runs from the entry to the exit of a `with`.

    Args:
        directory: empty; for the database and what the processes say.
        prepare: called once in a process of its own, to deploy a model.
        settings: the settings module.
    """

    def __init__(
        self,
        directory: Path,
        prepare: Callable[[], None],
        settings: str = "emporium.settings",
    ) -> None:
        self.pids: dict[str, int] = {}
        self._directory = directory
        self._prepare = prepare
        self._running: list[subprocess.Popen[bytes]] = []
        self._port = _free_port()
        programs = Path(sys.executable).parent
        self._env = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "DJANGO_SETTINGS_MODULE": settings,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": f"sqlite:///{directory / 'emporium.sqlite3'}",
            "EMPORIUM_TEST_DIR": str(directory),
            "REDIS_URL": "",
            "REDIS_PORT": str(_free_port()),
            "HOST": "127.0.0.1",
            "PORT": str(self._port),
            "ALLOWED_HOSTS": "localhost",
            "DEBUG": "false",
            # As a worker has it, so that the predictor alone is no worse off.
            "OMP_WAIT_POLICY": "PASSIVE",
        }

    @property
    def page(self) -> str:
        return f"http://localhost:{self._port}"

    def __enter__(self) -> Self:
        try:
            self._manage("migrate", "--verbosity", "0")
            self.inside(self._prepare)
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        if error is not None:
            for name in self.pids:
                error.add_note(f"{name} said:\n{self._log(name)}")

    def inside(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a process of its own that has the product's settings.

        It may import models, but not at the top of its module, since this process
        can't: it has no settings, and no time for anything but to send and receive.
        """
        with ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up_django,
            initargs=(self._env,),
        ) as pool:
            return pool.submit(function, *args, **kwargs).result()

    def _manage(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ProductError(f"manage.py {arguments[0]} failed:\n{done.stderr}")

    def _start(self) -> None:
        commands = parse_procfile((CHECKOUT / "Procfile").read_text()).processes
        for name in PROCESSES:
            with (self._directory / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    ["sh", "-c", commands[name]],
                    cwd=CHECKOUT,
                    env=self._env,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._running.append(process)
            self.pids[name] = process.pid
        self._wait_for("web", lambda log: _listens(self._port))
        self._wait_for("worker", lambda log: "ready." in log)

    def _wait_for(self, name: str, is_up: Callable[[str], bool]) -> None:
        """Wait until a process is of use.

        Raises:
            ProductError: any of the processes has ended, or this one takes too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not is_up(self._log(name)):
            for other, process in zip(self.pids, self._running, strict=True):
                if process.poll() is not None:
                    raise ProductError(f"{other} has ended:\n{self._log(other)}")
            if time.monotonic() > deadline:
                raise ProductError(f"{name} isn't up yet:\n{self._log(name)}")
            time.sleep(0.1)

    def _log(self, name: str) -> str:
        return (self._directory / f"{name}.log").read_text(errors="replace")

    def _stop(self) -> None:
        """End the processes, last started first."""
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _set_up_django(env: Mapping[str, str]) -> None:
    # Ctrl-C is told by the bench itself; this process just ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.update(env)
    django.setup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
