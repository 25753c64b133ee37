"""Many examinations at once, of which some hang or break."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.nexus.doctor.findings import Finding, Outcome, examine_all, in_thread, ok
from tests.unit.nexus.doctor.sentences import expect


async def test_each_is_told_under_its_name_in_the_order_of_the_list():
    first_ends = asyncio.Event()

    async def first() -> Finding:
        await first_ends.wait()
        return ok("One.")

    async def second() -> Finding:
        first_ends.set()
        return ok("Two.")

    found = await examine_all({"first": first, "second": second})
    assert list(found.items()) == [("first", ok("One.")), ("second", ok("Two."))]


async def test_one_that_hangs_is_told_and_holds_up_nobody():
    async def hang() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    found = await examine_all({"hung": hang}, patience_s=0)
    expect(found["hung"], Outcome.FAILED, "no answer in 0 s", "firewall")


def test_a_thread_that_hangs_holds_up_nobody():
    goes_on = threading.Event()

    async def hang() -> Finding:
        return await in_thread(lambda: ok(str(goes_on.wait())))

    found = asyncio.run(examine_all({"hung": hang}, patience_s=0.01))
    assert found["hung"].outcome == Outcome.FAILED
    goes_on.set()


async def test_one_that_breaks_is_told_and_logged(caplog: pytest.LogCaptureFixture):
    async def stumble() -> Finding:
        raise RuntimeError("a mistake of ours")

    found = await examine_all({"broken": stumble})
    expect(found["broken"], Outcome.FAILED, "examination itself", "logged")
    assert "a mistake of ours" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


async def test_a_setting_that_is_missing_is_named():
    async def read() -> Finding:
        raise ImproperlyConfigured("SECRET_KEY must not be empty.")

    found = await examine_all({"setting": read})
    expect(found["setting"], Outcome.FAILED, "SECRET_KEY", "docs/settings.md")


async def test_what_a_thread_raises_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
