"""What becomes of letters: batches, and from them the answers that are published.

Every letter is answered, by a prediction or by the reason why there is none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from redis import Redis

from apps.inference import results
from apps.inference.exceptions import NoModelError
from apps.inference.mailbox import Letter, WorkerMailbox
from apps.inference.serving import first_minute
from apps.inference.serving.host import ModelHost
from apps.inference.serving.loading import LoadedVersion
from apps.inference.types import Decode

logger = logging.getLogger(__name__)

T = TypeVar("T")
Answers = list[tuple[Letter, dict[str, Any]]]


class Batch(Protocol):
    """Letters that are answered together, featurized already. No step raises."""

    @property
    def kind(self) -> str:
        """Batches of one kind take about as long in their forward pass."""

    def infer(self) -> None:
        """The forward pass."""

    def answers(self) -> Answers:
        """Decoded, while another batch may be in its forward pass."""


def batches_of(host: ModelHost, letters: Sequence[Letter]) -> list[Batch]:
    """Featurize letters as they were taken, as many at once as their version wants."""
    taken_at = time.monotonic()
    batches: list[Batch] = []
    expired: list[Letter] = []
    fresh: list[Letter] = []
    for letter in letters:
        budget_ms = host.tuning.age_budget_ms(letter.deployment)
        (expired if letter.age_ms > budget_ms else fresh).append(letter)
    if expired:
        _count_expired(host, expired)
        batches.append(
            _Dropped(
                expired, "expired", "The picture was too old when a worker was free."
            )
        )
    by_deployment = attrgetter("deployment")
    for deployment, group in groupby(sorted(fresh, key=by_deployment), by_deployment):
        batches += _of_deployment(host, deployment, list(group), taken_at)
    return batches


def publish(redis: Redis, mailbox: WorkerMailbox, answers: Answers) -> None:
    """In one round trip to Redis: all messages, and all sessions released."""
    with redis.pipeline(transaction=False) as pipe:
        for letter, message in answers:
            results.add_publish(pipe, letter.reply_channel, message)
        mailbox.add_done(
            pipe, [(letter.frame.session_id, letter.token) for letter, _ in answers]
        )
        pipe.execute()


def _count_expired(host: ModelHost, letters: Sequence[Letter]) -> None:
    for letter in letters:
        with suppress(NoModelError):
            tally = host.version_for(letter.deployment).tally
            tally.count(first_minute.expired(letter.age_ms))


def _of_deployment(
    host: ModelHost, deployment: str, letters: Sequence[Letter], taken_at: float
) -> Iterator[Batch]:
    try:
        loaded = host.version_for(deployment)
    except NoModelError as error:
        logger.warning("%s", error)
        yield _Dropped(letters, "failed", "No model is loaded. The operator sees why.")
        return
    for answering, share in _shared_out(host, deployment, letters, loaded):
        size = answering.batch_size
        for first in range(0, len(share), size):
            batch = share[first : first + size]
            yield _Predicted(host, answering, batch, taken_at)


def _shared_out(
    host: ModelHost, deployment: str, letters: Sequence[Letter], active: LoadedVersion
) -> Iterator[tuple[LoadedVersion, Sequence[Letter]]]:
    """Who answers which, where a canary answers some of the sessions."""
    canary = host.canaries.get(deployment)
    if canary is None:
        yield active, letters
        return
    its: list[Letter] = []
    others: list[Letter] = []
    for letter in letters:
        (its if canary.answers(letter.frame.session_id) else others).append(letter)
    yield canary.loaded, its
    yield active, others


@dataclass(frozen=True, slots=True)
class _Dropped:
    letters: Sequence[Letter]
    reason: str
    sentence: str
    served_by: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        return self.reason

    def infer(self) -> None:
        pass

    def answers(self) -> Answers:
        return [
            (
                letter,
                results.dropped_message(
                    letter, self.reason, self.sentence, self.served_by
                ),
            )
            for letter in self.letters
        ]


class _Predicted:
    """Whatever a model does to one batch, the worker goes on to the next."""

    def __init__(
        self,
        host: ModelHost,
        loaded: LoadedVersion,
        letters: Sequence[Letter],
        taken_at: float,
    ) -> None:
        self._host = host
        self._loaded = loaded
        self._letters = letters
        self._taken_at = taken_at
        frames = [letter.frame for letter in letters]
        self._infer = self._tried(lambda: loaded.predictor.prepare(frames))
        self._decode: Decode | None = None

    @property
    def kind(self) -> str:
        return str(self._loaded.version_id)

    def infer(self) -> None:
        if self._infer is not None:
            self._decode = self._tried(self._infer)

    def answers(self) -> Answers:
        decode = self._decode
        answered = decode and self._tried(
            lambda: list(zip(self._letters, decode(), strict=True))
        )
        tally, served_by = self._loaded.tally, self._loaded.describe()
        if answered is None:
            tally.count(first_minute.failed(len(self._letters)))
            sentence = "The model failed on this picture."
            return _Dropped(self._letters, "failed", sentence, served_by).answers()
        held_ms = (time.monotonic() - self._taken_at) * 1000
        for letter in self._letters:
            tally.count(first_minute.answered(letter.age_ms + held_ms))
        return [
            (
                letter,
                results.result_message(
                    letter,
                    prediction,
                    served_by,
                    held_ms,
                    self._host.tuning.thresholds(letter.deployment),
                ),
            )
            for letter, prediction in answered
        ]

    def _tried(self, step: Callable[[], T]) -> T | None:
        try:
            with self._host.passes.under_way(self._loaded):
                return step()
        except Exception:
            logger.exception("%s failed on a batch", self._loaded.name)
            return None
