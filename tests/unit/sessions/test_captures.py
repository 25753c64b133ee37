"""Which pictures are kept, for how long, and that no file is left of the others."""

from __future__ import annotations

import base64
import errno
import os
import stat
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from apps.inference import datasets
from apps.inference.models import Deployment, Evaluation, Example
from apps.inference.types import Frame
from apps.nexus.stills import PREVIEW_SIDE, preview_of, still_of
from apps.sessions import (
    capture_files,
    captures,
    retention,
    reviewing,
    services,
    tasks,
)
from apps.sessions.capture_files import DISK_FULL, NOT_WRITTEN, CaptureError
from apps.sessions.captures import (
    ENOUGH,
    TOO_MANY,
    NotAllowedError,
    NotSampledError,
    Occasion,
    Terms,
    Withdrawn,
)
from apps.sessions.models import CameraSession, Capture, CaptureAccess
from tests.unit.sessions.conftest import ANSWER, KeepOne, files, still

State = Capture.State
Use = Callable[[Capture], Any]


@pytest.fixture
def use(captures_dir: Path, db: None) -> Use:
    """Accept a capture into a dataset."""

    def accept(capture: Capture) -> Capture:
        dataset = reviewing.dataset_called("used")
        return reviewing.accept(capture.pk, None, [], dataset)

    return accept


@pytest.fixture
def committing(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[[], Any]:
    """What is done once a transaction has ended, which a test's never does."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def occasion_of(session: CameraSession) -> Occasion:
    version_id = session.deployment.active_version_id
    return Occasion(Capture.Reason.WRONG, version_id, ANSWER)


def test_without_consent_nothing_is_kept(session: CameraSession, captures_dir: Path):
    with pytest.raises(NotAllowedError):
        captures.keep_capture(session.pk, still(), occasion_of(session))
    assert files(captures_dir) == []
    assert not Capture.objects.exists()


@pytest.mark.parametrize(
    ("reason", "switched_on"),
    [("random", {"sample_share": 0.1}), ("uncertain", {"sample_uncertain": True})],
)
def test_what_its_deployment_samples_no_more_is_not_kept(
    reason: str,
    switched_on: dict[str, Any],
    session: CameraSession,
    captures_dir: Path,
):
    captures.allow(session.pk, days=30)
    occasion = replace(occasion_of(session), reason=Capture.Reason(reason))
    with pytest.raises(NotSampledError):
        captures.keep_capture(session.pk, still(), occasion)
    assert files(captures_dir) == []

    Deployment.objects.update(**switched_on)
    assert captures.keep_capture(session.pk, still(), occasion).reason == reason


def test_a_consent_that_is_taken_back_while_a_picture_is_written_counts(
    session: CameraSession, captures_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    captures.allow(session.pk, days=30)
    write = capture_files.write

    def write_slowly(*args: Any) -> str:
        file = write(*args)
        captures.withdraw(session.pk)
        return file

    monkeypatch.setattr(capture_files, "write", write_slowly)
    with pytest.raises(NotAllowedError):
        captures.keep_capture(session.pk, still(), occasion_of(session))
    assert files(captures_dir) == []
    assert not Capture.objects.exists()


def test_consent_is_of_one_session(session: CameraSession, keep: KeepOne):
    other = services.open_session(
        deployment=session.deployment.name, user=None, client="test"
    )
    keep()
    with pytest.raises(NotAllowedError):
        keep(of=other)


def test_consent_is_as_old_as_the_first_time(session: CameraSession):
    captures.allow(session.pk, days=30)
    first = CameraSession.objects.get().consented_at
    captures.allow(session.pk, days=30)
    assert first is not None
    assert CameraSession.objects.get().consented_at == first


def test_a_picture_lies_by_its_month_for_its_owner_alone(
    keep: KeepOne, captures_dir: Path
):
    capture = keep(said={"is_hot_dog": False, "label": "cup"})
    (path,) = files(captures_dir)
    assert path == captures_dir / capture.file
    assert path.parent == captures_dir / f"{capture.taken_at:%Y/%m}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for directory in path.parents[:3]:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert (capture.width, capture.height) == (64, 48)
    assert capture.predicted == ANSWER
    assert capture.said == {"is_hot_dog": False, "label": "cup"}


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(errno.ENOSPC, DISK_FULL), (errno.EDQUOT, DISK_FULL), (errno.EACCES, NOT_WRITTEN)],
)
def test_a_disk_that_takes_no_picture_is_told_and_leaves_nothing(
    code: int,
    sentence: str,
    session: CameraSession,
    captures_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    def fail(number: int) -> None:
        raise OSError(code, os.strerror(code))

    captures.allow(session.pk, days=30)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CaptureError, match=sentence):
        captures.keep_capture(session.pk, still(), occasion_of(session))
    assert files(captures_dir) == []
    assert not Capture.objects.exists()


def test_a_row_that_can_not_be_written_leaves_no_file(
    session: CameraSession, captures_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(**columns: Any) -> None:
        raise DatabaseError

    captures.allow(session.pk, days=30)
    monkeypatch.setattr(Capture.objects, "create", fail)
    with pytest.raises(DatabaseError):
        captures.keep_capture(session.pk, still(), occasion_of(session))
    assert files(captures_dir) == []


def test_all_together_don_t_fill_the_disk(
    session: CameraSession,
    keep: KeepOne,
    use: Use,
    captures_dir: Path,
    settings: Settings,
):
    settings.CAPTURES_MOST = 2
    keep()
    used = keep()
    other = services.open_session(
        deployment=session.deployment.name, user=None, client="test"
    )
    captures.allow(other.pk, days=30)
    with pytest.raises(CaptureError, match=TOO_MANY):
        keep(of=other)
    assert len(files(captures_dir)) == 2
    use(used)
    keep(of=other)


def test_no_session_fills_the_disk(keep: KeepOne, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(captures, "MOST_OF_SESSION", 2)
    keep()
    keep()
    with pytest.raises(CaptureError, match=ENOUGH):
        keep()


def test_no_more_is_chosen_of_a_session_than_anybody_looks_at(
    keep: KeepOne, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(captures, "MOST_SAMPLED", 2)
    keep(Capture.Reason.RANDOM)
    keep(Capture.Reason.UNCERTAIN)
    with pytest.raises(CaptureError, match=ENOUGH):
        keep(Capture.Reason.DISAGREEMENT)
    keep(Capture.Reason.WRONG)


def test_taking_consent_back_removes_what_nobody_has_used(
    session: CameraSession,
    keep: KeepOne,
    use: Use,
    captures_dir: Path,
    committing: Callable[[], Any],
):
    waiting, rejected, used = keep(), keep(), use(keep())
    Capture.objects.filter(pk=rejected.pk).update(state=State.REJECTED)
    with committing():
        assert captures.withdraw(session.pk) == Withdrawn(removed=2, used=1)
    assert files(captures_dir) == [captures_dir / used.file]
    assert list(Capture.objects.all()) == [used]
    assert CameraSession.objects.get().consented_at is None
    accesses = CaptureAccess.objects.filter(session_id=session.pk, act="purged")
    removed = accesses.values_list("capture_id", flat=True)
    assert set(removed) == {waiting.pk, rejected.pk}


def test_the_file_goes_with_the_session(
    session: CameraSession,
    keep: KeepOne,
    use: Use,
    captures_dir: Path,
    committing: Callable[[], Any],
):
    keep()
    used = use(keep())
    with committing():
        session.delete()
    assert files(captures_dir) == []
    assert not Example.objects.exists()
    assert not used.example.path.exists()


def test_a_file_that_is_gone_already_is_no_error(
    keep: KeepOne, captures_dir: Path, committing: Callable[[], Any]
):
    capture = keep()
    (captures_dir / capture.file).unlink()
    with committing():
        capture.delete()


def test_what_nobody_has_used_goes_when_its_time_is_over(
    session: CameraSession,
    keep: KeepOne,
    use: Use,
    captures_dir: Path,
    committing: Callable[[], Any],
):
    Deployment.objects.update(retention_days=7)
    old, used, new = keep(), use(keep()), keep()
    over = timezone.now() - timedelta(days=7, seconds=1)
    Capture.objects.filter(pk__in=[old.pk, used.pk]).update(taken_at=over)
    with committing():
        tasks.expire_captures()
    assert set(Capture.objects.all()) == {used, new}
    assert set(files(captures_dir)) == {
        captures_dir / used.file,
        captures_dir / new.file,
    }
    access = CaptureAccess.objects.get(act="expired")
    assert access.capture_id == old.pk
    assert access.user is None


def test_nothing_is_kept_longer_than_its_person_was_told(keep: KeepOne):
    Deployment.objects.update(retention_days=1)
    capture = keep()
    assert capture.expires_at == capture.taken_at + timedelta(days=1)
    Deployment.objects.update(retention_days=30)
    assert retention.expire() == 0
    Capture.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert retention.expire() == 1


def test_days_that_are_added_behind_a_consent_count_from_the_next_one_on(
    session: CameraSession, keep: KeepOne
):
    def days() -> int:
        capture = keep()
        assert capture.expires_at is not None
        return (capture.expires_at - capture.taken_at).days

    Deployment.objects.update(retention_days=365)
    assert days() == captures.terms_of(session.pk).retention_days == 30
    captures.withdraw(session.pk)
    assert captures.terms_of(session.pk).retention_days == 365
    captures.allow(session.pk, days=365)
    assert days() == 365


def test_what_was_taken_out_of_its_dataset_goes_like_what_nobody_has_used(
    keep: KeepOne, use: Use
):
    Deployment.objects.update(retention_days=0)
    used = use(keep())
    assert retention.expire() == 0
    datasets.remove_example(used.example)
    assert retention.expire() == 1


def test_many_are_removed_some_at_a_time(
    keep: KeepOne, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    Deployment.objects.update(retention_days=0)
    for _ in range(5):
        keep()
    assert retention.expire() == 5
    assert CaptureAccess.objects.count() == 5


def test_a_purge_removes_all_that_a_session_gave_and_ends_its_consent(
    session: CameraSession,
    keep: KeepOne,
    captures_dir: Path,
    committing: Callable[[], Any],
):
    operator = User.objects.create_user("operator")
    keep()
    keep()
    with committing():
        assert retention.purge(session.pk, operator) == 2
    assert files(captures_dir) == []
    assert not Capture.objects.exists()
    assert CameraSession.objects.get().consented_at is None
    accesses = CaptureAccess.objects.filter(act="purged", user=operator)
    assert accesses.count() == 2


def test_a_session_that_gave_nothing_is_purged_of_nothing(session: CameraSession):
    assert retention.purge(session.pk, None) == 0
    assert retention.purge(uuid.uuid4(), None) == 0


def test_a_purge_reaches_every_dataset_that_has_the_picture(
    session: CameraSession, keep: KeepOne, use: Use, tmp_path: Path
):
    used = use(keep())
    copied = datasets.create("copied")
    path = str(tmp_path / "out.zip")
    call_command("datasets", "export", used.example.dataset.name, "--to", path)
    call_command("datasets", "import", "copied", "--from", path)
    other = datasets.add_picture(copied, still(level=20).encoded, [])
    retention.purge(session.pk, None)
    assert list(Example.objects.all()) == [other]


def remove_its_dataset(used: Any) -> None:
    call_command("datasets", "remove", used.example.dataset.name, "--all")


def take_it_out(used: Any) -> None:
    name, number = used.example.dataset.name, str(used.example_id)
    call_command("datasets", "remove", name, number)


def undo_it(used: Any) -> None:
    reviewing.undo(used.pk, None)


@pytest.fixture(params=[remove_its_dataset, take_it_out, undo_it])
def without_it(request: pytest.FixtureRequest) -> Use:
    """Each way in which a capture leaves the dataset that it was accepted into."""
    leave: Use = request.param
    return leave


@pytest.mark.parametrize("is_imported_first", [True, False])
def test_a_copy_is_its_persons_also_when_the_first_dataset_has_it_no_more(
    session: CameraSession,
    keep: KeepOne,
    use: Use,
    without_it: Use,
    tmp_path: Path,
    is_imported_first: bool,
):
    used = use(keep())
    path = str(tmp_path / "out.zip")
    call_command("datasets", "export", used.example.dataset.name, "--to", path)
    steps: list[Callable[[], Any]] = [
        partial(call_command, "datasets", "import", "kitchen", "--from", path),
        partial(without_it, used),
    ]
    for step in steps if is_imported_first else reversed(steps):
        step()
    assert Example.objects.get().dataset.name == "kitchen"

    CaptureAccess.objects.all().delete()
    call_command("datasets", "export", "kitchen", "--to", path)
    access = CaptureAccess.objects.get()
    assert (access.act, access.capture_id) == ("exported", used.pk)

    Capture.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert retention.expire() == 0
    assert captures.withdraw(session.pk) == Withdrawn(removed=0, used=1)
    assert retention.purge(session.pk, None) == 1
    assert not Example.objects.exists()


def test_a_purge_leaves_the_figures_of_what_learned_from_it(
    session: CameraSession, keep: KeepOne, use: Use, deployment: Deployment
):
    dataset = use(keep()).example.dataset
    evaluation = Evaluation.objects.create(
        version=deployment.active_version, dataset=dataset, figures={"top1": 1.0}
    )
    retention.purge(session.pk, None)
    evaluation.refresh_from_db()
    assert (evaluation.dataset, evaluation.figures) == (dataset, {"top1": 1.0})


@pytest.fixture
def database_of_yesterday(db: None) -> None:
    migrations = MigrationRecorder(connection).migration_qs
    migrations.update(applied=timezone.now() - timedelta(days=1))


@pytest.mark.usefixtures("database_of_yesterday")
def test_a_picture_whose_row_was_never_written_is_removed_by_the_housekeeping(
    session: CameraSession, keep: KeepOne, captures_dir: Path
):
    two_hours_ago = (time.time() - 2 * 3600,) * 2
    kept = captures_dir / keep().file
    left = captures_dir / capture_files.write(b"left", timezone.now())
    young = captures_dir / capture_files.write(b"young", timezone.now())
    foreign = kept.with_name("holiday.png")
    foreign.touch()
    for path in (kept, left, foreign):
        os.utime(path, two_hours_ago)
    tasks.remove_leftovers()
    assert set(files(captures_dir)) == {kept, young, foreign}


def test_terms_are_those_of_the_session_and_its_deployment(session: CameraSession):
    deployment = session.deployment
    assert Terms.of(session) == Terms(False, 30, 0, False)
    assert not Terms.of(session).samples
    deployment.sample_share, session.consented_at = 0.1, timezone.now()
    assert Terms.of(session) == Terms(True, 30, 0.1, False)
    assert Terms.of(session).samples


def test_a_still_is_upright_and_exact():
    width, height = 32, 16
    left_is_dark = b"\x10" * (width // 2) + b"\xeb" * (width // 2)
    pixels = left_is_dark * height + b"\x80" * (width * height // 2)
    turned = still_of(Frame("s", 0, width, height, pixels, rotation=90))
    image = decoded(turned.encoded)
    assert (turned.width, turned.height) == (height, width)
    assert image.shape == (width, height, 3)
    # Clockwise, what was left is above.
    assert image[: width // 2].max() == 0
    assert image[width // 2 :].min() == 255


def test_colours_stay_as_they_are():
    red = b"\x51" * 64 + b"\x5a" * 16 + b"\xf0" * 16
    image = decoded(still_of(Frame("s", 0, 8, 8, red)).encoded)
    blue, green, red_ = image[4, 4]
    assert red_ > 250
    assert max(blue, green) < 5


def test_a_preview_is_small():
    frame = Frame("s", 0, 1280, 720, b"\x80" * (1280 * 720 * 3 // 2))
    address = preview_of(frame)
    kind, _, encoded = address.partition(",")
    assert kind == "data:image/jpeg;base64"
    image = decoded(base64.b64decode(encoded))
    assert image.shape[:2] == (PREVIEW_SIDE * 720 // 1280, PREVIEW_SIDE)


def decoded(encoded: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
