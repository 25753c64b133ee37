"""Sessions and runs are opened and closed once, whoever else has something to say."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.inference.latency import StageLatencies
from apps.inference.models import Deployment
from apps.sessions import services, tasks
from apps.sessions.figures import SUMS, RunFigures
from apps.sessions.models import CameraSession, Run

Status = CameraSession.Status

pytestmark = pytest.mark.django_db

AGES = StageLatencies()
for age_ms in (30.0, 30.0, 30.0, 50.0):
    AGES.record({"age_ms": age_ms})
FIGURES = RunFigures(
    received=10,
    inferred=4,
    superseded=3,
    expired=1,
    failed=1,
    pending=1,
    hot_dog_seconds=1.5,
    labels={"hot dog": 4},
    latency=AGES.counts(),
    engine="scripted",
    worker="here:1",
)


@pytest.fixture
def session(deployment: Deployment) -> CameraSession:
    return services.open_session(
        deployment=deployment.name, user=None, client="Mozilla/5.0"
    )


@pytest.fixture
def run(session: CameraSession) -> Run:
    version_id = session.deployment.active_version_id
    return Run.objects.get(
        pk=services.start_run(session.pk, version_id, timezone.now())
    )


@pytest.fixture
def ended(session: CameraSession) -> Iterator[CameraSession]:
    """A session that is over, and must be left as it ended."""
    services.close_session(session.pk, sentence="The page was closed.")
    before = CameraSession.objects.values().get(pk=session.pk)
    yield session
    assert CameraSession.objects.values().get(pk=session.pk) == before


def test_a_session_begins_pending(deployment: Deployment):
    operator = User.objects.create_user("operator")
    session = services.open_session(
        deployment=deployment.name, user=operator, client="Mozilla/5.0 " * 100
    )
    session.refresh_from_db()
    assert session.status == Status.PENDING
    assert session.user == operator
    assert len(session.client) == 300
    assert (session.live_at, session.ended_at) == (None, None)


@pytest.mark.usefixtures("deployment")
def test_nobody_can_visit_what_is_not_deployed():
    with pytest.raises(Deployment.DoesNotExist):
        services.open_session(deployment="nobody's", user=None, client="")
    assert CameraSession.objects.count() == 0


def test_a_session_moves_on_with_its_sentence(session: CameraSession):
    assert services.change_status(session.pk, Status.ACQUIRING, "Allow the camera.")
    session.refresh_from_db()
    assert (session.status, session.sentence) == ("acquiring", "Allow the camera.")


def test_a_long_sentence_is_cut(session: CameraSession):
    services.change_status(session.pk, Status.FAILED, "because " * 100)
    session.refresh_from_db()
    assert len(session.sentence) == 300


def test_the_moment_it_was_first_live_is_kept(session: CameraSession):
    services.change_status(session.pk, Status.LIVE, "Live.")
    session.refresh_from_db()
    first = session.live_at
    assert first is not None
    services.change_status(session.pk, Status.PENDING, "The camera is off.")
    services.change_status(session.pk, Status.LIVE, "Live.")
    session.refresh_from_db()
    assert session.live_at == first


def test_closing_ends_the_session_and_its_runs(session: CameraSession, run: Run):
    assert services.close_session(session.pk, sentence="The page was closed.")

    session.refresh_from_db()
    run.refresh_from_db()
    assert (session.status, session.sentence) == ("ended", "The page was closed.")
    assert session.ended_at is not None
    assert run.ended_at == session.ended_at


def test_closing_leaves_other_sessions_and_finished_runs_alone(
    session: CameraSession, run: Run, deployment: Deployment
):
    other = services.open_session(deployment=deployment.name, user=None, client="")
    services.add_to_run(run.pk, FIGURES, timezone.now())
    run.refresh_from_db()
    finished_at = run.ended_at

    services.close_session(session.pk, sentence="The page was closed.")

    run.refresh_from_db()
    other.refresh_from_db()
    assert run.ended_at == finished_at
    assert other.ended_at is None


def test_a_failed_session_stays_failed_with_its_own_sentence(session: CameraSession):
    services.change_status(session.pk, Status.FAILED, "No camera was found.")
    services.close_session(session.pk, sentence="The page was closed.")
    session.refresh_from_db()
    assert (session.status, session.sentence) == ("failed", "No camera was found.")
    assert session.ended_at is not None


def test_a_session_that_failed_may_try_again(session: CameraSession):
    services.change_status(session.pk, Status.FAILED, "No camera was found.")
    assert services.change_status(session.pk, Status.LIVE, "Live.")


def test_an_ended_session_does_not_move(ended: CameraSession):
    assert not services.change_status(ended.pk, Status.LIVE, "Live.")


def test_an_ended_session_is_not_ended_again(ended: CameraSession):
    assert not services.close_session(ended.pk, sentence="It went away.")


def test_an_unknown_session_is_nobody(deployment: Deployment):
    stranger = uuid.uuid4()
    assert not services.change_status(stranger, Status.LIVE, "Live.")
    assert not services.close_session(stranger, sentence="It went away.")
    services.touch_session(stranger)
    assert CameraSession.objects.count() == 0


def test_a_run_is_added_to_while_it_goes_on_and_ended_once(run: Run):
    services.add_to_run(run.pk, RunFigures(received=3, inferred=1, pending=2))
    run.refresh_from_db()
    assert (run.received, run.ended_at) == (3, None)

    ended_at = timezone.now()
    services.add_to_run(run.pk, FIGURES, ended_at)
    services.add_to_run(run.pk, FIGURES)

    run.refresh_from_db()
    assert run.ended_at == ended_at
    assert (run.received, run.inferred, run.pending) == (13, 5, 3)
    assert run.received == run.inferred + run.dropped + run.pending
    assert (run.labels, run.engine, run.worker) == (
        {"hot dog": 4},
        "scripted",
        "here:1",
    )


def test_latencies_of_parts_are_those_of_the_whole(run: Run):
    parts = StageLatencies(), StageLatencies()
    whole = StageLatencies()
    for age_ms in range(1, 1000):
        parts[age_ms > 900].record({"age_ms": age_ms})
        whole.record({"age_ms": age_ms})
    for part in parts:
        services.add_to_run(run.pk, RunFigures(latency=part.counts()))
    run.refresh_from_db()
    assert run.latency == whole.summary()


def test_what_is_new_is_the_difference():
    later = RunFigures(
        received=12, inferred=6, labels={"hot dog": 5, "cup": 1}, latency={"age": {}}
    )
    new = later.since(RunFigures(received=10, inferred=4, labels={"hot dog": 4}))
    assert (new.received, new.inferred) == (2, 2)
    assert new.labels == {"hot dog": 1, "cup": 1}


def test_the_rate_is_of_the_time_until_the_figures_were_taken(run: Run):
    """Or it would sink from one writing of a live run to the next."""
    assert run.results_per_second is None
    measured_at = run.started_at + timedelta(seconds=10)

    services.add_to_run(run.pk, RunFigures(inferred=250, measured_at=measured_at))

    run.refresh_from_db()
    assert run.results_per_second == pytest.approx(25)


def test_every_figure_has_a_column(run: Run):
    columns = {column.name for column in Run._meta.get_fields()}
    # Since when they were counted, the timeline tells.
    assert {each.name for each in fields(RunFigures)} - {"began_at"} <= columns
    assert set(SUMS) <= columns


def ago(session: CameraSession, seconds: float) -> None:
    CameraSession.objects.filter(pk=session.pk).update(
        last_seen_at=timezone.now() - timedelta(seconds=seconds)
    )


def test_a_session_whose_process_is_gone_is_ended_with_its_runs(
    session: CameraSession, run: Run
):
    services.continue_session(session.pk, user=None, holder="a dead process's")
    services.add_to_run(run.pk, FIGURES)
    ago(session, 61)

    assert services.close_abandoned_sessions() == (0, 1)

    session.refresh_from_db()
    run.refresh_from_db()
    assert session.status == Status.ENDED
    assert "went away" in session.sentence
    assert run.ended_at is not None
    # What was last known of it stays.
    assert run.received == 10
    assert services.close_abandoned_sessions() == (0, 0)


def test_a_session_that_was_touched_in_time_goes_on(session: CameraSession):
    ago(session, 59)
    assert services.close_abandoned_sessions() == (0, 0)
    ago(session, 3600)
    services.touch_session(session.pk)
    assert services.close_abandoned_sessions() == (0, 0)


def test_a_status_is_a_sign_of_life_too(session: CameraSession):
    ago(session, 3600)
    services.change_status(session.pk, Status.LIVE, "Live.")
    assert services.close_abandoned_sessions() == (0, 0)


def test_a_process_may_miss_one_touch_however_short_the_grace():
    assert services.TOUCH_INTERVAL_S * 2 < 30


# --- pages that come back -----------------------------------------------------------


def test_a_session_that_was_left_waits_and_goes_on(session: CameraSession, run: Run):
    services.change_status(session.pk, Status.LIVE, "Live.")
    assert services.leave_session(session.pk, sentence="The page was closed.")
    session.refresh_from_db()
    assert (session.status, session.sentence) == (
        "reconnecting",
        "The page was closed.",
    )
    assert session.ended_at is None

    continued = services.continue_session(session.pk, user=None, holder="b")

    assert continued is not None
    assert continued.former_holder == ""
    session.refresh_from_db()
    assert (session.status, session.holder) == ("pending", "b")
    run.refresh_from_db()
    assert run.ended_at is None


def test_a_session_nobody_came_back_to_ended_when_it_was_left(
    session: CameraSession, run: Run
):
    services.leave_session(session.pk, sentence="The page was closed.")
    ago(session, 61)
    session.refresh_from_db()

    assert services.close_abandoned_sessions() == (1, 0)

    left_at = session.last_seen_at
    session.refresh_from_db()
    run.refresh_from_db()
    assert (session.status, session.sentence) == ("ended", "The page was closed.")
    assert session.ended_at == run.ended_at == left_at


def test_who_was_replaced_cannot_end_the_session(session: CameraSession):
    services.continue_session(session.pk, user=None, holder="b")
    assert not services.close_session(session.pk, sentence="Gone.", holder="a")
    session.refresh_from_db()
    assert session.ended_at is None
    assert services.close_session(session.pk, sentence="Gone.", holder="b")


def test_a_page_that_comes_back_while_its_session_is_being_closed_keeps_it(
    session: CameraSession,
):
    seen_at = session.last_seen_at
    services.continue_session(session.pk, user=None, holder="b")
    assert not services.close_session(session.pk, sentence="Away.", seen_at=seen_at)
    session.refresh_from_db()
    assert session.ended_at is None


def test_who_held_a_session_before_has_nothing_more_to_say(session: CameraSession):
    services.continue_session(session.pk, user=None, holder="a")
    continued = services.continue_session(session.pk, user=None, holder="b")
    assert continued is not None
    assert continued.former_holder == "a"
    before = CameraSession.objects.values().get(pk=session.pk)

    assert not services.change_status(session.pk, Status.LIVE, "Live.", holder="a")
    assert not services.touch_session(session.pk, holder="a")
    assert not services.leave_session(session.pk, sentence="Away.", holder="a")

    assert CameraSession.objects.values().get(pk=session.pk) == before
    assert services.touch_session(session.pk, holder="b")


def test_an_ended_session_does_not_go_on(ended: CameraSession):
    assert services.continue_session(ended.pk, user=None, holder="b") is None
    assert not services.leave_session(ended.pk, sentence="It went away.")
    assert not services.is_open(ended.pk)


def test_a_session_goes_on_for_its_own_user_only(deployment: Deployment):
    owner, other = (User.objects.create_user(name) for name in ("owner", "other"))
    session = services.open_session(deployment=deployment.name, user=owner, client="")
    for stranger in (other, None):
        assert services.continue_session(session.pk, user=stranger, holder="b") is None
    assert services.continue_session(session.pk, user=owner, holder="b")


def test_a_session_goes_on_with_its_own_deployment_only(session: CameraSession):
    for deployment, is_its_own in (("fruit", False), ("default", True)):
        continued = services.continue_session(
            session.pk, user=None, holder="b", deployment=deployment
        )
        assert (continued is not None) is is_its_own


def test_a_failed_session_that_is_left_and_comes_back_stays_failed(
    session: CameraSession,
):
    services.change_status(session.pk, Status.FAILED, "No camera was found.")
    services.leave_session(session.pk, sentence="The page was closed.")
    services.continue_session(session.pk, user=None, holder="b")
    session.refresh_from_db()
    assert (session.status, session.sentence) == ("failed", "No camera was found.")


def test_the_job_says_what_it_closed(
    session: CameraSession, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    tasks.close_abandoned_sessions()
    assert caplog.text == ""
    ago(session, 61)
    tasks.close_abandoned_sessions()
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("INFO", "Closed 1 session that nobody has come back to")
    ]


def test_the_job_warns_of_a_process_that_has_gone(
    session: CameraSession, caplog: pytest.LogCaptureFixture
):
    services.continue_session(session.pk, user=None, holder="a dead process's")
    ago(session, 61)
    tasks.close_abandoned_sessions()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "Closed 1 session whose web process went away" in record.message
