"""How far each worker is with an activation or a canary, and who is still there.

Redis keys: `{affair}:workers` has what each worker says of itself, until it says that
it leaves; `{affair}:minute` has what was counted in each second since the version
answers. Losing both costs nothing: workers say it again and again. An affair is called
`activation:{id}` or `trial:{id}`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError

from apps.inference import presence
from apps.inference.serving.first_minute import Counts

logger = logging.getLogger(__name__)

# Who has missed a beat may be gone; who says nothing for so long is. A library that
# compiles may keep a worker's other threads waiting for a while.
DOUBTFUL_AFTER_MS = 1500
LOST_AFTER_MS = 5000
# Longer than any activation may take; of a canary it is said every second.
_LIFETIME_S = 2 * 3600
_BEGAN = "began"


class Phase(StrEnum):
    LOADING = "loading"
    WARMING = "warming"
    CHECKING = "checking"
    READY = "ready"
    SERVING = "serving"


_DIED = {
    Phase.LOADING: "while it loaded it",
    Phase.WARMING: "while it warmed it up",
    Phase.CHECKING: "while it checked it",
    Phase.READY: "when it had loaded it",
    Phase.SERVING: "while it answered with it",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What a worker says of itself.

    `check` is what its check has found out, and `under_way_s` for how long the version
    has been at what it hasn't answered yet.
    """

    phase: Phase
    step: str = ""
    check: dict[str, Any] = field(default_factory=dict)
    under_way_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Roll:
    """The workers of a queue, as far as an affair goes.

    `present` are those that are there, `progress` is of all that have begun, present or
    not. `lost` have begun and gone without a word, `doubtful` may have; who answers for
    another queue by now is neither.
    """

    present: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    progress: dict[str, Progress] = field(default_factory=dict)

    @property
    def ready(self) -> frozenset[str]:
        return frozenset(
            worker
            for worker in self.present
            if worker in self.progress
            and self.progress[worker].phase in (Phase.READY, Phase.SERVING)
        )

    @property
    def under_way_s(self) -> float:
        """Of the worker that has been at it for longest."""
        return max((each.under_way_s for each in self.progress.values()), default=0.0)

    @property
    def are_all_ready(self) -> bool:
        return bool(self.present) and self.ready == self.present

    @property
    def why_lost(self) -> str:
        """Who has died, and at what; empty if nobody has."""
        if not self.lost:
            return ""
        worker = min(self.lost)
        when = _DIED[self.progress[worker].phase]
        return f"The worker {presence.shown(worker)} died {when}."


@dataclass(frozen=True, slots=True)
class Minute:
    """What was counted, by the second, and for how long that has been done."""

    lasted_s: float
    seconds: dict[int, Counts]


class Company:
    """The workers that share a queue, as one of them sees them.

    Args:
        redis: a connection of its own.
        worker: who it is; nobody, for whoever only looks.
    """

    def __init__(self, redis: Redis, worker: str = "") -> None:
        self._redis = redis
        self._worker = worker
        self._told: set[str] = set()
        self._has_left = False
        # What is being said is said before it is taken back.
        self._speaking = threading.Lock()

    def tell(self, affair: str, progress: Progress) -> None:
        """How far this worker is."""
        said = json.dumps(asdict(progress))
        with self._speaking:
            if self._has_left:
                return
            self._told.add(affair)
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(_workers(affair), self._worker, said)
                pipe.expire(_workers(affair), _LIFETIME_S)
                pipe.execute()

    def withdraw(self, affair: str) -> None:
        """Whatever becomes of this worker has nothing to do with it any more."""
        with self._speaking:
            if affair in self._told:
                self._redis.hdel(_workers(affair), self._worker)
                self._told.remove(affair)

    def leave(self) -> None:
        """Nobody shall wait for this worker any more, or take it for lost."""
        try:
            with self._speaking:
                self._has_left = True
                for affair in self._told:
                    self._redis.hdel(_workers(affair), self._worker)
        except RedisError as error:
            logger.warning("That this worker leaves can't be said: %s", error)

    def look(self, affair: str, queue: str) -> Roll:
        """Who is there. Who asks is, though its heart may not beat yet."""
        said = cast("dict[bytes, bytes]", self._redis.hgetall(_workers(affair)))
        progress = {
            worker.decode(): _read(json.loads(words)) for worker, words in said.items()
        }
        silences = presence.silences(self._redis)

        def silent_longer_than(ms: int) -> frozenset[str]:
            return frozenset(
                worker
                for worker in progress
                if worker != self._worker and silences.get(worker, ms + 1) > ms
            )

        # Who isn't heard itself can't tell that others are gone.
        is_heard = silences.get(self._worker, 0) <= DOUBTFUL_AFTER_MS
        lost = silent_longer_than(LOST_AFTER_MS) if is_heard else frozenset()
        return Roll(
            present=frozenset(
                worker
                for worker, silence in presence.silences(self._redis, queue).items()
                if silence < presence.PRESENCE_LIFETIME_MS
            )
            | ({self._worker} & progress.keys()),
            lost=lost,
            doubtful=silent_longer_than(DOUBTFUL_AFTER_MS) - lost,
            progress=progress,
        )

    def count(self, affair: str, counts: Mapping[str, int]) -> None:
        """Add to what is known of this second."""
        seconds, _ = self._redis.time()
        key = _minute(affair)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hsetnx(key, _BEGAN, str(seconds))
            for what, number in counts.items():
                pipe.hincrby(key, f"{seconds}:{what}", number)
            pipe.expire(key, _LIFETIME_S)
            pipe.execute()

    def counted(self, affair: str) -> Minute:
        """What all have counted since the version answers."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(_minute(affair)))
        now, _ = self._redis.time()
        began = int(found.pop(_BEGAN.encode(), now))
        seconds: defaultdict[int, Counts] = defaultdict(Counter)
        for key, number in found.items():
            second, _, what = key.decode().partition(":")
            seconds[int(second)][what] = int(number)
        return Minute(now - began, dict(seconds))


def _read(said: dict[str, Any]) -> Progress:
    return Progress(**{**said, "phase": Phase(said["phase"])})


def _workers(affair: str) -> str:
    return f"{affair}:workers"


def _minute(affair: str) -> str:
    return f"{affair}:minute"
