"""Where pixels wait for a worker: one slot a session, and a line for each queue.

Redis keys, all below `mailbox:`:

    frame:{sid}      the newest frame, JSON header and raw I420; overwritten, expires
    stamp:{sid}      when that frame was decoded, in ms of Redis's own clock; expires
    address:{sid}    the line that it waits in, or will wait in; expires
    inflight:{sid}   token of the take that a worker is answering; expires
    ready:{queue}    the line: sessions with a frame and nothing in flight, sorted by
                     since when
    bell:{queue}     a doorbell has been rung and not been answered yet; expires

A session waits at most once, in the line of its address, and never while in flight. So
at most one frame of it is being inferred, also while it changes over to another queue.
Those who waited longest go first, in whichever of a worker's lines they are. Ages are
told by Redis's clock alone: no two machines need to agree on the time.

This module knows keys and bytes. It doesn't know Celery, Channels or models.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from apps.inference import parcel
from apps.inference.types import Frame

FRAME_LIFETIME_MS = 2000
# A killed worker keeps its sessions from others for as long as this.
TOKEN_LIFETIME_MS = 2000
# A doorbell that nobody answered, because it was lost, is rung again after this.
BELL_LIFETIME_MS = 1000

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
"""

# KEYS ready, bell, inflight, stamp, address, the Celery queue. ARGV session, age_ms,
# lifetime of the frame, lifetime of the bell. Returns 1 when the caller must ring. A
# doorbell that lies unpicked in the Celery queue is enough, however long its flag has
# been gone. Who has moved to another queue leaves the line of the former one.
_OFFER = (
    _NOW
    + """
redis.call('SET', KEYS[4], string.format('%.3f', now - ARGV[2]), 'PX', ARGV[3])
local former = redis.call('GET', KEYS[5])
if former and former ~= KEYS[1] then redis.call('ZREM', former, ARGV[1]) end
redis.call('SET', KEYS[5], KEYS[1], 'PX', ARGV[3])
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('LLEN', KEYS[6]) > 0 then
  return 0
end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[4])
return 1
"""
)

# KEYS address. ARGV session.
_LEAVE_LINE = """
local ready = redis.call('GET', KEYS[1])
if ready then redis.call('ZREM', ready, ARGV[1]) end
"""

# KEYS the lines. ARGV prefix of the in-flight keys, prefix of the addresses, how many,
# token, the token's lifetime. Returns session ids. Who isn't in the right line, or in
# flight after all, is passed over: another line or the answer brings it back.
_TAKE = """
local sessions = {}
while #sessions < tonumber(ARGV[3]) do
  local line, since = nil, nil
  for _, ready in ipairs(KEYS) do
    local first = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
    if first[1] and (not since or tonumber(first[2]) < since) then
      line, since = ready, tonumber(first[2])
    end
  end
  if not line then break end
  local session = redis.call('ZPOPMIN', line)[1]
  if redis.call('GET', ARGV[2] .. session) == line
     and redis.call('SET', ARGV[1] .. session, ARGV[4], 'NX', 'PX', ARGV[5]) then
    sessions[#sessions + 1] = session
  end
end
return sessions
"""

# KEYS inflight, frame, address. ARGV session, token. A later take's token is left
# alone.
_DONE = (
    _NOW
    + """
if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('DEL', KEYS[1]) end
local ready = redis.call('GET', KEYS[3])
if ready and redis.call('EXISTS', KEYS[1]) == 0
   and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('ZADD', ready, 'NX', now, ARGV[1])
end
"""
)

# KEYS ready, bell, the Celery queue. ARGV the bell's lifetime. Returns 1 when someone
# waits and nobody has been called.
_CALL_AGAIN = """
if redis.call('ZCARD', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 1
   or redis.call('LLEN', KEYS[3]) > 0 then return 0 end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[1])
return 1
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """A frame as a worker takes it, with what it needs to be answered.

    `age_ms` is the time since the frame was decoded; `token` is the take's.
    """

    frame: Frame
    deployment: str
    reply_channel: str
    age_ms: float
    token: str


@dataclass(frozen=True, slots=True)
class Offered:
    """What an offer did: did it replace a frame nobody took, and must someone ring?"""

    replaced: bool
    ring: bool


def _frame(session_id: str) -> str:
    return f"mailbox:frame:{session_id}"


def _stamp(session_id: str) -> str:
    return f"mailbox:stamp:{session_id}"


def _address(session_id: str) -> str:
    return f"mailbox:address:{session_id}"


def _in_flight(session_id: str) -> str:
    return f"mailbox:inflight:{session_id}"


def _ready(queue: str) -> str:
    return f"mailbox:ready:{queue}"


def _bell(queue: str) -> str:
    return f"mailbox:bell:{queue}"


class WebMailbox:
    """The end of the mailbox that web processes hold: frames go in."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def offer(
        self,
        frame: Frame,
        *,
        queue: str,
        deployment: str,
        reply_channel: str,
        age_ms: float,
    ) -> Offered:
        """Put the newest frame of a session in its slot, for the workers of a queue.

        Raises:
            redis.RedisError: the frame is not in the mailbox.
        """
        sid = frame.session_id
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.exists(_frame(sid))
            pipe.set(
                _frame(sid),
                parcel.pack(frame, deployment=deployment, reply_channel=reply_channel),
                px=FRAME_LIFETIME_MS,
            )
            pipe.eval(
                _OFFER,
                6,
                _ready(queue),
                _bell(queue),
                _in_flight(sid),
                _stamp(sid),
                _address(sid),
                queue,
                sid,
                f"{age_ms:.3f}",
                FRAME_LIFETIME_MS,
                BELL_LIFETIME_MS,
            )
            replaced, _, ring = await pipe.execute()
        return Offered(replaced=bool(replaced), ring=bool(ring))

    async def withdraw(self, session_id: str) -> None:
        """Leave nothing of a session behind."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.eval(_LEAVE_LINE, 1, _address(session_id), session_id)
            pipe.delete(
                _frame(session_id),
                _stamp(session_id),
                _in_flight(session_id),
                _address(session_id),
            )
            await pipe.execute()


class WorkerMailbox:
    """The end of the mailbox that workers hold: frames come out, sessions go free.

    Args:
        redis: the connection.
        queues: whose frames this worker answers.
    """

    def __init__(self, redis: Redis, queues: Sequence[str]) -> None:
        self._redis = redis
        self._queues = tuple(queues)
        self._lines = [_ready(queue) for queue in queues]

    def answer_bell(self, queue: str) -> None:
        """From now on an offer rings again, so that an idle worker comes and helps."""
        self._redis.delete(_bell(queue))

    def wait(self, patience_s: float) -> bool:
        """Until somebody waits, or no longer than that; tells whether somebody does."""
        # Redis can only block by popping: what was popped goes back to where it was.
        first = self._redis.bzpopmin(self._lines, max(0.001, patience_s))
        if first is None:
            return False
        line, session, since = cast("tuple[bytes, bytes, float]", first)
        self._redis.zadd(line, {session: since}, nx=True)
        return True

    def take(self, limit: int) -> list[Letter]:
        """Take the newest frame of the `limit` sessions that have waited longest.

        In whichever line they wait. Sessions whose frame has expired meanwhile are
        passed over; nothing is returned only if nobody waits.
        """
        token = secrets.token_hex(8)
        while sessions := self._pop(limit, token):
            if letters := self._collect(sessions, token):
                return letters
        return []

    def _pop(self, limit: int, token: str) -> list[str]:
        popped = self._redis.eval(
            _TAKE,
            len(self._lines),
            *self._lines,
            _in_flight(""),
            _address(""),
            str(limit),
            token,
            str(TOKEN_LIFETIME_MS),
        )
        return [sid.decode() for sid in cast("list[bytes]", popped)]

    def _collect(self, sessions: Sequence[str], token: str) -> list[Letter]:
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.time()
            for sid in sessions:
                pipe.getdel(_frame(sid))
                pipe.get(_stamp(sid))
            (seconds, micros), *found = pipe.execute()
        now_ms = seconds * 1000 + micros / 1000
        letters: list[Letter] = []
        for sid, payload, stamp in zip(sessions, found[::2], found[1::2], strict=True):
            if payload is None or stamp is None:
                self.done([(sid, token)])
            else:
                frame, others = parcel.unpack(payload)
                age_ms = now_ms - float(stamp)
                letters.append(Letter(frame, age_ms=age_ms, token=token, **others))
        return letters

    def done(self, answered: Sequence[tuple[str, str]]) -> None:
        """Release sessions by (id, token); those with a new frame are ready again."""
        with self._redis.pipeline(transaction=False) as pipe:
            self.add_done(pipe, answered)
            pipe.execute()

    def add_done(self, pipe: Any, answered: Sequence[tuple[str, str]]) -> None:
        """The same, as part of a caller's pipeline."""
        for sid, token in answered:
            pipe.eval(
                _DONE,
                3,
                _in_flight(sid),
                _frame(sid),
                _address(sid),
                sid,
                token,
            )

    def uncalled(self) -> list[str]:
        """The queues in which a session waits and nobody was called: to be rung now."""
        with self._redis.pipeline(transaction=False) as pipe:
            for queue in self._queues:
                pipe.eval(
                    _CALL_AGAIN,
                    3,
                    _ready(queue),
                    _bell(queue),
                    queue,
                    str(BELL_LIFETIME_MS),
                )
            must_ring = pipe.execute()
        return [
            queue for queue, must in zip(self._queues, must_ring, strict=True) if must
        ]
