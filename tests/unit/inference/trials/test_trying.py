"""A canary answers its sessions, and only them, from when it is loaded to its end."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from redis import Redis

from apps.inference.answering import Answers, batches_of
from apps.inference.mailbox import Letter
from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, ModelVersion, Trial
from apps.inference.serving import first_minute, loading
from apps.inference.serving.company import Phase, Progress, Roll
from apps.inference.serving.following import Follower
from apps.inference.serving.host import ModelHost
from apps.inference.trials import services, trying
from apps.inference.trials.assignment import is_within
from apps.inference.trials.trying import Trials
from apps.inference.types import Frame
from tests.alone import Alone
from tests.scripted_predictor import unrehearsed

pytestmark = pytest.mark.django_db

OTHER = "gpu2:9:bb"
SESSIONS = [f"session-{number}" for number in range(20)]
Versions = Callable[..., ModelVersion]


@pytest.fixture
def follower(deployment: Deployment) -> Follower:
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.follow()
    return follower


@pytest.fixture
def host(follower: Follower) -> ModelHost:
    return follower.host


class Together(Alone):
    """A company of which a test says how far the other worker is."""

    def __init__(self) -> None:
        super().__init__()
        self.other = Roll()

    def look(self, affair: str, queue: str) -> Roll:
        mine = super().look(affair, queue)
        return replace(
            self.other,
            present=mine.present | self.other.present,
            progress=mine.progress | self.other.progress,
        )


@pytest.fixture
def company() -> Together:
    return Together()


@pytest.fixture
def trials(
    host: ModelHost, company: Together, monkeypatch: pytest.MonkeyPatch
) -> Trials:
    monkeypatch.setattr(trying, "REPORT_INTERVAL_S", 0.0)
    # No frame is passed on where there is no shadow.
    return Trials(cast(Redis, None), unrehearsed, host, company, ["gpu"])


def canary(deployment: Deployment, version: ModelVersion, share: float = 0.5) -> Trial:
    return services.start(deployment, version, Trial.Kind.CANARY, share)


def letters() -> list[Letter]:
    return [
        Letter(
            Frame(session, 1, 64, 48, b"\x80" * (64 * 48 * 3 // 2)),
            DEFAULT_DEPLOYMENT,
            "channel",
            12.5,
            "a token",
        )
        for session in SESSIONS
    ]


def answers(host: ModelHost) -> Answers:
    answered: Answers = []
    for batch in batches_of(host, letters()):
        batch.infer()
        answered += batch.answers()
    return answered


def seen_by(host: ModelHost) -> dict[str, str]:
    """What each session is told to see."""
    return {
        letter.frame.session_id: message["detections"][0]["label"]
        for letter, message in answers(host)
    }


def test_a_canary_answers_its_sessions_and_no_others(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    trial = canary(deployment, scripted_version(label="banana"))
    assert set(seen_by(host).values()) == {"hot dog"}
    trials.follow()
    assert seen_by(host) == {
        session: "banana" if is_within(0.5, trial.pk, session) else "hot dog"
        for session in SESSIONS
    }
    assert set(seen_by(host).values()) == {"banana", "hot dog"}


def test_its_sessions_have_the_other_version_again_when_it_is_over(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    trial = canary(deployment, scripted_version(label="banana"))
    trials.follow()
    services.stop(trial, "Enough.")
    trials.follow()
    assert set(seen_by(host).values()) == {"hot dog"}


def test_what_both_have_answered_is_counted(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    trial = canary(deployment, scripted_version(label="banana"))
    trials.follow()
    trials.take_note(answers(host))
    trials.follow()
    trial.refresh_from_db()
    its = sum(is_within(0.5, trial.pk, session) for session in SESSIONS)
    assert trial.figures["challenger"]["answered"] == its
    assert trial.figures["champion"]["answered"] == len(SESSIONS) - its


def test_what_the_champion_answered_before_is_no_merit_of_the_canary(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    before = answers(host)
    trial = canary(deployment, scripted_version(label="banana"), share=1.0)
    trials.follow()
    trials.take_note(before)
    trials.follow()
    trial.refresh_from_db()
    assert trial.figures.keys() == {"champion", "recent"}


def other(phase: Phase | None, **silence: frozenset[str]) -> Roll:
    progress = {OTHER: Progress(phase)} if phase else {}
    return Roll(frozenset({OTHER}), progress=progress, **silence)


def test_it_answers_while_all_workers_can_and_not_in_turn_with_the_champion(
    deployment: Deployment,
    host: ModelHost,
    trials: Trials,
    company: Together,
    scripted_version: Versions,
):
    canary(deployment, scripted_version(label="banana"), share=1.0)
    for phase, label in (
        (Phase.LOADING, "hot dog"),
        (Phase.READY, "banana"),
        (Phase.SERVING, "banana"),
        (None, "hot dog"),  # another worker has come
        (Phase.READY, "banana"),
    ):
        company.other = other(phase)
        trials.follow()
        assert set(seen_by(host).values()) == {label}


@pytest.mark.parametrize(
    ("phase", "when"),
    [
        (Phase.LOADING, "while it loaded it"),
        (Phase.SERVING, "while it answered with it"),
    ],
)
def test_one_that_kills_a_worker_is_stopped_by_those_that_live(
    deployment: Deployment,
    host: ModelHost,
    trials: Trials,
    company: Together,
    scripted_version: Versions,
    phase: Phase,
    when: str,
):
    trial = canary(deployment, scripted_version(label="banana"), share=1.0)
    company.other = other(Phase.READY)
    trials.follow()
    assert set(seen_by(host).values()) == {"banana"}

    company.other = other(phase, lost=frozenset({OTHER}))
    trials.follow()

    trial.refresh_from_db()
    assert (trial.state, trial.reason) == (
        Trial.State.STOPPED,
        f"The worker gpu2:9 died {when}.",
    )
    assert set(seen_by(host).values()) == {"hot dog"}


def test_a_worker_that_starts_does_not_load_what_has_just_killed_another(
    deployment: Deployment,
    trials: Trials,
    company: Together,
    scripted_version: Versions,
    monkeypatch: pytest.MonkeyPatch,
):
    trial = canary(deployment, scripted_version(kill_on_load=True))
    monkeypatch.setattr(loading, "load_version", lambda *_: pytest.fail("loaded"))
    for silence in ("doubtful", "lost"):
        company.other = other(Phase.SERVING, **{silence: frozenset({OTHER})})
        trials.follow()
    trial.refresh_from_db()
    assert trial.reason == "The worker gpu2:9 died while it answered with it."


def test_a_worker_of_another_queue_by_now_has_nothing_to_do_with_it(
    deployment: Deployment,
    host: ModelHost,
    trials: Trials,
    company: Together,
    scripted_version: Versions,
):
    trial = canary(deployment, scripted_version(label="banana"), share=1.0)
    trials.follow()
    assert company.progress.keys() == {trial.affair}
    Deployment.objects.update(queue="gpu-large")
    trials.follow()
    assert company.progress == {}
    assert set(seen_by(host).values()) == {"hot dog"}


def test_one_that_fails_is_stopped_and_answers_no_more(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    # It begins to fail once it was loaded and checked.
    trial = canary(deployment, scripted_version(fail_every=6), share=1.0)
    trials.follow()
    for _ in range(5):
        trials.take_note(answers(host))
    trials.follow()
    trial.refresh_from_db()
    assert trial.state == Trial.State.STOPPED
    assert trial.reason.startswith("It failed on 1")
    assert all(message["type"] == "inference.result" for _, message in answers(host))


def test_one_that_hangs_is_stopped_and_answers_no_more(
    deployment: Deployment,
    host: ModelHost,
    trials: Trials,
    scripted_version: Versions,
    monkeypatch: pytest.MonkeyPatch,
):
    trial = canary(deployment, scripted_version(label="banana"), share=1.0)
    trials.follow()
    with host.passes.under_way(host.canaries[DEFAULT_DEPLOYMENT].loaded):
        trials.follow()
    assert set(seen_by(host).values()) == {"banana"}
    monkeypatch.setattr(first_minute, "STUCK_AFTER_S", 0.0)
    with host.passes.under_way(host.canaries[DEFAULT_DEPLOYMENT].loaded):
        trials.follow()
    trial.refresh_from_db()
    assert trial.state == Trial.State.STOPPED
    assert trial.reason.startswith("Its answer to a frame has been under way for")
    assert set(seen_by(host).values()) == {"hot dog"}


def test_nothing_is_kept_of_one_that_is_over(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    trial = canary(deployment, scripted_version())
    trials.follow()
    trials.take_note(answers(host))
    kept = weakref.ref(host.canaries[DEFAULT_DEPLOYMENT].tally)
    services.stop(trial, "Enough.")
    trials.follow()
    gc.collect()
    assert kept() is None


def test_one_that_can_not_be_loaded_says_why(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    trial = canary(deployment, scripted_version(fail_on_load="It has no labels."))
    trials.follow()
    trial.refresh_from_db()
    assert (trial.state, trial.reason) == (Trial.State.STOPPED, "It has no labels.")
    assert set(seen_by(host).values()) == {"hot dog"}


def test_what_is_tried_on_another_queue_is_not_loaded(
    deployment: Deployment, host: ModelHost, trials: Trials, scripted_version: Versions
):
    canary(deployment, scripted_version(label="banana"), share=1.0)
    Deployment.objects.update(queue="gpu-large")
    trials.follow()
    assert set(seen_by(host).values()) == {"hot dog"}
