"""Where pixels wait for a worker: one slot a session, and a queue of who waits.

Redis keys, all below `mailbox:{queue}:`

    frame:{sid}      the newest frame, JSON header and raw I420; overwritten, expires
    stamp:{sid}      when that frame was decoded, in ms of Redis's own clock; expires
    inflight:{sid}   token of the take that a worker is answering; expires
    ready            sessions with a frame and nothing in flight, sorted by since when
    bell             a doorbell has been rung and not been answered yet; expires

A session is `ready` at most once and never while in flight, so at most one frame of it
is being inferred, and those who waited longest go first. Ages are told by Redis's clock
alone: no two machines need to agree on the time.

This module knows keys and bytes. It doesn't know Celery, Channels or models.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

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

# KEYS ready, bell, inflight, stamp, the Celery queue. ARGV session, age_ms, lifetime of
# the stamp, lifetime of the bell. Returns 1 when the caller must ring. A doorbell that
# lies unpicked in the Celery queue is enough, however long its flag has been gone.
_OFFER = (
    _NOW
    + """
redis.call('SET', KEYS[4], string.format('%.3f', now - ARGV[2]), 'PX', ARGV[3])
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('LLEN', KEYS[5]) > 0 then
  return 0
end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[4])
return 1
"""
)

# KEYS ready. ARGV prefix of the in-flight keys, how many, token, the token's lifetime.
# Returns session ids.
_TAKE = """
local popped = redis.call('ZPOPMIN', KEYS[1], ARGV[2])
local sessions = {}
for i = 1, #popped, 2 do
  redis.call('SET', ARGV[1] .. popped[i], ARGV[3], 'PX', ARGV[4])
  sessions[#sessions + 1] = popped[i]
end
return sessions
"""

# KEYS inflight, frame, ready. ARGV session, token. A later take's token is left alone.
_DONE = (
    _NOW
    + """
if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('DEL', KEYS[1]) end
if redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('ZADD', KEYS[3], 'NX', now, ARGV[1])
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


class _Keys:
    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.prefix = f"mailbox:{queue}:"
        self.ready = self.prefix + "ready"
        self.bell = self.prefix + "bell"

    def frame(self, session_id: str) -> str:
        return f"{self.prefix}frame:{session_id}"

    def stamp(self, session_id: str) -> str:
        return f"{self.prefix}stamp:{session_id}"

    def in_flight(self, session_id: str) -> str:
        return f"{self.prefix}inflight:{session_id}"


class WebMailbox:
    """The end of a mailbox that web processes hold: frames go in."""

    def __init__(self, redis: AsyncRedis, queue: str) -> None:
        self._redis = redis
        self._keys = _Keys(queue)

    async def offer(
        self, frame: Frame, *, deployment: str, reply_channel: str, age_ms: float
    ) -> Offered:
        """Put the newest frame of a session in its slot.

        Raises:
            redis.RedisError: the frame is not in the mailbox.
        """
        keys, sid = self._keys, frame.session_id
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.exists(keys.frame(sid))
            pipe.set(
                keys.frame(sid),
                _pack(frame, deployment, reply_channel),
                px=FRAME_LIFETIME_MS,
            )
            pipe.eval(
                _OFFER,
                5,
                keys.ready,
                keys.bell,
                keys.in_flight(sid),
                keys.stamp(sid),
                keys.queue,
                sid,
                f"{age_ms:.3f}",
                FRAME_LIFETIME_MS,
                BELL_LIFETIME_MS,
            )
            replaced, _, ring = await pipe.execute()
        return Offered(replaced=bool(replaced), ring=bool(ring))

    async def withdraw(self, session_id: str) -> None:
        """Leave nothing of a session behind."""
        keys = self._keys
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(
                keys.frame(session_id),
                keys.stamp(session_id),
                keys.in_flight(session_id),
            )
            pipe.zrem(keys.ready, session_id)
            await pipe.execute()


class WorkerMailbox:
    """The end of a mailbox that workers hold: frames come out, sessions go free."""

    def __init__(self, redis: Redis, queue: str) -> None:
        self._redis = redis
        self._keys = _Keys(queue)

    def answer_bell(self) -> None:
        """From now on an offer rings again, so that an idle worker comes and helps."""
        self._redis.delete(self._keys.bell)

    def wait(self, patience_s: float) -> bool:
        """Until somebody waits, or no longer than that; tells whether somebody does."""
        # Redis can only block by popping: what was popped goes back to where it was.
        first = self._redis.bzpopmin([self._keys.ready], max(0.001, patience_s))
        if first is None:
            return False
        _, session, since = cast("tuple[bytes, bytes, float]", first)
        self._redis.zadd(self._keys.ready, {session: since}, nx=True)
        return True

    def take(self, limit: int) -> list[Letter]:
        """Take the newest frame of the `limit` sessions that have waited longest.

        Sessions whose frame has expired meanwhile are passed over; nothing is returned
        only if nobody waits.
        """
        token = secrets.token_hex(8)
        while sessions := self._pop(limit, token):
            if letters := self._collect(sessions, token):
                return letters
        return []

    def _pop(self, limit: int, token: str) -> list[str]:
        keys = self._keys
        popped = self._redis.eval(
            _TAKE,
            1,
            keys.ready,
            keys.in_flight(""),
            str(limit),
            token,
            str(TOKEN_LIFETIME_MS),
        )
        return [sid.decode() for sid in cast("list[bytes]", popped)]

    def _collect(self, sessions: Sequence[str], token: str) -> list[Letter]:
        keys = self._keys
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.time()
            for sid in sessions:
                pipe.getdel(keys.frame(sid))
                pipe.get(keys.stamp(sid))
            (seconds, micros), *found = pipe.execute()
        now_ms = seconds * 1000 + micros / 1000
        letters: list[Letter] = []
        for sid, payload, stamp in zip(sessions, found[::2], found[1::2], strict=True):
            if payload is None or stamp is None:
                self.done([(sid, token)])
            else:
                letters.append(_unpack(payload, now_ms - float(stamp), token))
        return letters

    def done(self, answered: Sequence[tuple[str, str]]) -> None:
        """Release sessions by (id, token); those with a new frame are ready again."""
        with self._redis.pipeline(transaction=False) as pipe:
            self.add_done(pipe, answered)
            pipe.execute()

    def add_done(self, pipe: Any, answered: Sequence[tuple[str, str]]) -> None:
        """The same, as part of a caller's pipeline."""
        keys = self._keys
        for sid, token in answered:
            pipe.eval(
                _DONE,
                3,
                keys.in_flight(sid),
                keys.frame(sid),
                keys.ready,
                sid,
                token,
            )

    def must_ring(self) -> bool:
        """Does a session wait while nobody was called? Then the caller must ring."""
        keys = self._keys
        return bool(
            self._redis.eval(
                _CALL_AGAIN,
                3,
                keys.ready,
                keys.bell,
                keys.queue,
                str(BELL_LIFETIME_MS),
            )
        )


def _pack(frame: Frame, deployment: str, reply_channel: str) -> bytes:
    """Write a frame as the length of a JSON header, the header, and the pixels."""
    header = json.dumps(
        {
            "session_id": frame.session_id,
            "seq": frame.seq,
            "width": frame.width,
            "height": frame.height,
            "rotation": frame.rotation,
            "deployment": deployment,
            "reply_channel": reply_channel,
        }
    ).encode()
    return b"".join((len(header).to_bytes(4, "big"), header, frame.pixels))


def _unpack(payload: bytes, age_ms: float, token: str) -> Letter:
    body = 4 + int.from_bytes(payload[:4], "big")
    header = json.loads(payload[4:body])
    deployment, reply_channel = header.pop("deployment"), header.pop("reply_channel")
    # A view, since the pixels are most of a megabyte and are only read.
    frame = Frame(pixels=memoryview(payload)[body:], **header)
    return Letter(frame, deployment, reply_channel, age_ms, token)
