"""A new version takes over, or the old one stays and the operator reads why."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from apps.inference.engines import (
    AUTO,
    OPENVINO,
    OPENVINO_F32,
    TENSORRT,
    TORCH_CPU,
    TORCH_CUDA,
)
from apps.inference.exceptions import EngineError, InferenceError, NoModelError
from apps.inference.models import (
    DEFAULT_DEPLOYMENT,
    Activation,
    Deployment,
    ModelVersion,
)
from apps.inference.registering.registry import register_version
from apps.inference.services import activate
from apps.inference.serving import first_minute, following, golden, host, loading
from apps.inference.serving.company import Phase, Progress, Roll
from apps.inference.serving.following import Follower
from apps.inference.serving.host import ModelHost
from apps.inference.types import Frame, Prediction
from bench.processes import wait_until
from tests import scripted_predictor
from tests.alone import Alone
from tests.scripted_predictor import unrehearsed

from .versions import write_yolov5

State = Activation.State
FRAME = Frame("a session", 0, 64, 48, b"\x80" * (64 * 48 * 3 // 2))


@pytest.fixture
def follower(deployment: Deployment) -> Follower:
    """Has a host that has loaded what is deployed: a model that sees hot dogs."""
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.follow()
    return follower


def seen(follower: Follower, deployment: str = DEFAULT_DEPLOYMENT) -> str:
    """The label by which the versions of these tests can be told."""
    (prediction,) = follower.host.version_for(deployment).predictor.predict([FRAME])
    return prediction.detections[0].label


def outcome(deployment: Deployment) -> tuple[str, str]:
    activation = deployment.activations.latest()
    return activation.state, activation.reason


def test_what_is_deployed_answers_and_says_who_it_is(
    deployment: Deployment, follower: Follower
):
    loaded = follower.host.version_for(DEFAULT_DEPLOYMENT)
    version = deployment.active_version
    assert loaded.describe() == {
        "version_id": version.pk,
        "name": "scripted",
        "version": version.version,
        "family": "scripted",
        "engine": "scripted",
        "worker": loading.WORKER_NAME,
    }
    assert seen(follower) == "hot dog"


@pytest.mark.django_db
def test_without_a_deployment_there_is_no_model_and_no_fault():
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.follow()
    with pytest.raises(NoModelError, match="default"):
        follower.host.version_for(DEFAULT_DEPLOYMENT)


def test_another_version_takes_over_and_is_confirmed(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
):
    activate(deployment, scripted_version(label="banana"))
    assert seen(follower) == "hot dog"

    follower.follow()

    assert seen(follower) == "banana"
    assert outcome(deployment) == (State.SWITCHED, "")


def test_what_hangs_in_its_first_minute_is_taken_back_by_its_own_worker(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
    monkeypatch: pytest.MonkeyPatch,
):
    activate(deployment, scripted_version(label="banana"))
    follower.follow()
    follower.follow()
    assert seen(follower) == "banana"
    monkeypatch.setattr(first_minute, "STUCK_AFTER_S", 0.0)
    with follower.host.passes.under_way(follower.host.version_for(DEFAULT_DEPLOYMENT)):
        follower.follow()
        assert seen(follower) == "hot dog"
    state, reason = outcome(deployment)
    assert state == State.ROLLED_BACK
    assert reason.startswith("Its answer to a frame has been under way for")
    assert deployment.activations.latest().finished_at is not None


def test_what_answers_already_is_not_loaded_again(
    deployment: Deployment, follower: Follower
):
    before = follower.host.version_for(DEFAULT_DEPLOYMENT)
    follower.follow()
    after = follower.host.version_for(DEFAULT_DEPLOYMENT)
    assert after is before


def test_each_deployment_has_its_own_version(
    follower: Follower, scripted_version: Callable[..., ModelVersion]
):
    Deployment.objects.create(
        name="fruit", active_version=scripted_version(label="banana")
    )
    follower.follow()
    assert (seen(follower), seen(follower, "fruit")) == ("hot dog", "banana")


def spoil_weights(directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"not what was registered")


def remove_weights(directory: Path) -> None:
    (directory / "model.safetensors").unlink()


def refuse_to_load(directory: Path) -> None:
    (directory / "config.json").write_text('{"fail_on_load": "The head is missing."}')


def break_config(directory: Path) -> None:
    (directory / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (spoil_weights, "its checksum differs"),
        (remove_weights, "no file model.safetensors"),
        (refuse_to_load, "The head is missing."),
        (break_config, "config.json isn't readable as JSON."),
    ],
)
def test_a_version_that_cannot_be_loaded_is_rolled_back_with_the_reason(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
    damage: Callable[[Path], None],
    reason: str,
):
    before = deployment.active_version
    version = scripted_version(label="banana")
    damage(version.path)
    activate(deployment, version)

    follower.follow()

    assert seen(follower) == "hot dog"
    assert Deployment.objects.get().active_version == before
    state, told = outcome(deployment)
    assert state == State.ROLLED_BACK
    assert reason in told


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("astrology", "No predictor knows the model family 'astrology'."),
        # Python's own words for it are for the log.
        ("unwritten", "Loading it failed; the worker's log says why."),
    ],
)
def test_a_family_that_cannot_be_run_is_rolled_back_with_the_reason(
    deployment: Deployment,
    follower: Follower,
    scripted_model: Callable[..., Path],
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    family: str,
    reason: str,
):
    settings.PREDICTOR_FAMILIES = {
        **settings.PREDICTOR_FAMILIES,
        "unwritten": "tests.predictor_that_nobody_has_written",
    }
    version = register_version(
        name=family, family=family, directory=scripted_model(label="banana")
    )
    activate(deployment, version)

    follower.follow()

    assert seen(follower) == "hot dog"
    assert outcome(deployment) == (State.ROLLED_BACK, reason)
    assert ("No module named" in caplog.text) == (family == "unwritten")


def test_a_refused_version_is_not_tried_every_second(
    db: None, scripted_version: Callable[..., ModelVersion], caplog
):
    """A deployment that never worked has no version to go back to."""
    version = scripted_version(fail_on_load="The head is missing.")
    Deployment.objects.create(name=DEFAULT_DEPLOYMENT, active_version=version)
    follower = Follower(ModelHost(), unrehearsed, Alone())

    for _ in range(3):
        follower.follow()

    assert caplog.text.count("The head is missing.") == 1


def test_a_refused_version_is_tried_again_when_it_is_activated_anew(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
):
    version = scripted_version(fail_on_load="The head is missing.")
    activate(deployment, version)
    follower.follow()
    follower.follow()
    (version.path / "config.json").write_text(json.dumps({"label": "banana"}))

    activate(deployment, version)
    follower.follow()

    assert seen(follower) == "banana"
    assert outcome(deployment) == (State.SWITCHED, "")


def test_going_back_to_what_answers_already_is_confirmed(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
):
    before = deployment.active_version
    activate(deployment, scripted_version(label="banana"))
    activate(deployment, before)

    follower.follow()

    assert seen(follower) == "hot dog"
    assert outcome(deployment) == (State.SWITCHED, "")


def test_a_version_that_two_deployments_ask_for_is_rolled_back_in_both(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
    caplog: pytest.LogCaptureFixture,
):
    other = Deployment.objects.create(
        name="other", active_version=deployment.active_version
    )
    version = scripted_version(fail_on_load="The head is missing.")
    activate(deployment, version)
    activate(other, version)

    follower.follow()

    told = (State.ROLLED_BACK, "The head is missing.")
    assert outcome(deployment) == outcome(other) == told
    # It was tried once.
    assert caplog.text.count("The head is missing.") == 1


@contextmanager
def unwritable_activations() -> Iterator[None]:
    """A database that can be read only, as far as activations go."""

    def refuse(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE") and "activation" in sql:
            raise OperationalError("database is locked")
        return execute(sql, *arguments)

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize(
    ("config", "label", "state"),
    [
        ({"label": "banana"}, "banana", State.SWITCHED),
        ({"fail_on_load": "The head is missing."}, "hot dog", State.ROLLED_BACK),
    ],
)
def test_what_the_database_could_not_take_is_told_later(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
    config: dict[str, str],
    label: str,
    state: str,
):
    activate(deployment, scripted_version(**config))
    with unwritable_activations(), pytest.raises(OperationalError):
        follower.follow()
    assert seen(follower) == "hot dog"

    follower.follow()

    assert seen(follower) == label
    assert outcome(deployment)[0] == state


@pytest.mark.parametrize("engine", [OPENVINO_F32, TORCH_CPU])
def test_a_version_is_loaded_on_the_engine_of_the_settings(
    db: None, settings: Settings, tmp_path: Path, engine: str
):
    version = register_version(
        name="boxes", family="yolov5", directory=write_yolov5(tmp_path)
    )
    settings.ENGINE = engine
    assert loading.load_version(version).describe()["engine"] == engine


def test_an_engine_that_is_not_there_keeps_a_version_out_with_a_sentence(
    db: None, settings: Settings, tmp_path: Path
):
    version = register_version(
        name="boxes", family="yolov5", directory=write_yolov5(tmp_path)
    )
    settings.ENGINE = TENSORRT
    with pytest.raises(EngineError, match=r"^The engine tensorrt can't run here: "):
        loading.load_version(version)


def test_every_batch_size_that_an_engine_prepares_for_is_warmed_up(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    batches: list[int] = []

    def predict(self: object, frames: Sequence[Frame]) -> list[Prediction]:
        batches.append(len(frames))
        return []

    monkeypatch.setattr(scripted_predictor.ScriptedPredictor, "predict", predict)
    monkeypatch.setitem(loading.BATCH_SIZES, "scripted", 8)
    loading.load_version(deployment.active_version)
    assert sorted(batches) == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("engine", "size"),
    [("scripted", 1), (TORCH_CPU, 1), (OPENVINO, 1), (TORCH_CUDA, 8), (TENSORRT, 8)],
)
def test_only_a_gpu_takes_several_frames_at_once_where_nobody_has_measured(
    engine: str, size: int
):
    assert loading.batch_size_for(ModelVersion(), engine) == size


def test_a_version_answers_as_its_verification_chose(db: None, tmp_path: Path):
    version = register_version(
        name="boxes", family="yolov5", directory=write_yolov5(tmp_path)
    )
    version.engine, version.batch_size = OPENVINO_F32, 2
    loaded = loading.load_version(version)
    assert (loaded.predictor.engine, loaded.batch_size) == (OPENVINO_F32, 2)
    assert loading.batch_size_for(version, TORCH_CPU) == 1


def test_a_batch_may_be_chosen_by_hand(
    deployment: Deployment, follower: Follower, settings: Settings
):
    verified_with(deployment.active_version, measured("scripted", batch_size=4))
    settings.BATCH_SIZE = 3
    follower.follow()
    assert follower.host.batch_size == 3


def measured(engine: str, *, batch_size: int) -> dict[str, Any]:
    return {"engine": engine, "reason": "", "batch_size": batch_size}


def verified_with(version: ModelVersion, *engines: dict[str, Any]) -> ModelVersion:
    version.engine, version.batch_size = OPENVINO, 1
    version.verification = {"engines": engines}
    version.verified_at = timezone.now()
    version.save()
    return version


def test_an_engine_that_verification_refused_is_not_forced_on_live_sessions(
    deployment: Deployment, follower: Follower, settings: Settings, tmp_path: Path
):
    version = register_version(
        name="boxes", family="yolov5", directory=write_yolov5(tmp_path)
    )
    refused = {"engine": TORCH_CPU, "reason": "It differs.", "batch_size": None}
    activate(deployment, verified_with(version, refused))
    settings.ENGINE = TORCH_CPU

    follower.follow()

    assert seen(follower) == "hot dog"
    state, told = outcome(deployment)
    assert state == State.ROLLED_BACK
    assert told == (
        "EMPORIUM_ENGINE asks for torch-cpu, which was refused when this version was"
        " verified: It differs."
    )


def test_a_forced_engine_takes_the_batch_that_was_measured_for_it(
    db: None, settings: Settings, tmp_path: Path
):
    version = register_version(
        name="boxes", family="yolov5", directory=write_yolov5(tmp_path)
    )
    verified_with(version, measured(TORCH_CPU, batch_size=4))
    settings.ENGINE = TORCH_CPU
    loaded = loading.load_version(version)
    assert (loaded.predictor.engine, loaded.batch_size) == (TORCH_CPU, 4)


def test_what_was_verified_anew_is_loaded_anew(
    deployment: Deployment, follower: Follower
):
    version = deployment.active_version
    before = follower.host.version_for(DEFAULT_DEPLOYMENT)
    version.engine, version.batch_size = "scripted", 4
    version.verified_at = timezone.now()
    version.save()

    follower.follow()

    after = follower.host.version_for(DEFAULT_DEPLOYMENT)
    assert (before.batch_size, after.batch_size) == (1, 4)
    follower.follow()
    assert follower.host.version_for(DEFAULT_DEPLOYMENT) is after


def test_a_refused_version_is_tried_again_once_it_was_verified_anew(
    db: None, scripted_version: Callable[..., ModelVersion]
):
    """Also where it is the only one, which nobody can activate anew."""
    version = scripted_version(fail_on_load="The head is missing.")
    Deployment.objects.create(name=DEFAULT_DEPLOYMENT, active_version=version)
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.follow()
    (version.path / "config.json").write_text(json.dumps({"label": "banana"}))
    ModelVersion.objects.update(verified_at=timezone.now())

    follower.follow()

    assert seen(follower) == "banana"


def test_a_version_verified_on_a_richer_machine_takes_what_there_is(
    db: None, tmp_path: Path
):
    version = register_version(
        name="boxes", family="yolov5", directory=write_yolov5(tmp_path)
    )
    version.engine, version.batch_size = TENSORRT, 64
    loaded = loading.load_version(version)
    assert (loaded.predictor.engine, loaded.batch_size) == (OPENVINO, 1)


def test_a_host_takes_as_many_frames_as_its_version_wants(
    deployment: Deployment,
):
    ModelVersion.objects.filter(pk=deployment.active_version_id).update(
        engine="scripted", batch_size=4
    )
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.follow()
    assert follower.host.batch_size == 4


@pytest.fixture
def boxes(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], ModelVersion]:
    """Register a version with a network, of which no engine keeps anything yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda: register_version(
        name="boxes", family="yolov5", directory=write_yolov5(tmp_path)
    )


@pytest.mark.parametrize(
    ("engine", "is_kept", "expected"),
    [
        (AUTO, False, ["boxes"]),
        (OPENVINO_F32, False, ["boxes"]),
        (AUTO, True, []),
        (TORCH_CPU, False, []),  # which keeps nothing
    ],
)
def test_only_what_must_be_built_beside_another_is_rehearsed(
    deployment: Deployment,
    boxes: Callable[[], ModelVersion],
    settings: Settings,
    engine: str,
    is_kept: bool,
    expected: list[str],
):
    rehearsed: list[str] = []
    follower = Follower(
        ModelHost(), lambda version, _: rehearsed.append(version.model.name), Alone()
    )
    follower.follow()
    settings.ENGINE = engine
    version = boxes()
    if is_kept:
        loading.load_version(version)
    activate(deployment, version)

    follower.follow()

    assert rehearsed == expected
    assert follower.host.version_for(DEFAULT_DEPLOYMENT).name == "boxes"


def test_nothing_is_rehearsed_while_nobody_waits(boxes: Callable[[], ModelVersion]):
    Deployment.objects.create(name=DEFAULT_DEPLOYMENT, active_version=boxes())
    rehearsed: list[ModelVersion] = []
    follower = Follower(
        ModelHost(), lambda version, _: rehearsed.append(version), Alone()
    )

    follower.follow()

    assert rehearsed == []
    assert follower.host.version_for(DEFAULT_DEPLOYMENT).name == "boxes"


def test_a_worker_that_stops_while_it_rehearses_loads_nothing(
    deployment: Deployment, boxes: Callable[[], ModelVersion]
):
    def stop(version: ModelVersion, is_over: Callable[[], bool]) -> None:
        assert not is_over()
        worker._stopping.set()
        assert is_over()

    worker = Follower(ModelHost(), stop, Alone())
    worker.follow()
    activate(deployment, boxes())

    worker.follow()

    assert seen(worker) == "hot dog"


def test_whoever_waits_for_a_rehearsal_reads_that_it_goes_on(
    deployment: Deployment, boxes: Callable[[], ModelVersion]
):
    told: list[tuple[str, str]] = []

    def look(version: ModelVersion, is_over: Callable[[], bool]) -> None:
        activation = deployment.activations.latest()
        told.append((activation.state, activation.step))

    follower = Follower(ModelHost(), look, Alone())
    follower.follow()
    activate(deployment, boxes())

    follower.follow()

    assert told == [
        (
            State.LOADING,
            "Loaded in a process of its own, beside the one that answers.",
        )
    ]
    assert outcome(deployment) == (State.SWITCHED, "")
    assert deployment.activations.latest().step == ""


def test_a_choice_that_is_overtaken_while_it_is_rehearsed_never_answers(
    deployment: Deployment, boxes: Callable[[], ModelVersion]
):
    before = deployment.active_version

    def overtake(version: ModelVersion, is_over: Callable[[], bool]) -> None:
        assert not is_over()
        activate(deployment, before)
        assert is_over()

    follower = Follower(ModelHost(), overtake, Alone())
    follower.follow()
    activate(deployment, boxes())

    follower.follow()
    assert seen(follower) == "hot dog"
    follower.follow()

    assert [each.state for each in deployment.activations.all()] == [
        State.SWITCHED,
        State.SUPERSEDED,
    ]


def test_a_choice_that_is_overtaken_while_it_is_loaded_never_answers(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
    monkeypatch: pytest.MonkeyPatch,
):
    apple, banana = (scripted_version(label=name) for name in ("apple", "banana"))
    load = loading.load_version

    def overtaken(
        version: ModelVersion, warming: Callable[[], None]
    ) -> loading.LoadedVersion:
        if version == apple:
            activate(deployment, banana)
        return load(version, warming)

    monkeypatch.setattr(loading, "load_version", overtaken)
    activate(deployment, apple)

    follower.follow()
    assert seen(follower) == "hot dog"
    follower.follow()

    assert seen(follower) == "banana"


def test_a_rehearsal_that_fails_is_as_good_as_a_loading_that_fails(
    deployment: Deployment, boxes: Callable[[], ModelVersion]
):
    def refuse(version: ModelVersion, is_over: Callable[[], bool]) -> None:
        raise InferenceError("It kills whoever loads it; perhaps memory is short.")

    follower = Follower(ModelHost(), refuse, Alone())
    follower.follow()
    activate(deployment, boxes())

    follower.follow()

    assert seen(follower) == "hot dog"
    assert outcome(deployment) == (
        State.ROLLED_BACK,
        "It kills whoever loads it; perhaps memory is short.",
    )


def test_a_host_without_a_model_takes_one_frame_to_say_so():
    assert ModelHost().batch_size == 1


class SlowLoading(ModuleType):
    """A family whose models take until a test says so to be loaded."""

    def __init__(self) -> None:
        super().__init__("tests.slow_loading_predictor")
        self.is_loading = threading.Event()
        self.may_end = threading.Event()
        self.has_ended = threading.Event()

    def load(
        self, directory: Path, *, engine: str | None = None
    ) -> scripted_predictor.ScriptedPredictor:
        self.is_loading.set()
        try:
            assert self.may_end.wait(60)
        finally:
            self.has_ended.set()
        return scripted_predictor.load(directory)


@pytest.fixture
def slow_loading(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> SlowLoading:
    module = SlowLoading()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(following, "FOLLOW_INTERVAL_S", 0.001)
    settings.PREDICTOR_FAMILIES = {
        **settings.PREDICTOR_FAMILIES,
        "slow": module.__name__,
    }
    return module


@pytest.mark.usefixtures("transactional_db")
def test_frames_are_answered_while_another_version_is_loaded(
    deployment: Deployment,
    scripted_model: Callable[..., Path],
    slow_loading: SlowLoading,
):
    version = register_version(
        name="slow", family="slow", directory=scripted_model(label="banana")
    )
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.start()
    try:
        activate(deployment, version)
        assert slow_loading.is_loading.wait(60)
        assert seen(follower) == "hot dog"

        slow_loading.may_end.set()

        wait_until(lambda: seen(follower) == "banana", "the new version to answer")
        wait_until(
            lambda: outcome(deployment)[0] == State.SWITCHED, "it to be recorded"
        )
    finally:
        slow_loading.may_end.set()
        follower.stop()
    assert "model-loader" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("transactional_db")
def test_what_fails_in_its_first_minute_is_taken_back_while_another_is_loaded(
    deployment: Deployment,
    scripted_model: Callable[..., Path],
    scripted_version: Callable[..., ModelVersion],
    slow_loading: SlowLoading,
):
    slow = register_version(name="slow", family="slow", directory=scripted_model())
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.start()
    try:
        activate(deployment, scripted_version(label="banana"))
        wait_until(lambda: seen(follower) == "banana", "the new version to answer")
        Deployment.objects.create(name="slow", active_version=slow)
        assert slow_loading.is_loading.wait(60)

        banana = follower.host.version_for(DEFAULT_DEPLOYMENT)
        banana.tally.count(first_minute.failed(50))

        wait_until(lambda: seen(follower) == "hot dog", "the version before")
        assert not slow_loading.has_ended.is_set()
    finally:
        slow_loading.may_end.set()
        follower.stop()
    assert outcome(deployment)[0] == State.ROLLED_BACK


def test_a_worker_loads_what_is_deployed_on_its_queues_and_no_more(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
):
    for name, queue in (("fruit", "gpu-large"), ("bread", "gpu-other")):
        Deployment.objects.create(
            name=name, queue=queue, active_version=scripted_version(label=name)
        )
    follower = Follower(ModelHost(), unrehearsed, Alone(), ["gpu", "gpu-large"])
    follower.follow()
    assert seen(follower) == "hot dog"
    assert seen(follower, "fruit") == "fruit"
    assert follower.host.describe().keys() == {DEFAULT_DEPLOYMENT, "fruit"}


def test_what_has_gone_to_another_queue_is_answered_until_all_know(
    deployment: Deployment, follower: Follower, monkeypatch: pytest.MonkeyPatch
):
    deployment.queue = "gpu-large"
    deployment.save()
    follower.follow()
    assert seen(follower) == "hot dog"

    monkeypatch.setattr(host, "PARTING_S", -1)
    follower.follow()

    assert follower.host.describe() == {}


def test_what_comes_back_to_the_queue_in_time_is_not_loaded_again(
    deployment: Deployment, follower: Follower, monkeypatch: pytest.MonkeyPatch
):
    before = follower.host.version_for(DEFAULT_DEPLOYMENT)
    Deployment.objects.update(queue="gpu-large")
    follower.follow()
    Deployment.objects.update(queue="gpu")
    follower.follow()
    monkeypatch.setattr(host, "PARTING_S", -1)
    follower.follow()
    assert follower.host.version_for(DEFAULT_DEPLOYMENT) is before


def golden_version(
    scripted_version: Callable[..., ModelVersion], **config: object
) -> ModelVersion:
    """One that was verified to say 0.9."""
    version = scripted_version(**config)
    answer = {"scores": [0.9, 0.0], "labels": [0, 1], "boxes": None}
    version.golden = [answer] * len(golden.golden_frames())
    version.save()
    return version


def test_what_answers_otherwise_than_when_it_was_verified_stays_out(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
):
    activate(deployment, golden_version(scripted_version, score=0.5))

    follower.follow()

    assert seen(follower) == "hot dog"
    state, told = outcome(deployment)
    assert state == State.ROLLED_BACK
    assert told == (
        "It doesn't answer the golden pictures as it did when it was verified: scores"
        " differ by up to 0.400."
    )


def test_what_the_check_has_found_is_kept_with_the_activation(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
):
    activate(deployment, golden_version(scripted_version, label="banana"))
    follower.follow()
    (check,) = deployment.activations.latest().figures["check"].values()
    assert (check["engine"], check["pictures"]) == ("scripted", 4)
    assert check["largest_score_difference"] < 0.001


def test_what_was_verified_without_golden_answers_must_answer_at_all(
    deployment: Deployment,
    follower: Follower,
    scripted_version: Callable[..., ModelVersion],
):
    activate(deployment, scripted_version(fail_every=3))
    follower.follow()
    assert outcome(deployment) == (
        State.ROLLED_BACK,
        "Loading it failed; the worker's log says why.",
    )


@pytest.fixture
def company() -> Alone:
    return Alone()


@pytest.fixture
def switched(
    deployment: Deployment,
    company: Alone,
    scripted_version: Callable[..., ModelVersion],
) -> Follower:
    """Has a host in the first minute of another version."""
    follower = Follower(ModelHost(), unrehearsed, company)
    follower.follow()
    activate(deployment, scripted_version(label="banana"))
    follower.follow()
    assert seen(follower) == "banana"
    return follower


def test_the_version_before_is_back_at_once_when_the_new_one_fails(
    deployment: Deployment, company: Alone, switched: Follower
):
    switched.host.version_for(DEFAULT_DEPLOYMENT).tally.count(first_minute.failed(50))
    # It needn't be loaded again, nor could it be.
    remove_weights(deployment.active_version.path)

    switched.follow()

    assert seen(switched) == "hot dog"
    state, told = outcome(deployment)
    assert state == State.ROLLED_BACK
    assert told.startswith("It failed on 50 of 50 frames in its first minute")


def test_what_was_counted_before_a_version_answers_is_not_held_against_it(
    deployment: Deployment, company: Alone, switched: Follower
):
    """It may have answered before, and have been taken back."""
    before = deployment.active_version
    switched.host.version_for(DEFAULT_DEPLOYMENT).tally.count(
        first_minute.answered(20.0)
    )
    switched.host._loaded[DEFAULT_DEPLOYMENT][before.stamp].tally.count(
        first_minute.failed(50)
    )
    activate(Deployment.objects.get(), before)
    switched.follow()
    switched.follow()
    assert outcome(deployment)[0] == State.SWITCHED


def test_the_version_before_is_forgotten_after_the_first_minute(
    deployment: Deployment, company: Alone, switched: Follower
):
    switched.follow()
    assert len(switched.host._loaded[DEFAULT_DEPLOYMENT]) == 2
    company.lasted_s = 60

    switched.follow()
    switched.follow()

    assert seen(switched) == "banana"
    assert len(switched.host._loaded[DEFAULT_DEPLOYMENT]) == 1
    assert not deployment.activations.latest().is_watched


def test_that_a_version_answers_is_said_before_its_first_frame(
    deployment: Deployment, company: Alone, switched: Follower
):
    said = company.progress[deployment.activations.latest().affair]
    assert said.phase == Phase.SERVING


class Deserted(Alone):
    """A company of which one was lost, but not for certain at first."""

    def __init__(self, phase: Phase) -> None:
        super().__init__()
        self.looks = 0
        self.gone = {"gpu1:7:aa": Progress(phase)}

    def look(self, affair: str, queue: str) -> Roll:
        self.looks += 1
        lost = frozenset(self.gone)
        if self.looks == 1:
            return Roll(doubtful=lost, progress=self.gone)
        return Roll(lost=lost, progress=self.gone)


def test_a_worker_that_starts_does_not_load_what_has_just_killed_another(
    transactional_db: None,
    deployment: Deployment,
    switched: Follower,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(following, "BUSY_INTERVAL_S", 0.001)
    loaded: list[str] = []
    load = loading.load_version

    def noted(version: ModelVersion, *warming: Callable[[], None]) -> Any:
        loaded.append(version.version)
        return load(version, *warming)

    monkeypatch.setattr(loading, "load_version", noted)
    follower = Follower(ModelHost(), unrehearsed, Deserted(Phase.SERVING))
    follower.start()
    follower.stop()

    assert seen(follower) == "hot dog"
    assert set(loaded) == {deployment.active_version.version}
    assert outcome(deployment)[0] == State.ROLLED_BACK
