"""Who is told what, who counts as whom, and how long one may stay."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from apps.nexus.admission import stay as stay_module
from apps.nexus.admission.standing import Turnover, estimate_s
from apps.nexus.admission.stay import ENDS_SOON, NO_PICTURE, TOO_LONG, Stay
from apps.nexus.admission.visitor import Visitor, client_network
from bench.processes import PATIENCE_S


def scope(client: str | None, *forwarded: str) -> dict[str, Any]:
    return {
        "client": client and [client, 40_000],
        "headers": [(b"x-forwarded-for", said.encode()) for said in forwarded],
    }


@pytest.mark.parametrize(
    ("position", "turnover", "expected"),
    [
        # Nobody has left yet, or nobody is there to leave.
        (1, Turnover(left=0, here=2, held_s=600), None),
        (1, Turnover(left=2, here=0, held_s=600), None),
        # A slot is held for 300 s: one of one, one of two, the third of two.
        (1, Turnover(left=2, here=1, held_s=600), 300),
        (1, Turnover(left=2, here=2, held_s=600), 180),
        (3, Turnover(left=2, here=2, held_s=600), 480),
        (1, Turnover(left=10, here=10, held_s=600), 10),
        (1, Turnover(left=50, here=10, held_s=1), 10),
        (1, Turnover(left=1, here=1, held_s=55), 60),
    ],
)
def test_an_estimate_is_of_how_long_slots_are_held(
    position: int, turnover: Turnover, expected: int | None
):
    assert estimate_s(position, turnover) == expected


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        # This machine itself, and those without an address.
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_counts_as_the_network_it_stands_for(
    client: str | None, network: str
):
    assert client_network(scope(client)) == network


def test_the_address_before_a_proxy_is_believed_only_if_the_proxy_is(
    settings: Settings,
):
    through = scope("127.0.0.1", "198.51.100.1, 192.0.2.7")
    assert client_network(through) == ""
    settings.TRUST_PROXY_HEADERS = True
    # The first is what the visitor says, the last what our proxy saw.
    assert client_network(through) == "192.0.2.7"
    assert client_network(scope("127.0.0.1", "192.0.2.7", "2001:db8::1")) == (
        "2001:db8::/64"
    )
    assert client_network(scope("192.0.2.9", "unknown")) == "192.0.2.9"
    assert client_network(scope("192.0.2.9")) == "192.0.2.9"


@pytest.mark.parametrize(("known", "user"), [(True, "3"), (False, "")])
def test_a_user_counts_who_is_logged_in(known: bool, user: str):
    visitor = Visitor.from_scope(
        "a", scope(None) | {"user": SimpleNamespace(pk=3, is_authenticated=known)}
    )
    assert visitor == Visitor("a", user=user)


class Told:
    def __init__(self) -> None:
        self.sentences: list[str] = []

    async def __call__(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(stay_module, "LOOK_S", 0.005)
    return Told()


async def test_who_never_sends_a_picture_gives_the_slot_back(
    told: Told, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stay_module, "IDLE_S", 0.3)
    stay = Stay(held_s=0, notify=told)
    over = asyncio.create_task(stay.until_over())
    async with asyncio.timeout(PATIENCE_S):
        # What isn't a picture doesn't count, however often it comes.
        while not over.done():
            stay.note_live(False)
            await asyncio.sleep(0.001)
    assert await over == NO_PICTURE


async def test_a_picture_may_stay_and_its_absence_may_not(
    told: Told, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stay_module, "IDLE_S", 0.02)
    stay = Stay(held_s=10_000, notify=told)
    stay.note_live(True)
    over = asyncio.create_task(stay.until_over())
    done, _ = await asyncio.wait([over], timeout=0.2)
    assert not done
    stay.note_live(False)
    assert await over == NO_PICTURE
    assert told.sentences == []


async def test_the_end_is_told_a_minute_before_it_comes(told: Told, settings: Settings):
    settings.SESSION_MAX_MINUTES = 2
    stay = Stay(held_s=59.9, notify=told)
    stay.note_live(True)
    over = asyncio.create_task(stay.until_over())
    done, _ = await asyncio.wait([over], timeout=0.3)
    assert not done
    assert told.sentences == [ENDS_SOON]
    over.cancel()


async def test_a_session_ends_when_it_has_been_as_long_as_it_may(
    told: Told, settings: Settings
):
    settings.SESSION_MAX_MINUTES = 2
    stay = Stay(held_s=119.95, notify=told)
    stay.note_live(True)
    assert await stay.until_over() == TOO_LONG
    assert told.sentences == [ENDS_SOON]
