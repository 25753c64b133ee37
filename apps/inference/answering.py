"""Answering what was taken from the mailbox: predict, publish, release the sessions.

Every letter is answered, by a prediction or by the reason why there is none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.conf import settings
from redis import Redis

from apps.inference import results
from apps.inference.exceptions import NoModelError
from apps.inference.mailbox import Letter, WorkerMailbox

if TYPE_CHECKING:
    from apps.inference.serving import ModelHost

logger = logging.getLogger(__name__)


def answer(
    redis: Redis, mailbox: WorkerMailbox, host: ModelHost, letters: Sequence[Letter]
) -> None:
    """Answer a batch in one round trip to Redis: all its messages, all its sessions."""
    taken_at = time.monotonic()
    with redis.pipeline(transaction=False) as pipe:
        for letter, message in _messages(host, letters, taken_at):
            results.add_publish(pipe, letter.reply_channel, message)
        mailbox.add_done(
            pipe, [(letter.frame.session_id, letter.token) for letter in letters]
        )
        pipe.execute()


def _messages(
    host: ModelHost, letters: Sequence[Letter], taken_at: float
) -> Iterable[tuple[Letter, dict[str, Any]]]:
    fresh = []
    for letter in letters:
        if letter.age_ms > settings.AGE_BUDGET_MS:
            yield (
                letter,
                results.dropped_message(
                    letter, "expired", "The picture was too old when a worker was free."
                ),
            )
        else:
            fresh.append(letter)
    by_deployment = attrgetter("deployment")
    for deployment, group in groupby(sorted(fresh, key=by_deployment), by_deployment):
        yield from _predictions(host, deployment, list(group), taken_at)


def _predictions(
    host: ModelHost, deployment: str, letters: Sequence[Letter], taken_at: float
) -> Iterable[tuple[Letter, dict[str, Any]]]:
    try:
        loaded, predictions = host.predict(
            deployment, [letter.frame for letter in letters]
        )
        answers = list(zip(letters, predictions, strict=True))
    except NoModelError as error:
        logger.warning("%s", error)
        sentence = "No model is loaded. The operator sees why."
    except Exception:
        # Whatever a model does to one batch, the worker goes on to the next.
        logger.exception("The model of %s failed on a batch", deployment)
        sentence = "The model failed on this picture."
    else:
        served_by = loaded.describe()
        for letter, prediction in answers:
            held_ms = (time.monotonic() - taken_at) * 1000
            yield (
                letter,
                results.result_message(letter, prediction, served_by, held_ms),
            )
        return
    for letter in letters:
        yield letter, results.dropped_message(letter, "failed", sentence)
