"""Whatever becomes of its job, a version says so, and is never added for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django import Settings

from apps.inference import jobs
from apps.inference.engines import TORCH_CPU
from apps.inference.exceptions import InferenceError
from apps.inference.jobs import doing, overseeing
from apps.inference.models import Deployment, Job, ModelVersion
from apps.inference.registering import adding, asking
from apps.inference.registering.registry import STARTER_MODELS
from apps.inference.verifying import verification

# What is removed waits for the commit.
pytestmark = pytest.mark.django_db(transaction=True)
State = ModelVersion.State
STARTER = Path(django_settings.BASE_DIR) / STARTER_MODELS / "starter-classifier"
Find = Callable[[], set[Path]]


@pytest.fixture(autouse=True)
def places(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verified on the reference alone: engines are tested elsewhere."""
    settings.MODELS_DIR = tmp_path / "models"
    monkeypatch.setattr(verification, "engines_to_try", lambda *_: [TORCH_CPU])
    monkeypatch.setattr(jobs, "ring", lambda: None)


@pytest.fixture
def files(tmp_path: Path) -> Find:
    return lambda: {path for path in tmp_path.rglob("models/**/*") if path.is_file()}


@pytest.fixture
def version() -> ModelVersion:
    """One that is being added, from a folder that anybody may keep."""
    version = asking.request_version("mine", f"file:{STARTER}")
    asking.add(version)
    return version


@pytest.fixture
def uploaded(tmp_path: Path) -> ModelVersion:
    """One that is being added, from a file that nobody can read as a model."""
    upload = tmp_path / "models" / "uploads" / "f00" / "best.pt"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"no checkpoint")
    version = asking.request_version("mine", f"file:{upload}")
    asking.add(version)
    return version


@pytest.fixture
def answering(version: ModelVersion, deployment: Deployment) -> ModelVersion:
    """One that answers, and is being verified anew."""
    doing.do(taken())
    deployment.active_version = version
    deployment.save()
    version.refresh_from_db()
    asking.verify(version)
    return version


def taken() -> Job:
    job = jobs.take_next()
    assert job
    return job


def lose(job: Job) -> None:
    """As housekeeping does once a worker hasn't said a word for long."""
    Job.objects.update(last_seen_at=timezone.now() - 2 * jobs.LOST_AFTER)
    assert jobs.revive_lost() == 1


def half_written(version: ModelVersion) -> Path:
    """What a process that was killed has left."""
    path = version.staging / "0" / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    return path


def outcome(row: ModelVersion) -> tuple[str, str]:
    row.refresh_from_db()
    return row.state, row.reason


def test_an_upload_that_waits_is_cancelled(uploaded: ModelVersion, files: Find):
    jobs.cancel(Job.objects.get())
    assert outcome(uploaded) == (State.FAILED, "It was cancelled before it began.")
    assert files() == set()
    with pytest.raises(InferenceError, match="upload it anew"):
        asking.add(uploaded)


@pytest.mark.parametrize("words", ["Fetching", "Examining", "Registering"])
def test_one_that_is_cancelled_at_work_leaves_nothing_and_may_be_added_again(
    version: ModelVersion, files: Find, monkeypatch: pytest.MonkeyPatch, words: str
):
    tell = doing.RowProgress.tell

    def cancel(progress: doing.RowProgress, share: float, said: str) -> None:
        if said.startswith(words):
            jobs.cancel(progress.job)
        tell(progress, share, said)

    with monkeypatch.context() as patch:
        patch.setattr(doing.RowProgress, "tell", cancel)
        doing.do(taken())
    assert outcome(version) == (State.FAILED, "It was cancelled.")
    assert files() == set()

    asking.add(version)
    doing.do(taken())
    assert outcome(version) == (State.VERIFIED, "")


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Have something happen when a version is about to be registered."""
    register = adding._register

    def happen(act: Callable[[], Any]) -> None:
        def acting(*arguments: Any) -> None:
            act()
            register(*arguments)

        monkeypatch.setattr(adding, "_register", acting)

    return happen


def test_a_cancellation_that_comes_too_late_changes_nothing(
    version: ModelVersion, meanwhile: Callable[[Callable[[], Any]], None]
):
    job = taken()
    meanwhile(lambda: jobs.cancel(job))
    doing.do(job)
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert outcome(version) == (State.VERIFIED, "")


def test_what_is_over_is_not_registered_any_more(
    version: ModelVersion,
    files: Find,
    meanwhile: Callable[[Callable[[], Any]], None],
):
    job = taken()
    meanwhile(lambda: jobs.finish(job, Job.State.CANCELLED, reason="Not wanted."))
    doing.do(job)
    job.refresh_from_db()
    assert (job.state, job.reason) == (Job.State.CANCELLED, "Not wanted.")
    assert outcome(version) == (State.FAILED, "Not wanted.")
    assert files() == set()


def test_what_a_terminal_adds_is_not_registered_once_a_job_has_it(
    meanwhile: Callable[[Callable[[], Any]], None],
):
    version = asking.request_version("mine", f"file:{STARTER}")
    meanwhile(lambda: asking.add(version))
    with pytest.raises(InferenceError, match="isn't wanted any more"):
        adding.bring_in(version)
    assert outcome(version) == (State.ADDING, "")
    assert version.sha256 == ""


def test_one_whose_worker_is_gone_begins_anew(version: ModelVersion, files: Find):
    job = taken()
    half_written(version)
    lose(job)
    assert outcome(version) == (State.ADDING, "")
    doing.do(taken())
    assert outcome(version) == (State.VERIFIED, "")
    assert {path.parent for path in files()} == {version.path}


def test_a_process_that_was_thought_dead_takes_nothing_from_the_next(
    uploaded: ModelVersion, files: Find
):
    first = taken()
    lose(first)
    second = taken()
    written = half_written(uploaded)
    before = files()
    doing.do(first)
    assert outcome(uploaded) == (State.ADDING, "")
    assert files() == before - {written}  # a try begins with an empty folder
    doing.do(second)
    assert outcome(uploaded)[0] == State.FAILED
    assert "isn't one that PyTorch saved" in uploaded.reason
    assert files() == set()


def test_one_that_was_killed_once_it_was_registered_is_done(
    version: ModelVersion, files: Find
):
    job = taken()
    version.refresh_from_db()
    adding.bring_in(version)
    before = files()
    lose(job)
    again = taken()
    doing.do(again)
    again.refresh_from_db()
    assert again.state == Job.State.DONE
    assert again.result["version"] == version.pk
    assert outcome(version) == (State.VERIFIED, "")
    assert files() == before


def test_one_that_is_lost_again_and_again_is_failed(
    uploaded: ModelVersion, files: Find
):
    half_written(uploaded)
    for _ in range(jobs.MOST_ATTEMPTS):
        lose(taken())
    state, reason = outcome(uploaded)
    assert state == State.FAILED
    assert reason.startswith("Its worker went down 3 times")
    assert files() == set()
    assert not uploaded.staging.exists()


def test_one_whose_process_cannot_be_started_is_failed(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(overseeing, "command", lambda job: ["/nowhere/python"])
    overseeing.oversee(taken())
    assert outcome(version) == (
        State.FAILED,
        "The machine could not start it: No such file or directory.",
    )


def test_one_that_ends_without_a_word_is_failed(
    version: ModelVersion, files: Find, monkeypatch: pytest.MonkeyPatch
):
    half_written(version)
    monkeypatch.setattr(overseeing, "command", lambda job: ["sh", "-c", "kill -9 $$"])
    overseeing.oversee(taken())
    reason = "The process was killed; perhaps memory is short."
    assert outcome(version) == (State.FAILED, reason)
    assert files() == set()


def test_a_job_of_before_fails_nothing_that_is_asked_for_again(version: ModelVersion):
    first = taken()
    Job.objects.update(state=Job.State.FAILED)
    asking.fail_version(version, "Once.")
    asking.add(version)
    Job.objects.filter(pk=first.pk).update(state=Job.State.RUNNING)
    jobs.finish(first, Job.State.FAILED, reason="Of before.")
    assert outcome(version) == (State.ADDING, "")


@pytest.mark.parametrize("begins", [False, True])
def test_verifying_that_is_cancelled_says_nothing_of_the_version(
    answering: ModelVersion, deployment: Deployment, begins: bool
):
    job = taken() if begins else Job.objects.get(kind="verify")
    jobs.cancel(job)
    if begins:
        doing.do(job)
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert outcome(answering) == (State.VERIFIED, "")
    assert not answering.is_under_way


def test_verifying_that_kills_its_process_fails_the_version_which_stays_active(
    answering: ModelVersion, deployment: Deployment
):
    before = answering.path.exists()
    job = taken()
    jobs.finish(job, Job.State.FAILED, reason="The process was killed.")
    assert outcome(answering) == (State.FAILED, "The process was killed.")
    deployment.refresh_from_db()
    assert deployment.active_version == answering
    assert answering.path.exists() is before is True


def test_what_was_verified_before_its_process_was_killed_is_verified(
    answering: ModelVersion,
):
    job = taken()
    adding.verify(answering)
    jobs.finish(job, Job.State.FAILED, reason="The process was killed.")
    assert outcome(answering) == (State.VERIFIED, "")


def test_one_that_fails_is_verified_anew(answering: ModelVersion):
    jobs.finish(taken(), Job.State.FAILED, reason="The process was killed.")
    asking.verify(answering)
    doing.do(taken())
    assert outcome(answering) == (State.VERIFIED, "")


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"state": State.ADDING}, "hasn't failed"),
        ({"state": State.VERIFIED}, "hasn't failed"),
        ({"sha256": "ab" * 32}, "has its files: verify it anew"),
        ({"source": "https://example.org/a.pt?…"}, "wasn't kept: add it anew"),
    ],
)
def test_what_cannot_be_brought_in(columns: dict[str, str], why: str):
    version = asking.request_version("mine", "hub:somebody/something")
    ModelVersion.objects.filter(pk=version.pk).update(**columns)
    version.refresh_from_db()
    before = outcome(version)
    with pytest.raises(InferenceError, match=why):
        asking.add(version)
    assert outcome(version) == before
    assert not Job.objects.exists()


def test_a_version_that_is_gone_fails_its_job(version: ModelVersion):
    version.delete()
    job = taken()
    doing.do(job)
    job.refresh_from_db()
    assert job.reason == "The version has been removed meanwhile."
