"""What an examination ends in, and how many are made at once: each in its own time.

Knows nothing of what is examined.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 10.0


class Outcome(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True)
class Finding:
    """How it is and why, in one sentence; what helps, in another where help is due."""

    outcome: Outcome
    cause: str
    cure: str = ""


Examine = Callable[[], Awaitable[Finding]]


def ok(cause: str) -> Finding:
    return Finding(Outcome.OK, cause)


def warning(cause: str, cure: str) -> Finding:
    return Finding(Outcome.WARNING, cause, cure)


def failed(cause: str, cure: str) -> Finding:
    return Finding(Outcome.FAILED, cause, cure)


def not_configured(cause: str, cure: str) -> Finding:
    return Finding(Outcome.NOT_CONFIGURED, cause, cure)


async def examine_all(
    examinations: Mapping[str, Examine], patience_s: float = PATIENCE_S
) -> dict[str, Finding]:
    """Make all examinations at once; one that hangs or breaks is a finding, too."""
    findings = await asyncio.gather(
        *(_examine(name, examine, patience_s) for name, examine in examinations.items())
    )
    return dict(zip(examinations, findings, strict=True))


async def _examine(name: str, examine: Examine, patience_s: float) -> Finding:
    try:
        async with asyncio.timeout(patience_s):
            return await examine()
    except TimeoutError:
        return failed(
            f"There was no answer in {patience_s:g} s.",
            "Look whether it still runs, and whether a firewall swallows what is sent.",
        )
    except ImproperlyConfigured as error:
        return failed(str(error), "docs/settings.md says what each setting may be.")
    except Exception:
        logger.exception("The examination %r failed", name)
        return failed(
            "The examination itself failed.", "What was logged just now says why."
        )


async def in_thread(function: Callable[[], T]) -> T:
    """Do what blocks in a thread that nobody has to wait for, should it hang."""
    outcome: Future[T] = Future()

    def run() -> None:
        outcome.set_running_or_notify_cancel()
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome.set_exception(error)
        finally:
            connections.close_all()

    threading.Thread(target=run, name="examination", daemon=True).start()
    return await asyncio.wrap_future(outcome)
