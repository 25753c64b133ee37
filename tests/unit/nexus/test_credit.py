"""The page is sent no more results than it draws, and those are the newest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apps.nexus import credit as credit_module
from apps.nexus.credit import ResultCredit


class Page:
    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.ages_ms: list[float] = []

    async def send(self, result: dict[str, Any]) -> None:
        self.seqs.append(result["seq"])
        self.ages_ms.append(result["timings"]["age_ms"])


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def credit(page: Page) -> ResultCredit:
    return ResultCredit(page.send)


async def offer(credit: ResultCredit, *seqs: int) -> None:
    for seq in seqs:
        await credit.offer({"seq": seq, "timings": {"age_ms": 10.0}})


async def test_two_results_are_on_their_way_at_most(page: Page, credit: ResultCredit):
    await offer(credit, 1, 2, 3, 4)
    assert page.seqs == [1, 2]


async def test_the_newest_follows_an_acknowledgement_and_older_ones_are_gone(
    page: Page, credit: ResultCredit
):
    await offer(credit, 1, 2, 3, 4, 5)
    await credit.acknowledge(1)
    assert page.seqs == [1, 2, 5]
    await credit.acknowledge(2)
    assert page.seqs == [1, 2, 5]


async def test_a_page_that_keeps_up_misses_nothing(page: Page, credit: ResultCredit):
    for seq in range(10):
        await offer(credit, seq)
        await credit.acknowledge(seq)
    assert page.seqs == list(range(10))


async def test_an_acknowledgement_counts_for_everything_before_it(
    page: Page, credit: ResultCredit
):
    await offer(credit, 1, 2)
    await credit.acknowledge(2)
    await offer(credit, 3, 4)
    assert page.seqs == [1, 2, 3, 4]


@pytest.mark.parametrize("seq", [1, 0])
async def test_an_acknowledgement_twice_or_out_of_place_buys_nothing(
    page: Page, credit: ResultCredit, seq: int
):
    await offer(credit, 1, 2)
    await credit.acknowledge(1)
    await offer(credit, 3)
    await credit.acknowledge(seq)
    await offer(credit, 4)
    assert page.seqs == [1, 2, 3]


async def test_a_new_picture_begins_with_full_credit(page: Page, credit: ResultCredit):
    """A page that stopped the camera doesn't draw, nor acknowledge, what was left."""
    await offer(credit, 1, 2, 3)
    credit.restart()
    await credit.acknowledge(2)
    assert page.seqs == [1, 2]
    await offer(credit, 7, 8, 9)
    assert page.seqs == [1, 2, 7, 8]
    await credit.acknowledge(7)
    assert page.seqs == [1, 2, 7, 8, 9]


async def test_a_result_ages_while_it_waits_for_the_page(
    page: Page, credit: ResultCredit, monkeypatch: pytest.MonkeyPatch
):
    now = 100.0
    monkeypatch.setattr(credit_module, "time", SimpleNamespace(monotonic=lambda: now))
    await offer(credit, 1, 2, 3)
    now += 0.5
    await credit.acknowledge(1)
    assert page.ages_ms == [10.0, 10.0, 510.0]
