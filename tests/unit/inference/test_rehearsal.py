"""What a process that loads a version comes to, its worker says in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.inference.exceptions import InferenceError
from apps.inference.models import ModelVersion, RegisteredModel
from apps.inference.serving import rehearsal
from apps.inference.serving.rehearsal import rehearse

VERSION = ModelVersion(pk=1, model=RegisteredModel(name="boxes"), version="1")
SLEEPS = "import time; print('started', flush=True); time.sleep(600)"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """The processes that a test's own program was started in."""
    processes: list[subprocess.Popen[str]] = []

    class Watched(subprocess.Popen[str]):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    return processes


def run(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(
        rehearsal, "command", lambda version: [sys.executable, "-c", program]
    )
    rehearse(VERSION, lambda: False)


def test_one_that_goes_well_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "import sys; print('some warning', file=sys.stderr)")


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (
            "import sys; print('noise\\nCommandError: The head is missing.',"
            f" file=sys.stderr); sys.exit({rehearsal.REFUSED})",
            "The head is missing.",
        ),
        (
            "import os; os.abort()",
            "It kills whoever loads it; perhaps memory is short.",
        ),
        ("raise ValueError", "Loading it failed; the worker's log says why."),
    ],
)
def test_one_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, program: str, sentence: str
) -> None:
    with pytest.raises(InferenceError) as error:
        run(monkeypatch, program)
    assert str(error.value) == sentence


def test_one_that_nobody_waits_for_is_ended(
    monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[str]]
) -> None:
    monkeypatch.setattr(
        rehearsal, "command", lambda version: [sys.executable, "-c", SLEEPS]
    )
    rehearse(VERSION, lambda: True)
    assert [process.returncode for process in started] == [-9]


@pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="sessions aren't scheduled here"
)
def test_one_that_takes_long_gets_its_full_share(
    monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[str]]
) -> None:
    """Whoever answers has the processor first, but nobody waits for ever."""
    behind = "import django; django.setup(); " + (
        "from apps.inference.serving import rehearsal; "
        "rehearsal.stand_behind_live_frames(); "
    )
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    monkeypatch.setattr(
        rehearsal, "command", lambda version: [sys.executable, "-c", behind + SLEEPS]
    )
    seen: list[str] = []

    def is_over() -> bool:
        niceness = autogroup(started[0].pid)
        if niceness == str(rehearsal.NICENESS):
            monkeypatch.setattr(rehearsal, "STANDS_BEHIND_S", 0.0)
        if not seen or seen[-1] != niceness:
            seen.append(niceness)
        return seen[-2:] == [str(rehearsal.NICENESS), "0"]

    monkeypatch.setattr(rehearsal, "LIMIT_S", 60.0)
    rehearse(VERSION, is_over)
    assert seen[-2:] == [str(rehearsal.NICENESS), "0"]


def autogroup(pid: int) -> str:
    return Path(f"/proc/{pid}/autogroup").read_text().split()[-1]


def test_one_that_never_ends_is_ended(
    monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[str]]
) -> None:
    monkeypatch.setattr(rehearsal, "LIMIT_S", 0.0)
    with pytest.raises(InferenceError, match="longer than half an hour"):
        run(monkeypatch, SLEEPS)
    assert [process.returncode for process in started] == [-9]


STANDS_BEHIND = """
import os
from pathlib import Path
import django
django.setup()
from apps.inference.serving.rehearsal import stand_behind_live_frames
stand_behind_live_frames()
autogroup = Path("/proc/self/autogroup")
print(os.nice(0), autogroup.read_text().split()[-1] if autogroup.exists() else "none")
"""


@pytest.mark.parametrize(
    ("has_its_own_session", "autogroup"), [(True, "10"), (False, "0")]
)
def test_it_stands_behind_live_frames_and_takes_nobody_with_it(
    has_its_own_session: bool, autogroup: str
) -> None:
    inner = [sys.executable, "-c", STANDS_BEHIND]
    script = f"import subprocess; subprocess.run({inner!r}, check=True)"
    # What asks without a session of its own is in that of this other process.
    done = subprocess.run(
        inner if has_its_own_session else [sys.executable, "-c", script],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    niceness, seen = done.stdout.split()
    assert int(niceness) >= 10
    assert seen in {autogroup, "none"}
