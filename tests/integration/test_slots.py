"""The slots and the line before them, on a real Redis: many at once, and some gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis import Redis

from apps.inference.connections import async_redis
from apps.nexus.admission import slots as slots_module
from apps.nexus.admission.caps import Caps
from apps.nexus.admission.slots import Slots
from apps.nexus.admission.standing import In, Waiting
from apps.nexus.admission.visitor import Visitor
from tests.waiting import eventually

ONE = Caps(in_all=1)


class Process:
    """A web process as Redis sees it: who asks, and what it holds."""

    def __init__(self, name: str, node: str = "here") -> None:
        self.slots = Slots(async_redis(), node=node, process=f"{node}:{name}")

    async def ask(self, visitor: Visitor | str, caps: Caps = ONE) -> In | Waiting:
        return await self.slots.ask(named(visitor), caps, holds=0)

    async def lets_in(self, visitor: Visitor | str, caps: Caps = ONE) -> bool:
        return isinstance(await self.ask(visitor, caps), In)

    async def position(self, name: str, caps: Caps = ONE) -> int | None:
        answer = await self.ask(name, caps)
        assert isinstance(answer, Waiting)
        return answer.position

    async def renew(self, name: str, held_s: float = 0.0) -> None:
        answer = await self.slots.ask(named(name), ONE, holds=0, held_s=held_s)
        assert isinstance(answer, In)

    async def leave(self, name: str) -> None:
        await self.slots.leave(Visitor(name))


def named(visitor: Visitor | str) -> Visitor:
    return Visitor(visitor) if isinstance(visitor, str) else visitor


@pytest.fixture
async def processes(redis: Redis) -> AsyncIterator[list[Process]]:
    """Two of one node, and one of another."""
    processes = [Process("1"), Process("2"), Process("1", node="there")]
    yield processes
    for process in processes:
        await process.slots.close()


@pytest.fixture
def process(processes: list[Process]) -> Process:
    return processes[0]


async def test_of_fifty_at_once_five_get_in(processes: list[Process]):
    caps = Caps(in_all=5)
    answers = await asyncio.gather(
        *(processes[n % 3].ask(f"visitor-{n}", caps) for n in range(50))
    )
    waiting = [answer for answer in answers if isinstance(answer, Waiting)]
    assert len(answers) - len(waiting) == 5
    assert sorted(answer.position or 0 for answer in waiting) == list(range(1, 46))


async def test_fifty_at_once_get_in_one_after_the_other_in_their_order(
    process: Process,
):
    caps = Caps(in_all=5)
    names = [f"visitor-{n:02}" for n in range(50)]
    for name in names:
        await process.ask(name, caps)
    inside = set(names[:5])
    order: list[str] = []
    while len(order) < 45:
        await process.leave(inside.pop())
        rest = [name for name in names[5:] if name not in order]
        answers = await asyncio.gather(*(process.ask(name, caps) for name in rest))
        entered = [
            name
            for name, answer in zip(rest, answers, strict=True)
            if isinstance(answer, In)
        ]
        assert len(entered) == 1
        order += entered
        inside |= set(entered)
    assert order == names[5:]


async def test_who_comes_later_stays_behind(process: Process):
    assert await process.lets_in("first")
    assert await process.position("second") == 1
    assert await process.position("third") == 2
    await process.leave("first")
    assert await process.position("third") == 2
    assert await process.lets_in("second")
    assert await process.position("third") == 1


async def test_who_leaves_the_line_is_in_nobodys_way(process: Process):
    assert await process.lets_in("first")
    assert await process.position("second") == 1
    assert await process.position("third") == 2
    await process.leave("second")
    assert await process.position("third") == 1
    await process.leave("first")
    assert await process.lets_in("third")


async def test_what_a_killed_process_held_is_free_after_its_lease(
    process: Process, redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    """Its slot, and its place at the head of the line."""
    caps = Caps(in_all=2)
    with monkeypatch.context() as patch:
        patch.setattr(slots_module, "LEASE_MS", 500)
        assert await process.lets_in("killed", caps)
        assert await process.lets_in("alive", caps)
        assert await process.position("killed-too", caps) == 1
    await process.renew("alive")
    assert await process.position("third", caps) == 2
    await eventually(lambda: not_alive(redis, "killed"), "the leases to be over")
    assert await process.lets_in("third", caps)
    assert await process.position("fourth", caps) == 1
    # Who was killed is not in any more, and comes back as everybody does.
    assert await process.position("killed", caps) == 1


def not_alive(redis: Redis, name: str) -> bool:
    until = redis.zscore("admission:in:all", name)
    seconds, micros = redis.time()
    return until is None or until < seconds * 1000 + micros / 1000 - 50


async def test_who_renews_stays(process: Process, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slots_module, "LEASE_MS", 300)
    assert await process.lets_in("first")
    for _ in range(20):
        await asyncio.sleep(0.03)
        await process.renew("first")
        assert not await process.lets_in("second")


async def test_a_session_that_was_cut_off_has_its_slot_still(processes: list[Process]):
    """It may come back to another process."""
    assert await processes[0].lets_in("first")
    assert await processes[0].position("second") == 1
    assert await processes[2].lets_in("first")


async def test_a_session_that_lost_its_place_comes_back_to_it(
    process: Process, redis: Redis
):
    """Its lease ran out, but not the memory of when it had come."""
    for name in ("first", "second", "third"):
        await process.ask(name)
    redis.zrem("admission:line", "second")
    assert await process.position("third") == 1
    assert await process.position("second") == 1
    assert await process.position("third") == 2

    redis.zrem("admission:in:all", "first")
    redis.zadd("admission:in:all", {"another": 2e15})
    assert await process.position("first") == 1
    assert await process.position("second") == 2


async def test_sessions_that_are_in_stay_in_though_redis_lost_them(
    process: Process, redis: Redis
):
    assert await process.lets_in("first")
    redis.flushall()
    await process.renew("first", held_s=90.0)
    assert not await process.lets_in("second")
    answer = await process.ask("first")
    assert isinstance(answer, In)
    assert answer.held_s == pytest.approx(90.0, abs=10.0)


async def test_a_process_knows_what_it_holds_whatever_redis_has_lost(process: Process):
    answer = await process.slots.ask(Visitor("second"), Caps(per_process=1), holds=1)
    assert isinstance(answer, Waiting)


async def test_each_process_and_each_node_has_its_own_cap(processes: list[Process]):
    caps = Caps(per_process=1, per_node=2)
    here, beside, there = processes
    assert await here.lets_in("a", caps)
    assert not await here.lets_in("b", caps)
    assert await beside.lets_in("c", caps)
    third = Process("3")
    assert not await third.lets_in("d", caps)
    assert await there.lets_in("e", caps)
    await third.slots.close()


async def test_who_can_use_a_slot_needn_t_wait_for_who_can_t(processes: list[Process]):
    """The head of the line is held by a process that is full."""
    caps = Caps(in_all=3, per_process=1)
    here, beside, there = processes
    assert await here.lets_in("a", caps)
    assert await here.position("b", caps) == 1
    assert await beside.lets_in("c", caps)
    # But the last slot of all is for who came first and can use it.
    assert await here.position("d", caps) == 2
    await here.leave("a")
    assert await there.lets_in("e", caps)
    assert await beside.position("f", caps) == 3
    assert await here.lets_in("b", caps)


async def test_the_last_slot_is_for_who_came_first(processes: list[Process]):
    caps = Caps(in_all=1)
    here, _, there = processes
    assert await here.lets_in("a", caps)
    assert await here.position("b", caps) == 1
    assert await there.position("c", caps) == 2
    await here.leave("a")
    assert not await there.lets_in("c", caps)
    assert await here.lets_in("b", caps)


@pytest.mark.parametrize("kind", ["address", "user"])
async def test_an_address_and_a_user_have_a_cap_and_hold_no_place_in_line(
    process: Process, kind: str
):
    caps = Caps(in_all=2, per_address=2, per_user=2)

    def of(name: str, whose: str = "greedy") -> Visitor:
        return replace(Visitor(name), **{kind: whose})

    assert await process.lets_in(of("a"), caps)
    assert await process.lets_in("b", caps)
    assert await process.ask(of("c"), caps) == Waiting("full", 1)
    limited = await process.ask(of("d"), caps)
    assert limited == Waiting(kind)  # type: ignore[arg-type]
    assert await process.ask(of("e", "other"), caps) == Waiting("full", 2)
    await process.slots.leave(of("c"))
    assert await process.ask(of("d"), caps) == Waiting("full", 2)


async def test_an_estimate_is_of_what_was_seen(process: Process, redis: Redis):
    assert await process.lets_in("a")
    assert await process.ask("b") == Waiting("full", 1, None)
    redis.lpush("admission:held", 100_000, 139_000)
    seconds, _ = redis.time()
    redis.zadd("admission:since", {"a": (seconds - 1) * 1000})
    # Two have left after 240 s in all, and one place turns over.
    assert await process.ask("b") == Waiting("full", 1, 120 + 60)
    assert await process.ask("c") == Waiting("full", 2, 240 + 60)


async def test_nothing_is_left_of_who_has_left(process: Process, redis: Redis):
    visitor = Visitor("a", address="192.0.2.7", user="3")
    caps = Caps(in_all=1, per_address=5, per_user=5)
    assert await process.lets_in(visitor, caps)
    assert await process.position("b", caps) == 1
    await process.slots.leave(visitor)
    await process.leave("b")
    assert set(redis.keys()) == {b"admission:held"}
