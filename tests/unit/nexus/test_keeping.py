"""What a person allows, or not any more, counts whatever becomes of its page."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.db import OperationalError

from apps.nexus import records
from apps.nexus.chores import Chores
from apps.nexus.keeping import ACTS_AT_ONCE, NOT_NOW, Keeping
from apps.nexus.protocol import Consent, TakeBack
from apps.sessions import captures
from apps.sessions.models import CameraSession

TAKE_BACK = TakeBack(resume_token="")


class Page:
    """One that is told things, and has gone when its chores are cancelled."""

    def __init__(self, session: CameraSession) -> None:
        self.told: list[dict[str, Any]] = []
        self.chores = Chores()
        terms = captures.terms_of(session.pk)
        self.keeping = Keeping(session.pk, terms, send=self._send, chores=self.chores)

    async def _send(self, type_: str, **fields: Any) -> None:
        self.told.append(fields)


@pytest.fixture
def page(session: CameraSession) -> Page:
    captures.allow(session.pk, days=30)
    return Page(session)


async def is_allowed() -> bool:
    return (await CameraSession.objects.aget()).consented_at is not None


async def test_it_is_taken_back_though_the_page_goes_meanwhile(page: Page) -> None:
    busy = threading.Event()
    records.write(busy.wait)
    page.keeping.follow(TAKE_BACK)
    await page.chores.cancel()
    busy.set()
    await records.written(lambda: None)
    assert not await is_allowed()


async def test_nothing_is_given_from_the_moment_on(page: Page) -> None:
    seen = [page.keeping.judged.is_allowed]
    page.keeping.follow(TAKE_BACK)
    seen.append(page.keeping.judged.is_allowed)
    assert seen == [True, False]
    await page.chores.wait()


async def test_the_last_word_counts(page: Page) -> None:
    for said in (TAKE_BACK, Consent(), TAKE_BACK):
        page.keeping.follow(said)
    await page.chores.wait()
    assert not await is_allowed()
    assert [each["is_allowed"] for each in page.told][-1] is False
    for said in (Consent(), TAKE_BACK, Consent()):
        page.keeping.follow(said)
    await page.chores.wait()
    assert await is_allowed()
    assert page.keeping.judged.is_allowed


async def test_who_has_said_a_lot_can_still_take_it_back(page: Page) -> None:
    for _ in range(ACTS_AT_ONCE + 1):
        page.keeping.follow(Consent())
    page.keeping.follow(TAKE_BACK)
    await page.chores.wait()
    assert not await is_allowed()


async def test_what_could_not_be_written_is_as_it_was(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session_id: uuid.UUID) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(captures, "withdraw", fail)
        page.keeping.follow(TAKE_BACK)
        await page.chores.wait()
    told = page.told.pop()
    assert (told["is_allowed"], told["sentence"]) == (True, NOT_NOW)

    page.keeping.follow(TAKE_BACK)
    await page.chores.wait()
    monkeypatch.setattr(captures, "withdraw", fail)
    page.keeping.follow(TAKE_BACK)
    await page.chores.wait()
    assert page.told.pop()["is_allowed"] is False
