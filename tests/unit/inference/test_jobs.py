"""A job is taken once, ends with a word, and begins anew if its worker is gone."""

from __future__ import annotations

import math
import signal
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection, connections
from django.utils import timezone

from apps.inference import jobs
from apps.inference.exceptions import InferenceError
from apps.inference.jobs import doing, overseeing
from apps.inference.models import Job

State = Job.State
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Each bell adds one."""
    bells: list[None] = []
    monkeypatch.setattr(jobs, "ring", lambda: bells.append(None))
    return bells


def job_as(state: str, *, silent_s: float = 0, **columns: object) -> Job:
    return Job.objects.create(
        kind="waits",
        state=state,
        last_seen_at=timezone.now() - timedelta(seconds=silent_s),
        **columns,
    )


def test_one_that_is_asked_for_waits_and_rings(
    rung: list[None], django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        job = jobs.request("waits", {"until": "x"})
    assert (job.state, job.parameters, len(rung)) == (State.WAITING, {"until": "x"}, 1)


def test_a_kind_that_nobody_knows_is_refused():
    with pytest.raises(InferenceError, match="no kind of job called 'nonsense'"):
        jobs.request("nonsense", {})
    assert not Job.objects.exists()


def test_the_longest_waiting_is_taken_and_nobody_else_takes_it():
    second = job_as(State.WAITING)
    first = job_as(
        State.WAITING, requested_at=timezone.now() - timedelta(minutes=1), progress=0.5
    )
    taken = jobs.take_next()
    assert taken == first
    assert (taken.state, taken.attempts, taken.progress) == (State.RUNNING, 1, 0)
    assert not jobs.take(first)
    assert jobs.take_next() == second
    assert jobs.take_next() is None


def test_one_that_waits_is_cancelled_at_once():
    job = jobs.request("waits", {})
    jobs.cancel(job)
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert job.reason == "It was cancelled before it began."
    assert job.finished_at
    with pytest.raises(InferenceError, match="is over already"):
        jobs.cancel(job)
    assert jobs.take_next() is None


def test_one_that_runs_stops_where_it_tells_how_far_it_is(tmp_path: Path):
    jobs.request("waits", {"begun": str(tmp_path / "b"), "until": str(tmp_path / "u")})
    job = jobs.take_next()
    assert job
    jobs.cancel(job)
    doing.do(job)
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.CANCELLED, "It was cancelled.")


def test_a_lost_one_begins_anew(rung: list[None]):
    job = job_as(State.RUNNING, silent_s=60, attempts=2, progress=0.7, step="Working.")
    alive = job_as(State.RUNNING, silent_s=5, attempts=1)

    assert jobs.revive_lost() == 1

    job.refresh_from_db()
    assert (job.state, job.progress, job.step) == (State.WAITING, 0, "")
    alive.refresh_from_db()
    assert alive.state == State.RUNNING
    # Whoever is at the other rings for it by itself.
    assert rung == []


def test_one_that_is_lost_again_and_again_is_failed():
    job = job_as(State.RUNNING, silent_s=60, attempts=jobs.MOST_ATTEMPTS)
    assert jobs.revive_lost() == 1
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert job.reason == (
        "Its worker went down 3 times, each time without a word: perhaps memory is"
        " short."
    )
    assert job.finished_at


def test_a_lost_one_that_is_being_cancelled_is_over():
    job = job_as(State.RUNNING, silent_s=60, attempts=1, is_cancelling=True)
    assert jobs.revive_lost() == 1
    job.refresh_from_db()
    assert job.state == State.CANCELLED


def test_a_lost_message_is_sent_again(rung: list[None]):
    job_as(State.WAITING)
    assert jobs.revive_lost() == 0
    assert len(rung) == 1


def test_what_an_older_attempt_says_is_not_written(tmp_path: Path):
    old = job_as(State.WAITING)
    assert jobs.take(old)
    Job.objects.update(state=State.WAITING)
    new = jobs.take_next()
    assert new
    assert new.attempts == 2

    with pytest.raises(jobs.CancelledError):
        doing.RowProgress(old).tell(0.9, "Too late.")
    jobs.finish(old, State.DONE, result={"of": "the old"})

    new.refresh_from_db()
    assert (new.state, new.step, new.result) == (State.RUNNING, "", {})


def test_a_database_that_is_away_for_a_moment_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    job = job_as(State.WAITING)
    assert jobs.take(job)
    progress = doing.RowProgress(job)

    def refuse(job: Job) -> None:
        raise DatabaseError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "of_attempt", refuse)
        progress.tell(0.5, "Training.")
    assert "database is locked" in caplog.text
    progress.tell(0.6, "Training.")
    job.refresh_from_db()
    assert (job.progress, job.step) == (0.6, "Training.")


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_breaks_is_made_anew(caplog: pytest.LogCaptureFixture):
    job = job_as(State.WAITING)
    assert jobs.take(job)
    progress = doing.RowProgress(job)
    connection.connection.close()
    progress.tell(0.5, "Training.")
    assert "can't be said" in caplog.text
    progress.tell(0.6, "Training.")
    job.refresh_from_db()
    assert (job.progress, job.step) == (0.6, "Training.")


@pytest.mark.django_db(transaction=True)
def test_what_came_of_it_is_written_though_the_connection_has_broken():
    jobs.request("is_cut_off", {})
    job = jobs.take_next()
    assert job
    doing.do(job)
    job.refresh_from_db()
    assert job.state == State.DONE


@pytest.fixture
def is_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], bool]], None]:
    """Have the database refuse connections for as long as something is true."""

    def begin(is_still: Callable[[], bool]) -> None:
        wrapper = type(connections["default"])
        connect = wrapper.connect

        def refuse(self: Any) -> None:
            if is_still():
                raise OperationalError("the database system is starting up")
            connect(self)

        monkeypatch.setattr(wrapper, "connect", refuse)
        monkeypatch.setattr(jobs, "INSISTS_EVERY_S", 0)
        connection.close()

    return begin


@pytest.mark.django_db(transaction=True)
def test_what_came_of_it_is_written_once_the_database_is_back(
    is_away: Callable[[Callable[[], bool]], None],
):
    job = job_as(State.WAITING)
    assert jobs.take(job)
    tries = iter([True, True, True])
    is_away(lambda: next(tries, False))
    jobs.finish(job, State.DONE, result={"of": "the job"})
    job.refresh_from_db()
    assert (job.state, job.result) == (State.DONE, {"of": "the job"})


@pytest.mark.django_db(transaction=True)
def test_who_oversees_it_goes_on_where_the_connection_has_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    until = tmp_path / "until"
    waits = f"until [ -e {until} ]; do sleep 0.02; done"
    monkeypatch.setattr(overseeing, "command", lambda job: ["sh", "-c", waits])
    job = job_as(State.WAITING)
    assert jobs.take(job)
    looks: list[Job] = []

    def told(row: Job) -> None:
        looks.append(row)
        if len(looks) == 1:
            connection.connection.close()
        else:
            until.touch()

    overseeing.oversee(job, told)
    assert len(looks) > 1
    assert (job.state, job.reason) == (
        State.FAILED,
        "The process stopped early; the log says why.",
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes of jobs."""
    processes: list[subprocess.Popen[bytes]] = []

    class Started(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Started)
    return processes


@pytest.mark.django_db(transaction=True)
def test_who_cannot_say_that_it_is_at_it_ends_its_process_and_gives_it_back(
    is_away: Callable[[Callable[[], bool]], None],
    monkeypatch: pytest.MonkeyPatch,
    started: list[subprocess.Popen[bytes]],
    rung: list[None],
):
    monkeypatch.setattr(overseeing, "command", lambda job: ["sleep", "3600"])
    monkeypatch.setattr(jobs, "LOST_AFTER", timedelta(0))
    job = job_as(State.WAITING)
    assert jobs.take(job)
    is_away(lambda: not started or started[0].returncode is None)

    overseeing.oversee(job)

    assert started[0].returncode == -signal.SIGKILL
    assert (job.state, job.attempts, len(rung)) == (State.WAITING, 0, 1)


def test_a_worker_that_is_to_end_waits_for_no_job_that_was_cancelled(
    monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
):
    monkeypatch.setattr(overseeing, "stopping", threading.Event())
    monkeypatch.setattr(overseeing, "CANCEL_PATIENCE_S", math.inf)
    monkeypatch.setattr(overseeing, "command", lambda job: ["sleep", "60"])
    job = job_as(State.WAITING)
    assert jobs.take(job)

    def told(row: Job) -> None:
        if row.is_cancelling:
            overseeing.stopping.set()
        else:
            jobs.cancel(row)

    overseeing.oversee(job, told)

    assert started[0].returncode == -signal.SIGKILL
    assert (job.state, job.reason) == (State.CANCELLED, "It was cancelled.")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("refuses", "The pictures are of something else."),
        ("breaks", "It failed in a way nobody foresaw; the log says how."),
        ("fills_the_disk", "The disk refused: No space left on device."),
    ],
)
def test_one_that_fails_says_why(kind: str, reason: str):
    jobs.request(kind, {})
    job = jobs.take_next()
    assert job
    doing.do(job)
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.FAILED, reason)


def test_a_kind_that_this_worker_does_not_know_fails():
    Job.objects.create(kind="of tomorrow")
    job = jobs.take_next()
    assert job
    doing.do(job)
    job.refresh_from_db()
    assert job.reason == "There is no kind of job called 'of tomorrow'."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "7"), "There is no job 7"),
        (("cancel", "7"), "There is no job 7"),
    ],
)
def test_a_job_that_is_not_there(arguments: tuple[str, ...], sentence: str):
    with pytest.raises(CommandError, match=sentence):
        call_command("jobs", *arguments)


def test_one_that_does_not_wait_is_not_run():
    job = job_as(State.DONE)
    with pytest.raises(CommandError, match="doesn't wait: it is done"):
        call_command("jobs", "run", str(job.pk))


def test_the_list_says_how_each_stands(capsys: pytest.CaptureFixture[str]):
    job_as(State.RUNNING, progress=0.25, step="Training.")
    job_as(State.FAILED, reason="The disk refused.")
    about = job_as(State.DONE, parameters={"what": "scripted on cups"})
    call_command("jobs", "list")
    said = capsys.readouterr().out
    assert f"{about.pk} {about.kind} scripted on cups  done" in said
    assert "25% Training." in said
    assert "The disk refused." in said


def test_a_process_that_cannot_be_started_fails_the_job(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(overseeing, "command", lambda job: ["/nowhere/python"])
    job = job_as(State.WAITING)
    assert jobs.take(job)
    overseeing.oversee(job)
    assert job.state == State.FAILED
    assert job.reason == "The machine could not start it: No such file or directory."
