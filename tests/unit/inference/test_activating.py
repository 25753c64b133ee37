"""When a version may answer, and when it is taken back, by what the workers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.inference.models import Activation, Deployment, ModelVersion
from apps.inference.services import activate
from apps.inference.serving import activating, first_minute
from apps.inference.serving.activating import look_after
from apps.inference.serving.company import Phase, Progress, Roll
from tests.alone import Alone

State = Activation.State
A, B = "gpu1:7:aa", "gpu2:9:bb"

pytestmark = pytest.mark.django_db


class Told(Alone):
    """A company of which a test says what it looks like."""

    def __init__(self) -> None:
        super().__init__()
        self.roll = Roll()

    def look(self, affair: str, queue: str) -> Roll:
        return self.roll


@pytest.fixture
def company() -> Told:
    return Told()


@pytest.fixture
def activation(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> Activation:
    activation = activate(deployment, scripted_version(label="banana"))
    assert activation is not None
    return activation


def now(activation: Activation) -> Activation:
    return Activation.objects.select_related("deployment", "to_version").get(
        pk=activation.pk
    )


def roll(**phases: Phase | None) -> Roll:
    """Workers a and b as they are there, each with its phase, if it has begun."""
    names = {"a": A, "b": B}
    return Roll(
        present=frozenset(names[each] for each in phases),
        progress={
            names[each]: Progress(phase, f"{phase}.", {"engine": "scripted"})
            for each, phase in phases.items()
            if phase
        },
    )


@pytest.mark.parametrize(
    ("phases", "state", "step"),
    [
        ({"a": Phase.LOADING}, State.LOADING, "loading."),
        ({"a": Phase.WARMING}, State.WARMING, "warming."),
        ({"a": Phase.CHECKING}, State.CHECKING, "checking."),
        (
            {"a": None},
            State.REQUESTED,
            "Waiting for a worker that does something else.",
        ),
        (
            {"a": Phase.READY, "b": Phase.WARMING},
            State.WARMING,
            "1 of 2 workers are ready. warming.",
        ),
        (
            {"a": Phase.CHECKING, "b": None},
            State.REQUESTED,
            "0 of 2 workers are ready. Waiting for a worker that does something else.",
        ),
    ],
)
def test_it_is_as_far_as_the_last_of_the_workers(
    activation: Activation,
    company: Told,
    phases: dict[str, Phase | None],
    state: str,
    step: str,
):
    company.roll = roll(**phases)
    look_after(activation, company)
    assert (now(activation).state, now(activation).step) == (state, step)


def test_it_answers_once_all_workers_are_ready(activation: Activation, company: Told):
    company.roll = roll(a=Phase.READY, b=Phase.LOADING)
    look_after(activation, company)
    assert now(activation).state == State.LOADING

    company.roll = roll(a=Phase.READY, b=Phase.READY)
    look_after(now(activation), company)

    assert now(activation).state == State.SWITCHED
    check = {"gpu1:7": {"engine": "scripted"}, "gpu2:9": {"engine": "scripted"}}
    assert now(activation).figures == {"check": check}


def test_without_a_worker_it_waits_and_says_for_which(
    activation: Activation, company: Told
):
    Activation.objects.update(changed_at=timezone.now() - timedelta(days=2))
    look_after(now(activation), company)
    assert now(activation).state == State.REQUESTED
    assert now(activation).step == (
        "Waiting for a worker of the queue gpu: none is running."
    )


@pytest.mark.parametrize(
    ("phase", "when"),
    [
        (Phase.LOADING, "while it loaded it"),
        (Phase.WARMING, "while it warmed it up"),
        (Phase.CHECKING, "while it checked it"),
        (Phase.READY, "when it had loaded it"),
    ],
)
def test_a_worker_that_dies_takes_the_activation_with_it(
    activation: Activation, company: Told, phase: Phase, when: str
):
    before = activation.deployment.active_version_id
    company.roll = Roll(
        present=frozenset({B}), lost=frozenset({A}), progress={A: Progress(phase)}
    )
    look_after(activation, company)
    assert now(activation).state == State.ROLLED_BACK
    assert now(activation).reason == f"The worker gpu1:7 died {when}."
    assert now(activation).deployment.active_version_id == before


@pytest.mark.parametrize("state", sorted(Activation.UNDER_WAY))
def test_no_state_lasts_for_ever(activation: Activation, company: Told, state: State):
    begun = timezone.now() - activating.PATIENCE[state]
    Activation.objects.update(state=state, step="Doing so.", changed_at=begun)
    company.roll = roll(a=Phase.LOADING)
    look_after(now(activation), company)
    assert now(activation).state == State.ROLLED_BACK
    assert now(activation).reason.startswith("It took longer than ")
    assert "(Doing so)" in now(activation).reason


@pytest.fixture
def watched(activation: Activation, company: Told) -> Activation:
    company.roll = roll(a=Phase.READY)
    look_after(activation, company)
    company.roll = roll(a=Phase.SERVING)
    assert now(activation).is_watched
    return now(activation)


def test_a_version_that_does_well_stays_after_its_first_minute(
    watched: Activation, company: Told
):
    company.seconds = {0: Counter(answered=200, failed=1)}
    look_after(watched, company)
    assert now(watched).is_watched

    company.lasted_s = first_minute.LASTS_S
    look_after(watched, company)

    assert (now(watched).state, now(watched).is_watched) == (State.SWITCHED, False)
    figures = now(watched).figures["first_minute"]
    assert (figures["answered"], figures["failed"]) == (200, 1)


def test_a_version_that_fails_is_taken_back_with_the_figures(
    watched: Activation, company: Told
):
    company.seconds = {0: Counter(answered=80, failed=20)}
    look_after(watched, company)
    assert now(watched).state == State.ROLLED_BACK
    assert now(watched).reason == (
        "It failed on 20 of 100 frames in its first minute: 20.0%, and 5.0% are"
        " allowed."
    )
    assert now(watched).figures["first_minute"]["failed"] == 20
    assert now(watched).deployment.active_version_id == watched.from_version_id


def test_a_version_that_hangs_is_taken_back(watched: Activation, company: Told):
    company.roll = roll(a=Phase.SERVING, b=Phase.SERVING)
    company.roll.progress[B] = Progress(Phase.SERVING, under_way_s=4.0)
    look_after(watched, company)
    assert now(watched).is_watched

    company.roll.progress[B] = Progress(Phase.SERVING, under_way_s=5.6)
    look_after(watched, company)

    assert now(watched).state == State.ROLLED_BACK
    assert now(watched).reason == "Its answer to a frame has been under way for 6 s."
    assert now(watched).deployment.active_version_id == watched.from_version_id


def test_what_has_begun_in_the_first_minute_is_watched_to_its_end(
    watched: Activation, company: Told
):
    company.roll.progress[A] = Progress(Phase.SERVING, under_way_s=3.0)
    company.lasted_s = first_minute.LASTS_S + 2
    look_after(watched, company)
    assert now(watched).is_watched

    company.lasted_s += 1
    look_after(watched, company)

    assert (now(watched).state, now(watched).is_watched) == (State.SWITCHED, False)


def test_a_version_that_kills_its_worker_is_taken_back(
    watched: Activation, company: Told
):
    company.roll = Roll(lost=frozenset({A}), progress={A: Progress(Phase.SERVING)})
    look_after(watched, company)
    assert now(watched).state == State.ROLLED_BACK
    assert now(watched).reason == ("The worker gpu1:7 died while it answered with it.")
    assert now(watched).deployment.active_version_id == watched.from_version_id
