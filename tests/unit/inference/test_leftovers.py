"""What killed processes leave of datasets is removed, and nothing else."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from apps.inference import leftovers
from apps.inference.datasets import add_picture, keeping, tidying
from apps.inference.models import Dataset, Deployment, Job, ModelVersion
from apps.inference.registering import uploads

from .dataset_files import folder, picture

pytestmark = pytest.mark.django_db
HOUR = 3600
NAME = "ab/" + "ab" * 32 + ".png"


@pytest.fixture(autouse=True)
def shelf(settings: Any, tmp_path: Path) -> Path:
    settings.DATASETS_DIR = tmp_path / "datasets"
    settings.MODELS_DIR = tmp_path / "models"
    return tmp_path / "datasets"


@pytest.fixture(autouse=True)
def database_of_yesterday(db: None) -> None:
    migrations = MigrationRecorder(connection).migration_qs
    migrations.update(applied=timezone.now() - timedelta(days=1))


@pytest.fixture
def kitchen() -> Dataset:
    return keeping.create("kitchen")


def left(path: Path, hours: float = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    aged(path, hours)
    return path


def aged(path: Path, hours: float) -> None:
    os.utime(path, (time.time() - hours * HOUR,) * 2)


def test_a_picture_without_a_row_goes_and_one_with_a_row_stays(kitchen: Dataset):
    kept = add_picture(kitchen, picture(), []).path
    aged(kept, 2)
    without_row = left(kitchen.directory / NAME)
    half_written = left(kitchen.directory / "ab" / ("." + "0f" * 8))
    assert tidying.remove_leftovers() == 2
    assert kept.exists()
    assert not without_row.exists()
    assert not half_written.exists()


def test_what_may_just_be_written_stays(kitchen: Dataset):
    young = left(kitchen.directory / NAME, hours=0.9)
    assert tidying.remove_leftovers() == 0
    assert young.exists()


def test_what_is_older_than_the_database_was_anothers(kitchen: Dataset):
    older = left(kitchen.directory / NAME, hours=25)
    assert tidying.remove_leftovers() == 0
    assert older.exists()


def test_what_is_not_ours_stays(shelf: Path, kitchen: Dataset):
    foreign = [
        left(shelf / "readme.txt"),
        left(kitchen.directory / "ab" / "holiday.jpg"),
        left(kitchen.directory / "photos" / ("ab" * 32 + ".png")),
    ]
    assert tidying.remove_leftovers() == 0
    assert all(path.exists() for path in foreign)


def test_what_a_removed_dataset_left_goes(shelf: Path):
    path = left(shelf / "gone" / NAME)
    assert tidying.remove_leftovers() == 1
    assert not path.exists()


def test_without_any_dataset_nothing_is_left():
    assert tidying.remove_leftovers() == 0


def test_a_row_that_comes_while_it_looks_counts(tmp_path: Path):
    path = left(tmp_path / "a.png")
    assert leftovers.remove([path], lambda: [path]) == 0
    assert path.exists()


def test_a_file_that_is_written_again_while_it_looks_stays(tmp_path: Path):
    path = left(tmp_path / "a.png")

    def write_again() -> list[Path]:
        path.touch()
        return []

    assert leftovers.remove([path], write_again) == 0
    assert path.exists()


def test_a_leftover_that_is_kept_after_all_is_new_again(kitchen: Dataset):
    """Until its row is there, a housekeeping in between must not take it away."""
    path = add_picture(kitchen, picture(), []).path
    kitchen.examples.all().delete()
    aged(path, 2)
    keeping.write(path, picture())
    assert tidying.remove_leftovers() == 0
    assert path.exists()


def test_what_can_not_be_removed_is_told_and_does_not_keep_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    stuck, other = left(tmp_path / "stuck.png"), left(tmp_path / "other.png")
    unlink = Path.unlink

    def refuse(self: Path, *args: Any, **options: Any) -> None:
        if self == stuck:
            raise PermissionError("Not allowed")
        unlink(self, *args, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert leftovers.remove([stuck, other], list) == 1
    assert not other.exists()
    assert "could not be removed: Not allowed" in caplog.text


def test_what_a_killed_import_has_left_is_forgotten_after_a_day(shelf: Path):
    staged = folder(shelf / ".staging", {"a/x": b"", "b/y": b""})
    aged(staged / "a", 25)
    tidying.remove_leftovers()
    assert not (staged / "a").exists()
    assert (staged / "b").exists()


def test_an_upload_whose_import_never_began_goes(deployment: Deployment):
    """One that is to be read yet stays, and what a version comes from."""
    cancelled, waiting, added, never_asked = (
        uploads.store(SimpleUploadedFile("foods.zip", b"zip")) for _ in range(4)
    )
    for state, source in (("waiting", waiting), ("cancelled", cancelled)):
        parameters = {"dataset": "kitchen", "source": source}
        Job.objects.create(kind="import", state=state, parameters=parameters)
    ModelVersion.objects.update(source=added)
    for path in uploads.stored():
        aged(path, 2)
    assert tidying.remove_leftovers() == 2
    for gone in (cancelled, never_asked):
        assert not path_of(gone).parent.exists()
    assert path_of(waiting).exists()
    assert path_of(added).exists()


def path_of(source: str) -> Path:
    return Path(source.removeprefix("file:"))
