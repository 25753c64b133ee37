"""received = inferred + dropped + pending, whatever happens in whatever order."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from apps.nexus.ledger import DropReason, FrameLedger

REASONS: tuple[DropReason, ...] = get_args(DropReason)


def adds_up(ledger: FrameLedger) -> bool:
    dropped = ledger.dropped.values()
    return min(dropped, default=0) >= 0 and (
        ledger.received == ledger.inferred + sum(dropped) + ledger.pending
    )


def counts(ledger: FrameLedger) -> tuple[int, int, dict[DropReason, int], int]:
    dropped = {reason: count for reason, count in ledger.dropped.items() if count}
    return ledger.received, ledger.inferred, dropped, ledger.pending


def ledger_of(*seqs: int) -> FrameLedger:
    ledger = FrameLedger()
    for seq in seqs:
        ledger.receive(seq)
    return ledger


def test_a_frame_is_pending_until_it_is_answered():
    ledger = ledger_of(1, 2)
    assert counts(ledger) == (2, 0, {}, 2)
    assert ledger.infer(1)
    assert counts(ledger) == (2, 1, {}, 1)


@pytest.mark.parametrize("reason", REASONS)
def test_a_dropped_frame_has_one_reason(reason: DropReason):
    ledger = ledger_of(1)
    assert ledger.drop(1, reason)
    assert counts(ledger) == (1, 0, {reason: 1}, 0)


@pytest.mark.parametrize("reason", [each for each in REASONS if each != "lost"])
def test_the_first_outcome_stands(reason: DropReason):
    ledger = ledger_of(1, 2)
    ledger.infer(1)
    ledger.drop(2, reason)

    assert not ledger.drop(1, reason)
    assert not ledger.infer(1)
    assert not ledger.infer(2)
    assert not ledger.drop(2, "lost")

    assert counts(ledger) == (2, 1, {reason: 1}, 0)


@pytest.mark.parametrize("reason", ["expired", "lost"])
def test_a_frame_given_up_and_answered_after_all_counts_as_inferred_once(
    reason: DropReason,
):
    ledger = ledger_of(1)
    ledger.give_up(1, reason)

    assert ledger.infer(1)
    assert not ledger.infer(1)

    assert counts(ledger) == (1, 1, {}, 0)


def test_frames_lost_long_ago_are_forgotten_and_stay_lost():
    """A worker that is away for a day costs no memory."""
    ledger = ledger_of(*range(1000))
    for seq in range(1000):
        ledger.give_up(seq, "lost")

    assert not ledger.infer(0)
    assert ledger.infer(999)

    assert counts(ledger) == (1000, 1, {"lost": 999}, 0)


def test_frames_nobody_received_change_nothing():
    ledger = ledger_of(1)
    assert not ledger.infer(2)
    assert not ledger.drop(2, "expired")
    assert counts(ledger) == (1, 0, {}, 1)


def test_frames_without_an_outcome_go_to_the_next_run_and_are_counted_there_only():
    before = ledger_of(1, 2, 3, 4)
    before.infer(1)
    before.drop(2, "superseded")

    after = FrameLedger()
    before.hand_over(after)

    assert counts(before) == (2, 1, {"superseded": 1}, 0)
    assert counts(after) == (2, 0, {}, 2)
    assert after.infer(3)
    assert not before.infer(3)
    assert after.drop(4, "expired")
    assert counts(before) == (2, 1, {"superseded": 1}, 0)
    assert counts(after) == (2, 1, {"expired": 1}, 0)


def test_a_frame_lost_before_the_hand_over_stays_lost_there():
    before = ledger_of(1)
    before.give_up(1, "lost")

    after = FrameLedger()
    before.hand_over(after)

    assert not after.infer(1)
    assert counts(before) == (1, 0, {"lost": 1}, 0)
    assert counts(after) == (0, 0, {}, 0)


@pytest.mark.parametrize("seed", range(20))
def test_it_adds_up_after_every_step_of_any_history(seed: int):
    """Late answers, answers twice, drops of strangers and hand-overs among them."""
    chance = random.Random(seed)
    ledgers, received = [FrameLedger()], 0
    for _ in range(500):
        ledger = ledgers[-1]
        seq = chance.randrange(max(0, received - 12), received + 2)
        step = chance.random()
        if step < 0.4:
            ledger.receive(received)
            received += 1
        elif step < 0.7:
            # A late answer may also be held against the run that is over.
            chance.choice(ledgers[-2:]).infer(seq)
        elif step < 0.98:
            ledger.drop(seq, chance.choice(REASONS))
        else:
            ledgers.append(FrameLedger())
            ledger.hand_over(ledgers[-1])
        assert all(adds_up(each) for each in ledgers)
    assert sum(ledger.received for ledger in ledgers) == received
    assert [ledger.pending for ledger in ledgers[:-1]] == [0] * (len(ledgers) - 1)
