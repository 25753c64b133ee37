"""The engines of a GPU against the reference on the CPU, in single precision."""

from __future__ import annotations

import gc
import threading
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from apps.inference.boxes import non_max_suppression
from apps.inference.engines import TENSORRT, TORCH_CPU, TORCH_CUDA
from apps.inference.engines.choice import available_engines
from apps.inference.engines.cuda import CudaGraphEngine
from apps.inference.engines.torch import TorchEngine, optimise
from apps.inference.predictors import classifier, yolov5
from apps.inference.predictors.letterboxed import fit
from apps.inference.predictors.yolov5 import YOLOv5
from apps.inference.preprocessing import Featurize, stack
from tests.parity import (
    assert_same_boxes,
    assert_same_labels,
    calm_detector,
    compile_module,
    pictures,
    resnet50,
    starter,
    starter_frames,
)
from tests.unit.inference.networks import lively

# TensorRT is a package of its own choice; what is installed is tested.
ENGINES = [TORCH_CUDA, *([TENSORRT] if find_spec("torch_tensorrt") else [])]

engines = pytest.mark.parametrize("engine", ENGINES)
batches = pytest.mark.parametrize("count", [1, 2, 8])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def both(
    module: nn.Module, batch: torch.Tensor, engine: str
) -> tuple[torch.Tensor, torch.Tensor]:
    reference = compile_module(module, batch[:1], TORCH_CPU)
    return compile_module(module, batch[:1], engine)(batch), reference(batch)


def test_a_gpu_is_taken_first():
    assert available_engines()[0] == TORCH_CUDA
    engine = compile_module(nn.Conv2d(3, 2, 1), torch.rand(1, 3, 8, 8))
    assert (engine.name, engine.precision) == (TORCH_CUDA, "float16")


@engines
@batches
def test_finds_the_boxes_of_the_reference(engine, count):
    answer, reference = both(calm_detector(), pictures(count, 128, 96), engine)
    assert_same_boxes(answer, reference, surer_than=0.0)


@engines
@batches
def test_finds_the_labels_of_the_reference(engine, count):
    answer, reference = both(resnet50(), pictures(8, 64, 64)[:count], engine)
    assert_same_labels(answer, reference)


@engines
def test_the_starter_models_see_the_same(engine):
    frames = starter_frames()
    detector = yolov5.load(starter("starter-detector"), engine=engine)
    size = detector._config.input_size
    batch = stack([fit(frame, size)[0] for frame in frames])
    reference = yolov5.load(starter("starter-detector"), engine=TORCH_CPU)._engine
    assert_same_boxes(detector._engine(batch), reference(batch), surer_than=0.1)

    said = classifier.load(starter("starter-classifier"), engine=engine).predict(frames)
    expected = classifier.load(starter("starter-classifier"), engine=TORCH_CPU).predict(
        frames
    )
    for one, other in zip(said, expected, strict=True):
        best = one.classifications[0]
        assert best.label == other.classifications[0].label
        assert best.score == pytest.approx(other.classifications[0].score, abs=0.03)


def test_torch_without_a_graph_agrees_in_single_precision():
    torch.manual_seed(0)
    network = nn.Sequential(Featurize(), lively(YOLOv5(3, 0.33, 0.125)))
    batch = pictures(2, 128, 96)
    reference = compile_module(network, batch[:1], TORCH_CPU)(batch)
    device = torch.device("cuda")
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        answer = TorchEngine(optimise(network, device), device)(batch)
    torch.testing.assert_close(answer.cpu(), reference, rtol=1e-2, atol=1e-2)


def test_a_graph_is_recorded_once_a_power_of_two_and_replayed():
    module = calm_detector()
    engine = compile_module(module, pictures(1, 128, 96), TORCH_CUDA)
    assert isinstance(engine, CudaGraphEngine)
    batch = pictures(8, 128, 96)
    single = [engine(picture[None]).clone() for picture in batch]
    graphs: dict[torch.Size, object] = {}
    for count in (8, 3, 1, 4, 7, 8, 2):
        torch.testing.assert_close(
            engine(batch[:count]), torch.cat(single[:count]), rtol=1e-2, atol=0.5
        )
        for shape, recording in engine._recordings.items():
            assert graphs.setdefault(shape, recording) is recording
    assert sorted(shape[0] for shape in engine._recordings) == [1, 2, 4, 8]


@engines
def test_an_answer_can_be_read_while_the_next_is_found(engine):
    compiled = compile_module(calm_detector(), pictures(1, 128, 96), engine)
    batch = pictures(2, 128, 96)
    first, second = batch[:1], batch[1:]
    answer = compiled(first)
    before = answer.clone()
    compiled(second)
    assert torch.equal(answer, before)


def test_memory_comes_back_when_an_engine_is_let_go():
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    engine = compile_module(calm_detector(), pictures(1, 128, 96), TORCH_CUDA)
    engine(pictures(8, 128, 96))
    assert torch.cuda.memory_allocated() > before
    del engine
    gc.collect()
    torch.cuda.empty_cache()
    # cuBLAS keeps a workspace of its own for the stream.
    assert torch.cuda.memory_allocated() - before < 64 * 2**20


def test_a_version_is_loaded_while_another_answers():
    serving = compile_module(calm_detector(), pictures(1, 128, 96), TORCH_CUDA)
    batch = pictures(2, 128, 96)
    expected = serving(batch).clone()
    failures: list[BaseException] = []

    def load() -> None:
        try:
            loaded = compile_module(calm_detector(), pictures(1, 128, 96), TORCH_CUDA)
            for count in (1, 2, 4, 8):
                loaded(pictures(count, 128, 96))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    while thread.is_alive():
        torch.testing.assert_close(serving(batch), expected)
        non_max_suppression(serving(batch), score_threshold=0.1, iou_threshold=0.45)
    thread.join()
    assert failures == []


@pytest.mark.parametrize("images", [1, 8])
def test_suppression_on_the_device_is_that_on_the_cpu(images):
    random = torch.Generator().manual_seed(0)
    predictions = torch.rand(images, 2000, 85, generator=random)
    predictions[..., :2] *= 640
    predictions[..., 2:4] = predictions[..., 2:4] * 100 + 10
    suppress = partial(non_max_suppression, score_threshold=0.5, iou_threshold=0.45)
    found = suppress(predictions.cuda())
    assert all(tensor.device.type == "cpu" for kept in found for tensor in kept)
    torch.testing.assert_close(found, suppress(predictions))
