"""A token gives one session for a day, to whoever got it from here."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.signing import TimestampSigner
from pytest_django import Settings

from apps.nexus import resume

SESSION = uuid.UUID(int=7)


def test_a_token_gives_its_session():
    assert resume.session_of(resume.token_of(SESSION)) == SESSION


@pytest.mark.parametrize("token", ["", ":", "a:b:c", str(SESSION), "\ud800", "x" * 999])
def test_what_is_no_token_gives_none(token: str):
    assert resume.session_of(token) is None


def test_a_token_can_not_be_changed_to_another_session():
    token = resume.token_of(SESSION)
    forged = token.replace(str(SESSION), str(uuid.UUID(int=8)))
    assert forged != token
    assert resume.session_of(forged) is None


def test_what_was_signed_for_something_else_is_no_token():
    assert resume.session_of(TimestampSigner().sign(str(SESSION))) is None


def test_a_token_of_another_installation_is_none_here(settings: Settings):
    token = resume.token_of(SESSION)
    settings.SECRET_KEY = "another"
    assert resume.session_of(token) is None


def test_a_token_is_good_for_a_day(monkeypatch: pytest.MonkeyPatch):
    token = resume.token_of(SESSION)
    now = datetime.now(UTC)
    for later, expected in (
        (timedelta(hours=23), SESSION),
        (timedelta(hours=25), None),
    ):
        monkeypatch.setattr("django.core.signing.time.time", (now + later).timestamp)
        assert resume.session_of(token) == expected
