"""Every letter is answered, by a prediction or by the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from channels.layers import get_channel_layer
from pytest_django import Settings
from redis import Redis

from apps.inference.answering import Answers, batches_of, publish
from apps.inference.mailbox import Letter, WorkerMailbox
from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment, ModelVersion
from apps.inference.serving.following import Follower
from apps.inference.serving.host import ModelHost
from apps.inference.types import Decode, Frame, Infer, Prediction, Predictor
from tests.alone import Alone
from tests.scripted_predictor import ScriptedPredictor, unrehearsed


@dataclass
class FakeRedis:
    """What is sent to Redis, and in how many round trips."""

    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    released: list[tuple[str, str]] = field(default_factory=list)
    round_trips: int = 0

    def pipeline(self, *, transaction: bool) -> FakeRedis:
        return self

    def __enter__(self) -> FakeRedis:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def publish(self, channel: str, content: bytes) -> None:
        message = get_channel_layer().deserialize(content)
        self.published.append((channel, message))

    def eval(self, script: str, key_count: int, *values: str) -> None:
        # The last two of a release are the session and the token.
        self.released.append((values[-2], values[-1]))

    def execute(self) -> None:
        self.round_trips += 1

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for _, message in self.published]


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


@pytest.fixture
def follower(deployment: Deployment) -> Follower:
    follower = Follower(ModelHost(), unrehearsed, Alone())
    follower.follow()
    return follower


@pytest.fixture
def host(follower: Follower) -> ModelHost:
    return follower.host


def letter(seq: int, **fields: Any) -> Letter:
    # Each frame of another size, so that a box tells whose it is.
    width, height = 64 + 8 * seq, 48
    frame = Frame(
        f"session-{seq}", seq, width, height, b"\x80" * (width * height * 3 // 2)
    )
    defaults = {
        "frame": frame,
        "deployment": DEFAULT_DEPLOYMENT,
        "reply_channel": f"channel-{seq}",
        "age_ms": 12.5,
        "token": "a token",
    }
    return Letter(**{**defaults, **fields})


def answer_all(redis: FakeRedis, host: ModelHost, letters: Sequence[Letter]) -> None:
    connection = cast(Redis, redis)
    answers: Answers = []
    for batch in batches_of(host, letters):
        batch.infer()
        answers += batch.answers()
    publish(connection, WorkerMailbox(connection, ["gpu"]), answers)


def test_a_batch_is_answered_in_one_round_trip(redis: FakeRedis, host: ModelHost):
    answer_all(redis, host, [letter(0), letter(1), letter(2)])

    assert redis.round_trips == 1
    assert [channel for channel, _ in redis.published] == [
        *("channel-0", "channel-1", "channel-2")
    ]
    assert redis.released == [(f"session-{seq}", "a token") for seq in range(3)]


def test_each_frame_gets_its_own_answer(redis: FakeRedis, host: ModelHost):
    answer_all(redis, host, [letter(2), letter(0), letter(1)])

    for (channel, message), seq in zip(redis.published, (2, 0, 1), strict=True):
        width, height = 64 + 8 * seq, 48
        assert channel == f"channel-{seq}"
        assert message["type"] == "inference.result"
        assert message["seq"] == seq
        assert message["frame"] == {"width": width, "height": height, "rotation": 0}
        assert message["is_hot_dog"] is True
        assert message["detections"] == [
            {
                "label": "hot dog",
                "score": 0.9,
                "box": [width / 4, height / 4, width * 3 / 4, height * 3 / 4],
            }
        ]
        assert message["classifications"] == []


def test_an_answer_says_what_gave_it_and_how_long_it_took(
    redis: FakeRedis, host: ModelHost, deployment: Deployment
):
    answer_all(redis, host, [letter(0)])

    (message,) = redis.messages
    assert message["served_by"]["version_id"] == deployment.active_version_id
    timings = message["timings"]
    assert timings["wait_ms"] == 12.5
    assert timings["held_ms"] >= 0
    assert list(timings) == [
        *("wait_ms", "featurize_ms", "forward_ms", "decode_ms", "held_ms")
    ]


def test_a_turned_frame_is_told_upright(redis: FakeRedis, host: ModelHost):
    turned = letter(0)
    answer_all(redis, host, [replace(turned, frame=replace(turned.frame, rotation=90))])
    assert redis.messages[0]["frame"] == {"width": 48, "height": 64, "rotation": 90}


def test_a_frame_past_its_age_is_expired_and_never_predicted(
    redis: FakeRedis, host: ModelHost, settings: Settings
):
    settings.AGE_BUDGET_MS = 200
    answer_all(redis, host, [letter(0, age_ms=200.1), letter(1, age_ms=200), letter(2)])

    outcomes = {message["seq"]: message["type"] for message in redis.messages}
    assert outcomes == {
        0: "inference.dropped",
        1: "inference.result",
        2: "inference.result",
    }
    (expired,) = (m for m in redis.messages if m["type"] == "inference.dropped")
    assert expired["reason"] == "expired"
    assert len(redis.released) == 3


def test_each_deployment_has_an_age_budget_of_its_own(
    redis: FakeRedis,
    follower: Follower,
    host: ModelHost,
    scripted_version: Callable[..., ModelVersion],
):
    Deployment.objects.create(
        name="slow", active_version=scripted_version(), age_budget_ms=5000
    )
    Deployment.objects.filter(name=DEFAULT_DEPLOYMENT).update(age_budget_ms=100)
    follower.follow()
    host.tuning.read()
    answer_all(
        redis, host, [letter(0, age_ms=101), letter(1, age_ms=4999, deployment="slow")]
    )
    outcomes = {message["seq"]: message["type"] for message in redis.messages}
    assert outcomes == {0: "inference.dropped", 1: "inference.result"}


def test_scores_are_asked_for_as_the_deployment_says_at_that_moment(
    redis: FakeRedis, host: ModelHost
):
    """What is scripted scores 0.9."""
    row = Deployment.objects.filter(name=DEFAULT_DEPLOYMENT)
    for scores in (
        {"hot_dog_score": 0.95},
        {"min_score": 0.95, "hot_dog_score": 0.1},
        {"min_score": None, "hot_dog_score": None},
    ):
        row.update(**scores)
        host.tuning.read()
        answer_all(redis, host, [letter(0)])

    unsure, empty, usual = redis.messages
    assert (unsure["is_hot_dog"], len(unsure["detections"])) == (False, 1)
    assert (empty["is_hot_dog"], len(empty["detections"])) == (False, 0)
    assert (usual["is_hot_dog"], len(usual["detections"])) == (True, 1)


def test_deployments_in_one_batch_each_ask_their_own_model(
    redis: FakeRedis,
    follower: Follower,
    host: ModelHost,
    scripted_version: Callable[..., ModelVersion],
):
    Deployment.objects.create(
        name="fruit", active_version=scripted_version(label="banana")
    )
    follower.follow()

    answer_all(
        redis,
        host,
        [
            letter(0),
            letter(1, deployment="fruit"),
            letter(2),
            letter(3, deployment="fruit"),
        ],
    )

    labels = {m["seq"]: m["detections"][0]["label"] for m in redis.messages}
    assert labels == {0: "hot dog", 1: "banana", 2: "hot dog", 3: "banana"}
    assert dict(redis.published)["channel-3"]["seq"] == 3
    assert len(redis.released) == 4


def test_a_version_is_given_as_many_at_once_as_it_wants(
    redis: FakeRedis, host: ModelHost
):
    loaded = host._serving[DEFAULT_DEPLOYMENT]
    host._serving[DEFAULT_DEPLOYMENT] = replace(loaded, batch_size=2)
    sizes: list[int] = []
    predictor = cast(ScriptedPredictor, loaded.predictor)
    prepare_one = predictor.prepare

    def prepare_and_count(frames: Sequence[Frame]) -> Infer:
        sizes.append(len(frames))
        return prepare_one(frames)

    predictor.prepare = prepare_and_count  # type: ignore[method-assign]
    answer_all(redis, host, [letter(seq) for seq in range(5)])
    assert sizes == [2, 2, 1]
    assert sorted(message["seq"] for message in redis.messages) == [0, 1, 2, 3, 4]


def test_without_a_model_every_frame_is_told_so(redis: FakeRedis, host: ModelHost):
    answer_all(redis, host, [letter(0), letter(1, deployment="nobody's")])

    outcomes = {message["seq"]: message for message in redis.messages}
    assert outcomes[0]["type"] == "inference.result"
    assert outcomes[1]["reason"] == "failed"
    assert "No model" in outcomes[1]["sentence"]
    assert len(redis.released) == 2


def test_all_that_a_version_is_at_can_be_told(redis: FakeRedis, host: ModelHost):
    loaded = host.version_for(DEFAULT_DEPLOYMENT)
    seen: list[bool] = []

    class Told:
        """Notes at each step whether that it is under way can be told."""

        engine = "scripted"

        def prepare(self, frames: Sequence[Frame]) -> Infer:
            self.note()
            infer = loaded.predictor.prepare(frames)

            def inferred() -> Decode:
                self.note()
                decode = infer()

                def decoded() -> list[Prediction]:
                    self.note()
                    return decode()

                return decoded

            return inferred

        def note(self) -> None:
            seen.append([each.loaded for each in host.passes.now()] == [told])

    told = replace(loaded, predictor=cast(Predictor, Told()))
    host._serving[DEFAULT_DEPLOYMENT] = told
    answer_all(redis, host, [letter(0)])
    assert seen == [True] * 3
    assert host.passes.now() == []


class Breaking:
    engine = "scripted"

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        return self.fail

    def fail(self) -> Any:
        raise ZeroDivisionError("a detail for the log")


class BreakingSoon(Breaking):
    def prepare(self, frames: Sequence[Frame]) -> Infer:
        return cast(Infer, self.fail())


class BreakingLate(Breaking):
    def prepare(self, frames: Sequence[Frame]) -> Infer:
        return lambda: self.fail


class Forgetful:
    """Answers all frames of a batch but the last."""

    engine = "scripted"

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def prepare(self, frames: Sequence[Frame]) -> Infer:
        predictions = self.predictor.predict(frames)
        return lambda: lambda: predictions[:-1]


@pytest.mark.parametrize(
    "make",
    [
        lambda _: BreakingSoon(),
        lambda _: Breaking(),
        lambda _: BreakingLate(),
        Forgetful,
    ],
)
def test_a_batch_that_the_model_fails_on_is_released_and_the_next_goes_on(
    redis: FakeRedis, host: ModelHost, make: Callable[..., Any], caplog
):
    good = host._serving[DEFAULT_DEPLOYMENT]
    host._serving[DEFAULT_DEPLOYMENT] = replace(
        good, predictor=make(good.predictor), batch_size=2
    )

    answer_all(redis, host, [letter(0), letter(1)])

    assert [message["reason"] for message in redis.messages] == ["failed", "failed"]
    assert len(redis.released) == 2
    assert "failed on a batch" in caplog.text
    assert host.passes.now() == []
    for message in redis.messages:
        assert "detail" not in message["sentence"]
        assert message["served_by"]["name"] == "scripted"

    host._serving[DEFAULT_DEPLOYMENT] = good
    answer_all(redis, host, [letter(2)])

    assert redis.messages[-1]["type"] == "inference.result"
