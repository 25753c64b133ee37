"""The slots and the line before them, in Redis: every decision is one atomic script.

Keys, all below `admission:`; times are in ms of Redis's own clock:

    in:all, in:node:{node}, in:process:{process}
                    sessions that hold a slot, and until when unless they renew it
    of:address:{address}, of:user:{user}
                    sessions that are in or in line, and until when
    line            sessions that wait, by when they came
    line:seen       … until when they count as waiting
    line:where      … and where they would come in, with the caps there
    since           sessions that hold a slot, by since when
    held            for how long the last that left had held theirs
    visit:{sid}     when a session came; outlives it for a while, so that one that was
                    cut off comes back to where it was in the line

Who is not heard of again is out after `LEASE_MS`, whatever became of its process. The
head of the line doesn't keep others from a slot that it can't use itself, since a
visitor's socket is held by one process. This module knows keys and numbers only.
"""

from __future__ import annotations

import json
from typing import Any, cast

from redis.asyncio import Redis

from apps.nexus.admission.caps import Caps
from apps.nexus.admission.standing import In, Turnover, Waiting, estimate_s
from apps.nexus.admission.visitor import Visitor

LEASE_MS = 10_000
# How long the place in line of a session is kept that is not heard of.
MEMORY_MS = 60_000
# Estimates are made of so many that left, within so long.
REMEMBERED = 50
REMEMBERED_MS = 24 * 3600 * 1000

PREFIX = "admission:"

_BEGIN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local all, node, process, address, user, line, seen, where, since, held, visit =
  unpack(KEYS)
local session = ARGV[1]

-- Give a slot back, that was held until a time.
local function leave_slot(gone, left_at)
  local began = redis.call('ZSCORE', since, gone)
  if not began then return end
  redis.call('ZREM', since, gone)
  redis.call('LPUSH', held, left_at - began)
  redis.call('LTRIM', held, 0, ARGV[2] - 1)
  redis.call('PEXPIRE', held, ARGV[3])
end
"""

# ARGV as in `_LEAVE`; its place as JSON; caps in all, an address, a user; how many
# sessions its process holds; for how long it has held its slot as its process says, -1
# if it holds none; lifetimes of a lease and of the visit's key; the prefix of keys.
# Returns {1, ms for which a slot has been held}, {0, position, how many have left, how
# many are here, ms they have held slots}, {-1}: the address's cap, {-2}: the user's.
_ASK = (
    _BEGIN
    + """
local place = cjson.decode(ARGV[4])
local in_all = tonumber(ARGV[5])
local an_address, a_user = tonumber(ARGV[6]), tonumber(ARGV[7])
local process_holds, has_held = tonumber(ARGV[8]), tonumber(ARGV[9])
local lease, memory, prefix = tonumber(ARGV[10]), ARGV[11], ARGV[12]

local function leave_line(gone)
  redis.call('ZREM', line, gone)
  redis.call('ZREM', seen, gone)
  redis.call('HDEL', where, gone)
end

for _, gone in ipairs(redis.call('ZRANGEBYSCORE', all, '-inf', now)) do
  leave_slot(gone, redis.call('ZSCORE', all, gone) - lease)
end
for i = 1, 5 do redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now) end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', seen, '-inf', now)) do
  leave_line(gone)
end

local is_in = has_held >= 0 or redis.call('ZSCORE', all, session)

local function is_one_too_many(key, cap)
  return not is_in and cap > 0 and not redis.call('ZSCORE', key, session)
    and redis.call('ZCARD', key) >= cap
end
local too_many = is_one_too_many(address, an_address) and -1
  or is_one_too_many(user, a_user) and -2
if too_many then return {too_many} end

local function hold(key, lifetime)
  redis.call('ZADD', key, now + lifetime, session)
  redis.call('PEXPIRE', key, memory)
end
if an_address > 0 then hold(address, lease) end
if a_user > 0 then hold(user, lease) end
redis.call('SET', visit, now, 'NX')
redis.call('PEXPIRE', visit, memory)

local free = {}
local function room(key, cap)
  if not free[key] then
    local taken = redis.call('ZCOUNT', key, now, '+inf')
    if key == all or key == node or key == process then
      taken = math.max(taken, process_holds)
    end
    free[key] = cap == 0 and math.huge or cap - taken
  end
  return free[key]
end
-- Whether one more fits in there; if so, its slots are no longer free.
local function fits(there)
  local caps = {
    [all] = in_all,
    [prefix .. 'in:node:' .. there.node] = there.per_node,
    [prefix .. 'in:process:' .. there.process] = there.per_process,
  }
  for key, cap in pairs(caps) do
    if room(key, cap) <= 0 then return false end
  end
  for key in pairs(caps) do free[key] = free[key] - 1 end
  return true
end
-- Whether there is a slot beside those that the visitors before this one can use.
local function is_next(position)
  if room(all, in_all) <= 0 or room(node, place.per_node) <= 0
    or room(process, place.per_process) <= 0 then return false end
  for _, other in ipairs(redis.call('ZRANGE', line, 0, position - 1)) do
    if other == session then break end
    fits(cjson.decode(redis.call('HGET', where, other)))
  end
  return fits(place)
end

if not is_in then
  redis.call('ZADD', line, 'NX', redis.call('GET', visit), session)
  redis.call('ZADD', seen, now + lease, session)
  redis.call('HSET', where, session, ARGV[4])
  for _, key in ipairs({line, seen, where}) do redis.call('PEXPIRE', key, lease) end
  local position = redis.call('ZRANK', line, session) + 1
  if not is_next(position) then
    local total, left = 0, redis.call('LRANGE', held, 0, -1)
    for _, ms in ipairs(left) do total = total + ms end
    local here = redis.call('ZRANGE', since, 0, -1, 'WITHSCORES')
    for i = 2, #here, 2 do total = total + now - here[i] end
    return {0, position, #left, #here / 2, total}
  end
end

leave_line(session)
hold(all, lease)
hold(node, lease)
hold(process, lease)
redis.call('ZADD', since, 'NX', now - math.max(has_held, 0), session)
redis.call('PEXPIRE', since, memory)
return {1, now - redis.call('ZSCORE', since, session)}
"""
)

# ARGV session; how many that left are remembered, and for how long.
_LEAVE = (
    _BEGIN
    + """
leave_slot(session, now)
for _, key in ipairs({all, node, process, address, user, line, seen}) do
  redis.call('ZREM', key, session)
end
redis.call('HDEL', where, session)
redis.call('DEL', visit)
"""
)


class Slots:
    """The slots as one process sees them."""

    def __init__(self, redis: Redis, *, node: str, process: str) -> None:
        self._redis = redis
        self._node = node
        self._process = process

    async def ask(
        self, visitor: Visitor, caps: Caps, *, holds: int, held_s: float | None = None
    ) -> In | Waiting:
        """Ask for a slot, or renew the one that is held, which is never refused.

        Args:
            visitor: who asks, again and again.
            caps: what to keep to.
            holds: how many sessions this process holds, whatever Redis has forgotten.
            held_s: for how long this one has held its slot; None if it has none.

        Raises:
            redis.RedisError: nobody has been asked.
        """
        answer = await self._run(
            _ASK,
            visitor,
            json.dumps(
                {
                    "node": self._node,
                    "process": self._process,
                    "per_node": caps.per_node,
                    "per_process": caps.per_process,
                }
            ),
            caps.in_all,
            caps.per_address if visitor.address else 0,
            caps.per_user if visitor.user else 0,
            holds,
            -1 if held_s is None else int(held_s * 1000),
            LEASE_MS,
            MEMORY_MS,
            PREFIX,
        )
        return _read(cast("list[int]", answer))

    async def leave(self, visitor: Visitor) -> None:
        """Give the slot back, or the place in line, and be forgotten.

        Raises:
            redis.RedisError: it will be free when its lease is over.
        """
        await self._run(_LEAVE, visitor)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _run(self, script: str, visitor: Visitor, *args: str | int) -> Any:
        keys = [
            "in:all",
            f"in:node:{self._node}",
            f"in:process:{self._process}",
            f"of:address:{visitor.address}",
            f"of:user:{visitor.user}",
            *("line", "line:seen", "line:where", "since", "held"),
            f"visit:{visitor.session_id}",
        ]
        return await self._redis.eval(
            script,
            len(keys),
            *(PREFIX + key for key in keys),
            visitor.session_id,
            REMEMBERED,
            REMEMBERED_MS,
            *(str(arg) for arg in args),
        )


def _read(answer: list[int]) -> In | Waiting:
    match answer:
        case [1, held_ms]:
            return In(held_ms / 1000)
        case [0, position, left, here, held_ms]:
            turnover = Turnover(left, here, held_ms / 1000)
            return Waiting("full", position, estimate_s(position, turnover))
        case [-1]:
            return Waiting("address")
        case _:
            return Waiting("user")
