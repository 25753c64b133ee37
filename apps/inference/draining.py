"""Keeps the engine of a worker busy while frames wait.

While one batch is in its forward pass, the one before it is decoded and published, and
the next is taken and featurized, each in a thread of its own. The next is taken as late
as it can be ready in time, for the newest frame wins: what is taken early is old when
its turn comes.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor

from redis import Redis

from apps.inference import answering
from apps.inference.answering import Batch
from apps.inference.mailbox import WorkerMailbox
from apps.inference.serving.host import ModelHost
from apps.inference.trials.trying import Trials

# A camera that sends ten pictures a second or more has sent the next one by then.
LINGER_S = 0.1


class Pace:
    """How long batches take of late, and so when to take the next one."""

    REMEMBERED = 8
    # A batch that is ready too late costs the engine more than its age costs a frame.
    SPARE = 1.5

    def __init__(self) -> None:
        # By the kind of batch: a worker may have a quick model and a slow one.
        self._inferred_s: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=self.REMEMBERED)
        )
        self._ready_s: deque[float] = deque(maxlen=self.REMEMBERED)

    def inferred(self, kind: str, seconds: float) -> None:
        self._inferred_s[kind].append(seconds)

    def made_ready(self, seconds: float) -> None:
        self._ready_s.append(seconds)

    def delay_s(self, kind: str) -> float:
        """From when a batch goes to the engine to when the next is taken."""
        inferred_s = self._inferred_s[kind]
        if not inferred_s or not self._ready_s:
            return 0.0
        return max(0.0, min(inferred_s) - self.SPARE * max(self._ready_s))


class Drain:
    """Answers what waits in a mailbox. Used by one thread, until it is closed.

    Only `end` and `busy_s` may be called by any thread, `end` by a signal too.
    """

    def __init__(
        self, redis: Redis, mailbox: WorkerMailbox, host: ModelHost, trials: Trials
    ) -> None:
        self._redis = redis
        self._mailbox = mailbox
        self._host = host
        self._trials = trials
        self._pace = Pace()
        self._busy_s = 0.0
        self._is_ending = False
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._behind = ThreadPoolExecutor(1, thread_name_prefix="behind")

    def end(self) -> None:
        """Take nothing any more: what waits is for other workers."""
        self._is_ending = True

    def busy_s(self) -> float:
        """For how long in all batches were in their forward pass."""
        return self._busy_s

    def close(self) -> None:
        self._ahead.shutdown()
        self._behind.shutdown()

    def run(self, slice_s: float) -> None:
        """Answer until nobody comes any more, or for a slice of time and what is taken.

        Raises:
            redis.RedisError: what was taken is lost.
        """
        deadline = time.monotonic() + slice_s
        published: Future[None] | None = None
        batches = self._take()
        while batches:
            batch = batches.pop(0)
            coming = None if batches else self._take_in_time(batch, deadline)
            self._infer(batch)
            if published is not None:
                published.result()
            published = self._behind.submit(self._publish, batch)
            if coming is not None:
                batches = coming.result()
            if not batches:
                # Who has just been answered may have sent a newer frame.
                published.result()
                batches = self._take_soon(deadline)

    def _take_in_time(
        self, batch: Batch, deadline: float
    ) -> Future[list[Batch]] | None:
        """Have the next ready when this one is done."""
        delay_s = self._pace.delay_s(batch.kind)
        if time.monotonic() + delay_s >= deadline:
            return None
        return self._ahead.submit(self._take, delay_s)

    def _take_soon(self, deadline: float) -> list[Batch]:
        """Stay for the next frame: a doorbell would take longer than it should wait."""
        while not self._is_ending and (left_s := deadline - time.monotonic()) > 0:
            if not self._mailbox.wait(min(left_s, LINGER_S)):
                break
            # Another worker may have been quicker.
            if batches := self._take():
                return batches
        return []

    def _take(self, delay_s: float = 0.0) -> list[Batch]:
        time.sleep(delay_s)
        if self._is_ending:
            return []
        started = time.perf_counter()
        letters = self._mailbox.take(self._host.batch_size)
        batches = answering.batches_of(self._host, letters)
        if batches:
            self._pace.made_ready(time.perf_counter() - started)
        return batches

    def _infer(self, batch: Batch) -> None:
        started = time.perf_counter()
        batch.infer()
        took_s = time.perf_counter() - started
        self._pace.inferred(batch.kind, took_s)
        self._busy_s += took_s

    def _publish(self, batch: Batch) -> None:
        answers = batch.answers()
        answering.publish(self._redis, self._mailbox, answers)
        self._trials.take_note(answers)
