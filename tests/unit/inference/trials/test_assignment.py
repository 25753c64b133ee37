"""Who is of a share stays so, and there are as many as the share says."""

from __future__ import annotations

from uuid import UUID

import pytest

from apps.inference.trials.assignment import is_within

SESSIONS = [str(UUID(int=number)) for number in range(4000)]


def chosen(share: float, trial_id: int = 1) -> set[str]:
    return {session for session in SESSIONS if is_within(share, trial_id, session)}


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.9])
def test_the_share_is_what_was_asked_for(share: float):
    assert len(chosen(share)) / len(SESSIONS) == pytest.approx(share, abs=0.03)


def test_none_and_all_are_meant_so():
    assert chosen(0.0) == set()
    assert chosen(1.0) == set(SESSIONS)


def test_who_is_asked_again_is_told_the_same():
    assert chosen(0.3) == chosen(0.3)


def test_a_larger_share_keeps_whom_it_had():
    assert chosen(0.1) < chosen(0.4)


def test_another_trial_draws_others():
    both = chosen(0.5, trial_id=1) & chosen(0.5, trial_id=2)
    assert len(both) / len(SESSIONS) == pytest.approx(0.25, abs=0.03)
