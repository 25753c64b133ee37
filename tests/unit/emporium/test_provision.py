from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from pytest_django import Settings

from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, ModelVersion
from emporium.provision import password_file, provision

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def var(tmp_path: Path, settings: Settings) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def test_an_empty_database_gets_models_that_answer() -> None:
    provision()
    names = set(ModelVersion.objects.values_list("model__name", flat=True))
    assert names == {"starter-detector", "starter-classifier"}
    deployment = Deployment.objects.get(name=DEFAULT_DEPLOYMENT)
    assert deployment.active_version is not None
    assert deployment.active_version.model.name == "starter-detector"


def test_the_operator_signs_in_with_the_password_in_the_file() -> None:
    provision()
    operator = get_user_model().objects.get()
    assert operator.username == "admin"
    assert operator.is_superuser
    assert operator.check_password(password_file().read_text().strip())


def test_only_the_owner_reads_the_password() -> None:
    provision()
    assert password_file().stat().st_mode & 0o777 == 0o600


def test_a_file_left_by_an_older_database_is_replaced(var: Path) -> None:
    (var / "admin-password").write_text("of another database")
    provision()
    operator = get_user_model().objects.get()
    assert operator.check_password(password_file().read_text().strip())
    assert password_file().stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing() -> None:
    provision()
    password = password_file().read_text()
    classifier = ModelVersion.objects.get(model__name="starter-classifier")
    Deployment.objects.update(active_version=classifier)
    provision()
    assert password_file().read_text() == password
    assert get_user_model().objects.count() == 1
    assert ModelVersion.objects.count() == 2
    assert Deployment.objects.get().active_version == classifier


def test_a_password_that_someone_changed_is_no_longer_shown() -> None:
    provision()
    operator = get_user_model().objects.get()
    operator.set_password("another one")
    operator.save()
    provision()
    assert not password_file().exists()


def test_who_made_an_account_gets_no_second_one() -> None:
    get_user_model().objects.create_superuser("vittoria", password="her own")
    provision()
    assert get_user_model().objects.count() == 1
    assert not password_file().exists()


def test_the_command_says_how_to_sign_in_without_the_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("provision")
    said = capsys.readouterr().out
    assert "admin" in said
    assert str(password_file()) in said
    assert password_file().read_text().strip() not in said
