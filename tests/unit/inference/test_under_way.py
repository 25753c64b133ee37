"""A version that nobody is at any more is failed with a sentence, and no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from apps.inference.exceptions import InferenceError
from apps.inference.models import Deployment, ModelVersion
from apps.inference.registering import asking, under_way
from bench.processes import wait_until

State = ModelVersion.State
LONG_AGO = timedelta(hours=2)


def version_seen(ago: timedelta, **columns: object) -> ModelVersion:
    version = asking.request_version("mine", "hub:somebody/something")
    ModelVersion.objects.filter(pk=version.pk).update(
        last_seen_at=timezone.now() - ago, **columns
    )
    version.refresh_from_db()
    return version


@pytest.mark.django_db
@pytest.mark.parametrize("state", [State.ADDING, State.VERIFYING])
def test_what_a_killed_process_has_left_is_failed(state: ModelVersion.State):
    version = version_seen(LONG_AGO, state=state, step="Fetching the files.")
    others = version_seen(timedelta(seconds=30), step="Fetching the files.")

    assert under_way.fail_abandoned() == 1

    version.refresh_from_db()
    assert version.state == State.FAILED
    assert version.reason == (
        "The process that was at it has gone without a word: killed, perhaps, or the"
        " machine went down."
    )
    others.refresh_from_db()
    assert others.state == State.ADDING


@pytest.mark.django_db
def test_what_nobody_begins_with_is_failed():
    version = version_seen(LONG_AGO)
    fresh = version_seen(timedelta(minutes=1))
    ModelVersion.objects.filter(pk=fresh.pk).delete()

    assert under_way.fail_abandoned() == 1

    version.refresh_from_db()
    assert version.state == State.FAILED
    assert version.reason == (
        "No worker has begun with it: does one run for the queue jobs?"
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "before",
    [
        {"state": State.ADDING, "step": "Fetching the files."},
        {"state": State.FAILED, "step": "Fetching the files."},
    ],
    ids=["under way", "just over"],
)
def test_what_waits_for_its_turn_waits_on(before: dict[str, str]):
    version_seen(timedelta(minutes=1), **before)
    version = version_seen(LONG_AGO)
    assert under_way.fail_abandoned() == 0
    version.refresh_from_db()
    assert version.state == State.ADDING


@pytest.mark.django_db
@pytest.mark.parametrize("state", [State.VERIFIED, State.FAILED])
def test_what_is_over_stays(
    deployment: Deployment,
    scripted_version: Callable[..., ModelVersion],
    state: ModelVersion.State,
):
    version = version_seen(LONG_AGO, state=state, reason="Its own.")
    assert under_way.fail_abandoned() == 0
    version.refresh_from_db()
    assert (version.state, version.reason) == (state, "Its own.")


@pytest.mark.django_db(transaction=True)
def test_whoever_is_at_it_says_so_again_and_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(under_way, "SAID_EVERY_S", 0.001)
    version = version_seen(LONG_AGO, step="Fetching the files.")

    def last_seen() -> float:
        version.refresh_from_db()
        return version.last_seen_at.timestamp()

    with under_way.said(version.pk):
        first = last_seen()
        assert under_way.fail_abandoned() == 0
        wait_until(lambda: last_seen() > first, "it to be said again")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_moment_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(under_way, "SAID_EVERY_S", 0.001)
    version = version_seen(LONG_AGO)
    tries: list[int] = []
    say = under_way.say

    def refuse(version_id: int) -> None:
        tries.append(version_id)
        if len(tries) == 2:
            raise DatabaseError("database is locked")
        say(version_id)

    monkeypatch.setattr(under_way, "say", refuse)
    with under_way.said(version.pk):
        wait_until(lambda: len(tries) > 2, "it to be said again")
    assert "database is locked" in caplog.text


@pytest.mark.django_db
def test_what_has_failed_may_be_asked_for_again():
    version = version_seen(
        LONG_AGO, state=State.FAILED, reason="No network.", step="Fetching the files."
    )
    asking.request_again(version)
    version.refresh_from_db()
    assert (version.state, version.reason, version.step) == (State.ADDING, "", "")
    # It waits from now on, not from when it was first asked for.
    assert under_way.fail_abandoned() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"state": State.ADDING}, "hasn't failed"),
        ({"state": State.VERIFIED}, "hasn't failed"),
        ({"sha256": "ab" * 32}, "has its files: use “Verify anew”"),
        ({"source": "https://example.org/a.pt?…"}, "wasn't kept: add it anew"),
    ],
)
def test_what_cannot_be_brought_in_again(columns: dict[str, str], why: str):
    version = version_seen(LONG_AGO, **{"state": State.FAILED, **columns})
    before = version.state
    with pytest.raises(InferenceError, match=why):
        asking.request_again(version)
    version.refresh_from_db()
    assert version.state == before
