"""Starting the product's processes for tests: the real ones, on ports of their own.

A process that ends early or says nothing in time fails the test with its own output.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S
) -> None:
    """Ask again and again, for as long as the slowest machine needs."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not in {patience_s} s: {what}")
        time.sleep(0.05)


def run_manage(env: dict[str, str], *arguments: str) -> str:
    """`python manage.py …`, which must go well; gives what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_DEPLOY = """
from pathlib import Path
from apps.inference import registry, services
from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment
version = registry.register_version(
    name=Path({0!r}).name, family={1!r}, directory=Path({0!r})
)
deployment, created = Deployment.objects.get_or_create(
    name=DEFAULT_DEPLOYMENT, defaults=dict(active_version=version)
)
services.activate(deployment, version)
"""


class Process:
    """A process in a group of its own, its output in a file."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.command = command
        self.log = log
        self._file = log.open("ab")
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        def checked() -> object:
            if not self.is_running():
                raise AssertionError(
                    f"{self.command} ended before {what}:\n{self.output()}"
                )
            return condition()

        try:
            wait_until(checked, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from error

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._file.close()

    def terminate(self, patience_s: float = 20) -> int:
        """SIGTERM, and SIGKILL for who doesn't listen; returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            raise AssertionError(
                f"{self.command} did not end by SIGTERM:\n{self.output()}"
            ) from None
        finally:
            self._file.close()


class Product:
    """One database and one Redis, and the processes a test starts on them."""

    def __init__(self, directory: Path, redis_url: str) -> None:
        self.directory = directory
        self.redis_url = redis_url
        self.processes: dict[str, Process] = {}
        self.web_port = free_port()
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "EMPORIUM_TEST_DIR": str(directory),
            "REDIS_URL": redis_url,
            "PYTHONUNBUFFERED": "1",
        }
        self.manage("migrate", "--verbosity", "0")

    @property
    def url(self) -> str:
        return f"http://localhost:{self.web_port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://localhost:{self.web_port}/ws/session/"

    def manage(self, *arguments: str) -> str:
        return run_manage(self.env, *arguments)

    def deploy(self, directory: Path, family: str = "scripted") -> None:
        """Register the version in `directory` and make it the active one."""
        self.manage("shell", "-v", "0", "-c", _DEPLOY.format(str(directory), family))

    def start_web(self) -> Process:
        port = str(self.web_port)
        daphne = ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", port]
        process = self._start("web", [*daphne, "emporium.asgi:application"])
        process.wait_for(self._web_answers, "the web process to listen")
        return process

    def start_worker(self) -> Process:
        """`celery -A emporium worker -Q gpu`, with nothing added."""
        process = self._start(
            "worker", ["-m", "celery", "-A", "emporium", "worker", "-Q", "gpu"]
        )
        process.wait_for(lambda: "ready." in process.output(), "the worker to be ready")
        return process

    def stop(self) -> None:
        for process in self.processes.values():
            if process.is_running():
                process.terminate()

    def _start(self, name: str, arguments: list[str]) -> Process:
        log = self.directory / f"{name}.log"
        log.unlink(missing_ok=True)
        process = Process([sys.executable, *arguments], self.env, log)
        self.processes[name] = process
        return process

    def _web_answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.web_port)) == 0


@contextmanager
def running_redis(directory: Path, port: int) -> Iterator[Process]:
    """A Redis started by the product's own launcher."""
    env = {**os.environ, "REDIS_PORT": str(port), "REDIS_URL": ""}
    process = Process(
        [sys.executable, "-m", "emporium.redis_server"], env, directory / "redis.log"
    )

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    process.wait_for(answers, "Redis to listen")
    try:
        yield process
    finally:
        process.terminate()
