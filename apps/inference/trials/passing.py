"""`Passing`: hands answered frames to shadows, in a thread that nobody waits for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from apps.inference.answering import Answers
from apps.inference.trials import relay
from apps.inference.trials.assignment import is_within
from apps.inference.trials.relay import Answered

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shadow:
    """`deployment` is the name of that whose frames it is shown."""

    trial_id: int
    deployment: str
    share: float

    def sees(self, answered: Answered) -> bool:
        letter, message = answered
        frame = letter.frame
        return (
            letter.deployment == self.deployment
            and message["type"] == "inference.result"
            and is_within(self.share, self.trial_id, f"{frame.session_id}:{frame.seq}")
        )

    def seen(self, answers: Answers) -> Iterator[Answered]:
        return filter(self.sees, answers)


class Passing:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passing")
        self._passed: Future[None] | None = None
        self.shadows: tuple[Shadow, ...] = ()

    def take(self, answers: Answers) -> None:
        """What can't be passed on at once isn't: there is a newer frame soon."""
        if self.shadows and (self._passed is None or self._passed.done()):
            self._passed = self._thread.submit(self._pass_on, self.shadows, answers)

    def close(self) -> None:
        self._thread.shutdown()

    def _pass_on(self, shadows: tuple[Shadow, ...], answers: Answers) -> None:
        for shadow in shadows:
            try:
                relay.pass_on(self._redis, shadow.trial_id, shadow.seen(answers))
            except RedisError as error:
                logger.warning("Frames can't be passed on to a shadow: %s", error)
