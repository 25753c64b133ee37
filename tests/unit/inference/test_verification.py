"""Which versions are trusted, and which engine and batch size are chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from apps.inference.engines import (
    AUTO,
    OPENVINO,
    OPENVINO_F32,
    TENSORRT,
    TORCH_CPU,
    TORCH_CUDA,
)
from apps.inference.exceptions import EngineError, VerificationError
from apps.inference.registering.registry import STARTER_MODELS
from apps.inference.serving.golden import golden_frames
from apps.inference.verifying import measuring, verification
from apps.inference.verifying.measuring import (
    BatchTime,
    choose_batch,
    measure_beside_bare,
)
from apps.inference.verifying.verification import (
    Verification,
    engines_to_try,
)
from tests import examined_predictor

Verify = Callable[..., Verification]


@pytest.fixture
def verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Verify a version whose engines are told what to answer, by a clock of its own."""
    now_ms = 0.0

    def pass_ms(ms: float) -> None:
        nonlocal now_ms
        now_ms += ms

    clock = SimpleNamespace(perf_counter=lambda: now_ms / 1000)
    for module in (verification, measuring):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(examined_predictor, "pass_ms", pass_ms)

    def run(config: dict[str, Any], *others: str, **options: Any) -> Verification:
        (tmp_path / "config.json").write_text(json.dumps(config))
        engines = [TORCH_CPU, *others]
        return verification.verify(
            tmp_path, "tests.examined_predictor", engines, **options
        )

    return run


def reasons(outcome: Verification) -> dict[str, str]:
    return {each.engine: each.reason for each in outcome.engines}


def test_the_fastest_engine_that_agrees_is_chosen(verify: Verify):
    outcome = verify({OPENVINO: {"ms": 4, "x": 100.5}}, OPENVINO, OPENVINO_F32)
    assert (outcome.engine, outcome.batch_size) == (OPENVINO, 1)
    reference, chosen, slower = outcome.engines
    assert reference.agreement is None
    assert chosen.agreement is not None
    assert chosen.agreement.lowest_iou == pytest.approx(0.99, abs=0.001)
    assert [each.batch_ms for each in chosen.batches] == [4, 8, 16]
    assert not slower.reason
    assert json.loads(json.dumps(outcome.as_json()))["bounds"]["lowest_iou"] == 0.98


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"score": 0.85}, "scores differ by up to 0.050"),
        ({"x": 104}, "IoU down to 0.923"),
        ({"score": float("nan")}, "NaN or infinite numbers"),
        ({"together": 0.1}, "otherwise when it is shown several pictures"),
        ({"fails": "It can't run this."}, r"^It can't run this\.$"),
        ({"crashes": True}, r"^It fails; the log says how\.$"),
    ],
)
def test_an_engine_that_answers_otherwise_is_refused_and_another_one_chosen(
    verify: Verify, answers: dict[str, Any], why: str
):
    config = {OPENVINO: {"ms": 1, **answers}, OPENVINO_F32: {"ms": 5}}
    outcome = verify(config, OPENVINO, OPENVINO_F32)
    assert outcome.engine == OPENVINO_F32
    assert re.search(why, reasons(outcome)[OPENVINO])
    assert outcome.engines[1].batches == []


@pytest.mark.parametrize(
    ("answers", "error", "why"),
    [
        ({"score": float("nan")}, VerificationError, "NaN or infinite numbers"),
        ({"together": -0.1}, VerificationError, "several pictures at once"),
        ({"fails": "No network."}, EngineError, "No network."),
        ({"crashes": True}, VerificationError, "torch-cpu fails to answer"),
    ],
)
def test_what_the_reference_fails_at_fails_the_version(
    verify: Verify, answers: dict[str, Any], error: type[Exception], why: str
):
    with pytest.raises(error, match=why):
        verify({TORCH_CPU: answers}, OPENVINO)


def test_a_gpu_is_given_large_batches_as_far_as_its_memory_goes(verify: Verify):
    config = {TORCH_CUDA: {"ms": 0.5, "batch_ms": 4, "breaks": 32}}
    outcome = verify(config, TORCH_CUDA)
    assert [each.size for each in outcome.engines[1].batches] == [1, 2, 4, 8, 16]
    assert (outcome.engine, outcome.batch_size) == (TORCH_CUDA, 16)
    limit = "The device's memory doesn't hold 32 at once."
    assert [each.limit for each in outcome.engines] == ["", limit]


def test_a_bench_holds_every_batch_size_against_a_bare_loop(verify: Verify):
    config = {
        TORCH_CUDA: {"ms": 0.5, "batch_ms": 4, "bare_ms": 2, "bare_breaks": 64},
        TENSORRT: {"ms": 1},
    }
    engines = (TORCH_CUDA, TENSORRT)
    outcome = verify(config, *engines, measure=measure_beside_bare)
    reference, beside, without = outcome.engines
    assert [each.size for each in beside.batches] == [1, 2, 4, 8, 16, 32, 64]
    assert [each.bare_ms for each in beside.batches] == [*[2] * 6, None]
    assert [each.overlapped_ms for each in beside.batches[:-1]] == [
        each.batch_ms for each in beside.batches[:-1]
    ]
    assert {each.bare_ms for each in (*reference.batches, *without.batches)} == {None}


def test_a_verification_measures_no_bare_loop(verify: Verify):
    outcome = verify({TORCH_CUDA: {"bare_ms": 2}}, TORCH_CUDA)
    assert {each.bare_ms for each in outcome.engines[1].batches} == {None}


@pytest.mark.parametrize("first", range(2, 20))
def test_a_machine_that_is_busy_for_a_while_changes_nothing(verify: Verify, first: int):
    """Once all timings of one size fell into such a while, and another one won."""
    busy = {"busy": [first, first + 4, 30], "ms": 10, "batch_ms": 0.5}
    outcome = verify({TORCH_CPU: busy})
    (figures,) = outcome.engines
    assert [each.batch_ms for each in figures.batches] == [10.5, 20.5, 40.5]
    assert outcome.batch_size == figures.batch_size == 1


@pytest.mark.parametrize(("ms", "rounds"), [(1, 15), (100, 5), (2000, 3)])
def test_a_slow_model_is_measured_less_often(
    verify: Verify, monkeypatch: pytest.MonkeyPatch, ms: float, rounds: int
):
    taken: list[float] = []
    pass_ms = examined_predictor.pass_ms

    def note(ms: float) -> None:
        taken.append(ms)
        pass_ms(ms)

    monkeypatch.setattr(examined_predictor, "pass_ms", note)
    verify({TORCH_CPU: {"ms": ms}})
    warm_up = 1
    assert taken.count(4 * ms) == warm_up + rounds


def test_tells_what_it_does(verify: Verify):
    told: list[tuple[float, str]] = []
    verify({}, OPENVINO, report=lambda *news: told.append(news))
    assert told == [
        (0, "Loading it on torch-cpu."),
        (0.2, "Examining what torch-cpu answers."),
        (0.3, "Measuring torch-cpu."),
        (0.5, "Loading it on openvino."),
        (0.7, "Examining what openvino answers."),
        (0.8, "Measuring openvino."),
    ]


@pytest.mark.parametrize(
    ("curve", "size"),
    [
        ({1: 10}, 1),
        ({1: 10, 2: 20, 4: 40}, 1),
        ({1: 10, 2: 18, 4: 34}, 1),  # 18 % more pictures a second, and later
        ({1: 10, 2: 16, 4: 26}, 4),
        ({1: 10, 2: 21, 4: 30}, 4),  # one that doesn't pay is passed over
        ({1: 10, 2: 11, 4: 13, 8: 90, 16: 101}, 4),
        ({1: 80, 2: 120}, 1),  # nobody waits that long for a neighbour
        ({1: 500, 2: 600}, 1),
    ],
)
def test_a_larger_batch_must_pay(curve: dict[int, float], size: int):
    batches = [BatchTime(count, ms, ms) for count, ms in curve.items()]
    assert choose_batch(batches).size == size


def test_an_engine_that_cannot_run_a_version_is_not_tried(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(
        verification,
        "available_engines",
        lambda: [TORCH_CUDA, OPENVINO, OPENVINO_F32, TORCH_CPU],
    )
    possible = [OPENVINO_F32, OPENVINO]
    assert engines_to_try(AUTO, possible) == [OPENVINO_F32, OPENVINO]
    monkeypatch.setattr(verification, "available_engines", lambda: [TORCH_CPU])
    # The reference says itself why it can't run here.
    assert engines_to_try(AUTO, possible) == [OPENVINO_F32]


def test_tensorrt_is_tried_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        verification, "available_engines", lambda: [TORCH_CUDA, TENSORRT, TORCH_CPU]
    )
    assert engines_to_try(AUTO) == [TORCH_CPU, TORCH_CUDA]
    assert engines_to_try(TENSORRT) == [TORCH_CPU, TORCH_CUDA, TENSORRT]


def test_the_pictures_are_of_both_shapes_and_always_the_same():
    frames = golden_frames()
    assert frames == golden_frames.__wrapped__()
    assert {frame.upright_size for frame in frames} == {(640, 480), (480, 640)}
    assert len({frame.pixels for frame in frames}) == len(frames)


@pytest.mark.parametrize("name", ["detector", "classifier"])
def test_the_starter_models_agree_on_every_engine_of_this_machine(name: str):
    family = {"detector": "yolov5", "classifier": "classifier"}[name]
    outcome = verification.verify(
        Path(settings.BASE_DIR) / STARTER_MODELS / f"starter-{name}",
        settings.PREDICTOR_FAMILIES[family],
        engines_to_try(AUTO),
    )
    assert reasons(outcome) == dict.fromkeys(engines_to_try(AUTO), "")
    assert outcome.engine in {OPENVINO, OPENVINO_F32, TORCH_CUDA}
    assert all(each.batches and each.load_s > 0 for each in outcome.engines)
