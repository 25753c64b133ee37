"""`make run` in a copy of the checkout: what a newcomer types, and what is answered."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from redis import Redis

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench.clip import encode
from bench.processes import CHECKOUT, Process, ProcessError, free_port, wait_until
from bench.sender import Sender
from emporium.redis_server import default_port

NEEDED = ("apps", "emporium", "requirements", "static", "templates")
TYPED = (".env.example", "Makefile", "Procfile", "manage.py")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout beside this one, with the same packages installed."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in NEEDED:
        shutil.copytree(
            CHECKOUT / name,
            checkout / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in TYPED:
        shutil.copy(CHECKOUT / name, checkout)
    (checkout / ".venv").symlink_to(sys.prefix)
    return checkout


def newcomers_env(**env: str) -> dict[str, str]:
    """Nothing of the tests' own settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME")} | env


def group_has_ended(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False


class Run:
    """`make run`, open, in a process group as a terminal would make one."""

    def __init__(self, checkout: Path, log: Path) -> None:
        self.groups: dict[str, int] = {}
        self.port = free_port()
        self.process = Process(
            ["make", "-C", str(checkout), "run", f"PORT={self.port}"],
            newcomers_env(),
            log,
        )

    def __enter__(self) -> Self:
        try:
            self.process.wait_for(
                lambda: "Login" in self.process.output(), "the Emporium opened"
            )
        except ProcessError:
            self.__exit__()
            raise
        started = re.findall(r"(\w+)\.1 +started \(pid=(\d+)\)", self.process.output())
        # honcho makes each the leader of a process group, which its children are in.
        self.groups = {name: int(pid) for name, pid in started}
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.is_running():
            self.press_ctrl_c()

    def status_of(self, path: str) -> int:
        with closing(http.client.HTTPConnection("localhost", self.port)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    def said(self, pattern: str) -> str:
        match = re.search(pattern, self.process.output())
        assert match, self.process.output()
        return match.group(1)

    def press_ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        self.wait_until_closed()

    def wait_until_closed(self) -> None:
        wait_until(lambda: not self.process.is_running(), "make to end")
        for name, leader in self.groups.items():
            wait_until(partial(group_has_ended, leader), f"{name} to end")


@pytest.fixture
def run(checkout: Path, tmp_path: Path) -> Iterator[Run]:
    with Run(checkout, tmp_path / "run.log") as run:
        yield run


def test_one_command_opens_the_emporium_and_ctrl_c_closes_all_of_it(
    run: Run, checkout: Path, tmp_path: Path
) -> None:
    assert run.said(r"Page +(\S+)") == f"http://localhost:{run.port}"
    assert run.said(r"Admin +(\S+)") == f"http://localhost:{run.port}/admin/"
    password = run.said(r"Login +admin, password (\S+)")
    assert run.status_of("/") == 200
    assert run.status_of("/admin/login/") == 200
    with Redis(port=default_port(checkout)) as redis:
        assert redis.ping()
    assert set(run.groups) == {
        "web",
        "worker",
        "shadow",
        "jobs",
        "housekeeping",
        "redis",
        "turn",
    }
    assert not any(map(group_has_ended, run.groups.values()))

    run.press_ctrl_c()
    assert "Error" not in run.process.output()

    with Run(checkout, tmp_path / "again.log") as again:
        assert again.said(r"Login +admin, password (\S+)") == password


async def test_ctrl_c_while_somebody_is_watching_is_as_quiet(run: Run) -> None:
    """Each process ends before the Redis that it uses."""
    clip = encode(render_clip([Segment(HOT_DOG, 1.0)]), "vp8")
    async with Sender(f"http://localhost:{run.port}", clip) as sender:
        await sender.results(5)
        await asyncio.to_thread(run.press_ctrl_c)
    output = run.process.output()
    assert not re.search("Traceback|ERROR|CRITICAL|SIGKILL", output), output


def test_the_end_of_one_process_ends_all_and_is_told(run: Run) -> None:
    os.kill(run.groups["redis"], signal.SIGKILL)
    run.wait_until_closed()
    assert "redis.1 stopped (rc=-9)" in run.process.output()


def refusal(checkout: Path, **env: str) -> str:
    """What stands there when `make run` gives up before it starts anything."""
    done = subprocess.run(
        [sys.executable, "-m", "emporium.prepare"],
        cwd=checkout,
        env=newcomers_env(**env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "70000"),
        ("REDIS_PORT", "none"),
        ("REDIS_URL", "ftp://example.org"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"),
        ("DATABASE_URL", "postgres://me:s3cret@127.0.0.1:port/x"),
        ("DATABASE_URL", "postgresql+psycopg://me:s3cret@127.0.0.1/x"),
        ("REDIS_URL", "redis://:s3cret@127.0.0.1:abc/0"),
        ("REDIS_URL", "redis://127.0.0.1:6379/notadb"),
        ("REDIS_URL", "redis://"),
        ("ALLOWED_HOSTS", "https://example.org"),
        ("ALLOWED_HOSTS", "example.org:8000"),
        ("CSRF_TRUSTED_ORIGINS", "example.org"),
        ("TRUST_PROXY_HEADERS", "perhaps"),
        ("AGE_BUDGET_MS", "0"),
        ("FRAME_MAX_SIDE", "100000"),
        ("CONNECT_TIMEOUT_S", "soon"),
        ("RESUME_GRACE_S", "1"),
        ("DRAIN_TIMEOUT_S", "-1"),
        ("NEXUS_ADDRESSES", "127.0.0.1,localhost"),
        ("NEXUS_ADDRESSES", "0.0.0.0"),
        ("NEXUS_ADDRESSES", "fe80::1%eth0"),
        ("NEXUS_PUBLIC_IP", "emporium.example.org"),
        ("NEXUS_PUBLIC_IP", "192.0.2.1,192.0.2.2"),
        ("NEXUS_UDP_PORTS", "50000"),
        ("NEXUS_UDP_PORTS", "50199-50000"),
        ("NEXUS_UDP_PORTS", "80-90"),
        ("NEXUS_UDP_PORTS", "50000-70000"),
        ("LOG_LEVEL", "loud"),
        ("SECRET_KEY", ""),
        ("DEBUG", "perhaps"),
        ("EMPORIUM_BATCH_SIZE", "65"),
    ],
)
def test_an_impossible_setting_is_told_in_one_sentence(
    checkout: Path, name: str, value: str
) -> None:
    said = refusal(checkout, **{name: value})
    assert name in said
    assert "Traceback" not in said
    assert "s3cret" not in said


@pytest.mark.parametrize("command", ["migrate", "models", "runserver"])
def test_an_impossible_setting_is_told_by_each_command(
    checkout: Path, command: str
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=checkout,
        env=newcomers_env(AGE_BUDGET_MS="0"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "AGE_BUDGET_MS" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "cure"), [("PORT", "make run PORT="), ("REDIS_PORT",) * 2]
)
def test_a_taken_port_is_told_with_its_cure(
    checkout: Path, name: str, cure: str
) -> None:
    ports = {"PORT": str(free_port()), "REDIS_PORT": str(free_port())}
    with socket.create_server(("127.0.0.1", int(ports[name]))):
        said = refusal(checkout, **ports)
    assert ports[name] in said
    assert cure in said
    assert said.count("\n") == 1


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "requirements", tmp_path / "requirements")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cat", "cmp", "dirname", "grep", "id"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        [str(shutil.which("sh")), "requirements/install.sh", "base"],
        cwd=tmp_path,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("Python 3.11 or newer is needed")
    assert done.stderr.count("\n") == 1
