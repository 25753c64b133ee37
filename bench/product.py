"""The product as it is deployed, with ports, a database and a Redis of its own, so that
a checkout that runs beside it isn't touched.

Its processes are started by the Procfile's own commands.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import django
from honcho.environ import parse_procfile

from bench.processes import CHECKOUT, Process, ProcessError, free_port, listens

P = ParamSpec("P")
T = TypeVar("T")


class Product:
    """Has an empty database from the entry of a `with`, and no process after its exit.

    Args:
        directory: empty; for the database and what the processes say.
        settings: the settings module.
        redis_url: of a Redis that runs already; without it the product's own can be
            started, as `redis`.
        database: an SQLite file to begin with a copy of; without it `migrate` makes
            an empty one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        settings: str = "emporium.settings",
        redis_url: str = "",
        database: Path | None = None,
    ) -> None:
        self.directory = directory
        self.database = directory / "emporium.sqlite3"
        self._begins_with = database
        self.processes: dict[str, Process] = {}
        self.port = free_port()
        self._ports = {"web": self.port, "redis": free_port(), "turn": free_port()}
        programs = Path(sys.executable).parent
        self.env = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": settings,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "EMPORIUM_TEST_DIR": str(directory),
            "REDIS_URL": redis_url,
            "REDIS_PORT": str(self._ports["redis"]),
            "TURN_PORT_TCP": str(self._ports["turn"]),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "ALLOWED_HOSTS": "localhost",
            "DEBUG": "false",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def __enter__(self) -> Self:
        if self._begins_with is None:
            self.manage("migrate", "--verbosity", "0")
        else:
            shutil.copy(self._begins_with, self.database)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for name, process in self.processes.items():
                error.add_note(f"{name} said:\n{process.output()}")
        self.stop()

    def manage(self, *arguments: str) -> str:
        """`python manage.py …`; gives what it printed.

        Raises:
            ProcessError: it failed.
        """
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ProcessError(f"manage.py {arguments[0]} failed:\n{done.stderr}")
        return done.stdout

    def inside(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a process of its own that has the product's settings.

        It may import models, but not at the top of its module, since this process
        can't: it has no settings, and no time for anything but to send and receive.
        """
        with ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up_django,
            initargs=(self.env,),
        ) as pool:
            return pool.submit(function, *args, **kwargs).result()

    def start(
        self,
        name: str,
        *arguments: str,
        label: str = "",
        port: int | None = None,
    ) -> Process:
        """Start a process of the Procfile, and wait until it is of use.

        Args:
            name: the Procfile's.
            arguments: more of them than the Procfile has.
            label: what it is called in `processes`, where there are several of a name.
            port: on which a web process listens, if not on the product's.

        Raises:
            ProcessError: it ended, or takes too long.
        """
        return self._begin(name, *arguments, label=label, port=port)()

    def start_all(self, *names: str) -> None:
        """Start processes of the Procfile side by side, and wait until all are of use.

        Raises:
            ProcessError: one ended, or takes too long.
        """
        for wait_for in [self._begin(name) for name in names]:
            wait_for()

    def _begin(
        self, name: str, *arguments: str, label: str = "", port: int | None = None
    ) -> Callable[[], Process]:
        """As `start`, but what it gives is still to wait."""
        commands = parse_procfile((CHECKOUT / "Procfile").read_text()).processes
        label = label or name
        port = port or self._ports.get(name)
        env = {**self.env, "PORT": str(port)} if name == "web" else self.env
        process = Process(
            ["sh", "-c", " ".join([commands[name], *arguments])],
            env,
            self.directory / f"{label}.log",
        )
        self.processes[label] = process

        def wait_until_of_use() -> Process:
            if port is not None:
                process.wait_for(lambda: listens(port), "it listened")
            else:
                process.wait_for(lambda: "ready." in process.output(), "it was ready")
            return process

        return wait_until_of_use

    def stop(self) -> None:
        """End the processes side by side, and then the Redis that they end with.

        Raises:
            ProcessError: the first that had to be killed; the others have ended, too.
        """
        redis = self.processes.get("redis")
        others = [each for each in self.processes.values() if each is not redis]
        errors = []
        for together in (others, [redis] if redis else []):
            for process in together:
                process.tell_to_end()
            for process in together:
                try:
                    process.wait_for_end()
                except ProcessError as error:
                    errors.append(error)
        if errors:
            raise errors[0]


def _set_up_django(env: Mapping[str, str]) -> None:
    # Ctrl-C is told by the bench itself; this process just ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.update(env)
    django.setup()
