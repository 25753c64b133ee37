"""The figures of a run: what was seen, for how long, and how long it took."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from django.db.models import F

from apps.inference.models import ModelVersion, Trial
from apps.inference.types import Frame
from apps.nexus import records, runs
from apps.nexus.ledger import DropReason
from apps.nexus.runs import RunRecorder
from apps.nexus.visit import Visit
from apps.sessions import services
from apps.sessions.models import CameraSession, Run
from tests.unit.nexus.conftest import result, visit_of

TIMINGS = {"wait_ms": 20.0, "age_ms": 40.0}


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def recorder(visit: Visit, clock: Clock) -> RunRecorder:
    return RunRecorder(visit)


def infer(recorder: RunRecorder, seq: int, **fields: Any) -> bool:
    frame = Frame("a session", seq, 64, 48, b"")
    recorder.receive(seq)
    return recorder.infer(
        {**result(frame, recorder._current.version_id), **fields}, dict(TIMINGS)
    )


def saved(recorder: RunRecorder) -> Run:
    recorder.save()
    records.write(lambda: None).result()
    return Run.objects.latest("id")


def test_seconds_with_a_hot_dog_run_from_result_to_result(
    recorder: RunRecorder, clock: Clock
):
    # A hot dog from 0 to 0.9 s, none until 1.5 s, and again from there.
    moments = [(0.0, True), (0.4, True), (0.9, False), (1.2, False), (1.5, True)]
    for seq, (at, is_hot_dog) in enumerate(moments):
        clock.now = 100 + at
        infer(recorder, seq, is_hot_dog=is_hot_dog)
    assert saved(recorder).hot_dog_seconds == pytest.approx(0.9)


def test_a_gap_between_results_counts_for_a_second_at_most(
    recorder: RunRecorder, clock: Clock
):
    infer(recorder, 0)
    clock.now += 3600
    infer(recorder, 1)
    assert saved(recorder).hot_dog_seconds == pytest.approx(1.0)


def test_labels_are_counted_once_a_result(recorder: RunRecorder):
    def entry(label: str) -> dict[str, Any]:
        return {"label": label, "score": 0.9, "box": [0, 0, 1, 1]}

    infer(recorder, 0, detections=[entry("hot dog"), entry("hot dog"), entry("cup")])
    infer(recorder, 1, detections=[])
    # Of a classifier only the best label was seen; all others are always there.
    infer(
        recorder,
        2,
        detections=[],
        classifications=[
            {"label": "pizza", "score": 0.7},
            {"label": "hot dog", "score": 0.3},
        ],
    )
    assert saved(recorder).labels == {"hot dog": 1, "cup": 1, "pizza": 1}


def test_a_run_tells_who_answered_and_how_fast(recorder: RunRecorder):
    for seq in range(3):
        infer(recorder, seq)
    run = saved(recorder)
    assert (run.engine, run.worker) == ("scripted", "here:1")
    assert run.latency == {
        "wait": {"p50": pytest.approx(20, rel=0.025), "p95": pytest.approx(20, 0.025)},
        "age": {"p50": pytest.approx(40, rel=0.025), "p95": pytest.approx(40, 0.025)},
    }


def test_what_the_page_says_counts_once_and_in_the_run_of_the_result(
    recorder: RunRecorder,
):
    infer(recorder, 0)
    other = recorder._current.version_id + 1
    served_by = {**result(Frame("", 1, 1, 1, b""), other)["served_by"]}
    infer(recorder, 1, served_by=served_by)
    for _ in range(100):
        recorder.draw(0, {"draw_ms": 10.0})
    recorder.draw(1, {"draw_ms": 30.0})
    recorder.draw(2, {"draw_ms": 60_000.0})

    former, current = recorder._former[0], recorder._current
    assert [run._latencies.summary()["draw"]["p95"] for run in (former, current)] == [
        pytest.approx(10, rel=0.025),
        pytest.approx(30, rel=0.025),
    ]


def test_a_frame_that_is_not_waited_for_leaves_no_trace_in_the_figures(
    recorder: RunRecorder,
):
    assert infer(recorder, 0)
    assert not recorder.infer(
        result(
            Frame("a session", 0, 64, 48, b""),
            recorder._current.version_id,
            label="cup",
        ),
        dict(TIMINGS),
    )
    run = saved(recorder)
    assert (run.inferred, run.labels) == (1, {"hot dog": 1})


def another(session: CameraSession, version_id: int | None = None) -> RunRecorder:
    """The recorder of the session's next track, in whichever process."""
    visit = visit_of(session)
    visit.version_id = version_id or visit.version_id
    return RunRecorder(visit)


def test_a_run_goes_on_from_one_track_to_the_next(
    recorder: RunRecorder, session: CameraSession
):
    infer(recorder, 0)
    recorder.receive(1)
    recorder.close()
    following = another(session)
    for seq in range(2, 5):
        infer(following, seq, is_hot_dog=False)
    run = saved(following)

    assert Run.objects.count() == 1
    assert (run.received, run.inferred, run.pending) == (5, 4, 1)
    assert run.labels == {"hot dog": 4}
    assert sum(run.latency_counts["age"].values()) == 4
    assert run.ended_at is None


def test_who_was_replaced_adds_what_it_had_counted_and_no_more(
    recorder: RunRecorder, session: CameraSession
):
    """A process that was asleep while its session went on in another one."""
    infer(recorder, 0)
    infer(recorder, 1)
    following = another(session)
    infer(following, 2)
    following.save()
    recorder.close()
    recorder.close()
    run = saved(following)
    assert (run.received, run.inferred) == (3, 3)


def test_a_writing_that_fails_is_made_up_for_by_the_next(
    recorder: RunRecorder, monkeypatch: pytest.MonkeyPatch
):
    infer(recorder, 0)
    with monkeypatch.context() as broken:
        broken.setattr(services, "add_to_run", lambda *_: 1 / 0)
        infer(recorder, 1)
        recorder.save()
        records.write(lambda: None).result()
    assert saved(recorder).inferred == 2


def gone_on_with_after_an_hour(recorder: RunRecorder, session: CameraSession) -> Run:
    infer(recorder, 0)
    recorder.close()
    records.write(lambda: None).result()
    hour = timedelta(hours=1)
    Run.objects.update(
        started_at=F("started_at") - hour, measured_at=F("measured_at") - hour
    )
    following = another(session)
    infer(following, 1)
    return saved(following)


def test_time_without_a_track_does_not_lower_the_rate(
    recorder: RunRecorder, session: CameraSession
):
    run = gone_on_with_after_an_hour(recorder, session)
    assert run.away_seconds == pytest.approx(3600, abs=60)
    assert run.results_per_second
    assert run.results_per_second > 1


def test_another_version_after_a_pause_is_another_run(
    recorder: RunRecorder,
    session: CameraSession,
    scripted_version: Callable[..., ModelVersion],
):
    infer(recorder, 0)
    recorder.close()
    records.write(lambda: None).result()
    before = Run.objects.get()
    following = another(session, version_id=scripted_version(label="cup").pk)
    infer(following, 1)
    after = saved(following)

    assert after.pk != before.pk
    before.refresh_from_db()
    assert before.ended_at == before.measured_at
    assert (before.inferred, after.inferred) == (1, 1)


def answer(recorder: RunRecorder, seq: int, version_id: int) -> None:
    frame = Frame("a session", seq, 64, 48, b"")
    recorder.receive(seq)
    assert recorder.infer(result(frame, version_id), dict(TIMINGS))


def test_workers_that_change_over_one_after_the_other_make_two_runs(
    recorder: RunRecorder, scripted_version: Callable[..., ModelVersion]
):
    before, after = recorder._current.version_id, scripted_version(label="cup").pk
    recorder.receive(99)
    for seq, version_id in enumerate([before, after, before, after, before, after]):
        answer(recorder, seq, version_id)
    recorder.close()
    records.write(lambda: None).result()
    runs = Run.objects.order_by("started_at")
    assert [(run.model_version_id, run.inferred) for run in runs] == [
        (before, 3),
        (after, 3),
    ]
    assert [(run.received, run.pending) for run in runs] == [(3, 0), (4, 1)]


def test_a_run_of_which_nothing_comes_any_more_is_ended_by_the_next_saving(
    recorder: RunRecorder, scripted_version: Callable[..., ModelVersion]
):
    before, after = recorder._current.version_id, scripted_version(label="cup").pk
    answer(recorder, 0, before)
    recorder.save()
    answer(recorder, 1, after)
    recorder.save()
    records.write(lambda: None).result()
    first, second = Run.objects.order_by("started_at")
    assert first.ended_at is not None
    assert second.ended_at is None


def test_the_first_answer_corrects_the_version_that_was_expected(
    recorder: RunRecorder, scripted_version: Callable[..., ModelVersion]
):
    version_id = scripted_version(label="cup").pk
    answer(recorder, 0, version_id)
    recorder.close()
    records.write(lambda: None).result()
    assert [run.model_version_id for run in Run.objects.all()] == [version_id]


def test_a_track_that_nobody_answers_is_of_the_run_of_who_answered_last(
    recorder: RunRecorder, visit: Visit, scripted_version: Callable[..., ModelVersion]
):
    """Not of the version that was active when the page was welcomed."""
    version_id = scripted_version(label="cup").pk
    answer(recorder, 0, version_id)
    recorder.close()
    unanswered = RunRecorder(visit)
    unanswered.receive(1)
    unanswered.drop(1, "lost")
    unanswered.close()
    late = RunRecorder(visit)
    late.receive(2)
    late.save()
    answer(late, 3, version_id)
    late.close()

    records.write(lambda: None).result()
    run = Run.objects.get()
    assert (run.model_version_id, run.ended_at) == (version_id, None)
    assert (run.inferred, run.lost, run.pending) == (2, 1, 1)


@pytest.mark.parametrize("state", Trial.State)
def test_a_page_that_comes_back_goes_on_with_the_run_of_a_canary_that_goes_on(
    recorder: RunRecorder,
    session: CameraSession,
    scripted_version: Callable[..., ModelVersion],
    state: Trial.State,
):
    active, canary = session.deployment.active_version, scripted_version(label="cup")
    session.deployment.trials.create(
        version=canary, kind=Trial.Kind.CANARY, share=1, state=state
    )
    answer(recorder, 0, canary.pk)
    recorder.close()
    records.write(lambda: None).result()

    continued = services.continue_session(session.pk, user=None, holder="b")
    assert continued is not None
    unanswered = RunRecorder(Visit(continued, holder="b"))
    unanswered.receive(1)
    run = saved(unanswered)

    goes_on = state == Trial.State.RUNNING
    assert run.model_version == (canary if goes_on else active)
    assert Run.objects.count() == (1 if goes_on else 2)


def test_the_timeline_of_a_run_adds_up_over_tracks_and_processes(
    recorder: RunRecorder, session: CameraSession
):
    for seq in range(3):
        infer(recorder, seq)
        recorder.save()
    recorder.receive(3)
    recorder.drop(3, "superseded")
    following = another(session)
    infer(following, 4, label="cup")
    recorder.close()
    run = saved(following)

    assert sum(each["inferred"] for each in run.timeline) == run.inferred == 4
    assert sum(each["dropped"] for each in run.timeline) == run.dropped == 1
    ages = sum(sum(each["ages"].values()) for each in run.timeline)
    assert ages == sum(run.latency_counts["age"].values()) == 4
    labels = [sum(each["labels"].values()) for each in run.timeline]
    assert sum(labels) == sum(run.labels.values())


def test_a_timeline_is_counted_from_the_start_of_the_run(
    recorder: RunRecorder, session: CameraSession
):
    run = gone_on_with_after_an_hour(recorder, session)
    assert [each["at"] for each in run.timeline] == [
        pytest.approx(0, abs=60),
        pytest.approx(3600, abs=60),
    ]
    assert sum(each["seconds"] for each in run.timeline) < 60


@pytest.mark.parametrize("seed", range(8))
def test_all_runs_add_up_after_any_history(
    recorder: RunRecorder, scripted_version: Callable[..., ModelVersion], seed: int
):
    """Versions that come and go, late answers, answers twice, and saving in between."""
    chance = random.Random(seed)
    versions = [
        recorder._current.version_id,
        *(scripted_version().pk for _ in range(2)),
    ]
    received = inferred = 0
    for _ in range(300):
        seq = chance.randrange(max(0, received - 10), received + 2)
        step = chance.random()
        if step < 0.4:
            recorder.receive(received)
            received += 1
        elif step < 0.7:
            frame = Frame("a session", seq, 64, 48, b"")
            message = result(frame, chance.choice(versions))
            inferred += recorder.infer(message, dict(TIMINGS))
        elif step < 0.95:
            recorder.drop(seq, chance.choice(get_args(DropReason)))
        else:
            recorder.save()
    recorder.close()
    records.write(lambda: None).result()

    written = list(Run.objects.all())
    for run in written:
        assert run.received == run.inferred + run.dropped + run.pending
    assert sum(run.ended_at is None for run in written) == 1
    assert sum(run.received for run in written) == received
    assert sum(run.inferred for run in written) == inferred
    assert sum(sum(run.labels.values()) for run in written) == inferred
    for run in written:
        assert sum(each["inferred"] for each in run.timeline) == run.inferred
        assert sum(each["dropped"] for each in run.timeline) == run.dropped


def test_a_run_that_another_replaced_ended_with_its_last_answer(
    recorder: RunRecorder, scripted_version: Callable[..., ModelVersion]
):
    infer(recorder, 0)
    answered_at = recorder._current.last_answer_at
    frame = Frame("a session", 1, 64, 48, b"")
    recorder.receive(1)
    recorder.infer(result(frame, scripted_version(label="cup").pk), dict(TIMINGS))

    recorder.save()
    recorder.save()

    records.write(lambda: None).result()
    assert Run.objects.earliest("id").ended_at == answered_at


def test_a_late_answer_of_a_finished_run_begins_no_other(
    recorder: RunRecorder, scripted_version: Callable[..., ModelVersion]
):
    first, second = recorder._current.version_id, scripted_version(label="cup").pk
    frames = [Frame("a session", seq, 64, 48, b"") for seq in range(4)]
    for frame in frames[:3]:
        recorder.receive(frame.seq)
    recorder.infer(result(frames[0], first), dict(TIMINGS))
    recorder.give_up(1, "lost")
    recorder.infer(result(frames[2], second), dict(TIMINGS))
    for _ in range(2):
        recorder.save()

    assert not recorder.infer(result(frames[1], first), dict(TIMINGS))

    recorder.receive(3)
    recorder.infer(result(frames[3], second), dict(TIMINGS))
    recorder.close()
    records.write(lambda: None).result()
    assert list(Run.objects.order_by("id").values_list("inferred", flat=True)) == [1, 2]


def test_a_track_without_a_frame_is_no_run_and_ends_none(
    recorder: RunRecorder,
    session: CameraSession,
    scripted_version: Callable[..., ModelVersion],
):
    """A connection that is tried again and again while pictures come as JPEG."""
    infer(recorder, 0)
    run = saved(recorder)

    another(session, version_id=scripted_version(label="cup").pk).close()

    assert saved(recorder) == run
    run.refresh_from_db()
    assert run.ended_at is None
