from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn

from apps.inference.engines import OPENVINO, OPENVINO_F32, TORCH_CPU, openvino
from apps.inference.engines.choice import compile_network
from apps.inference.engines.network import Network
from apps.inference.engines.openvino import OpenVINOEngine
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

from .networks import lively

batches = pytest.mark.parametrize("count", [1, 4])
engines = pytest.mark.parametrize("engine", [OPENVINO, OPENVINO_F32])


def both(
    module: nn.Module, batch: torch.Tensor, engine: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """What an engine and the reference answer."""
    reference = compile_module(module, batch[:1], TORCH_CPU)
    return compile_module(module, batch[:1], engine)(batch), reference(batch)


@engines
@batches
def test_finds_the_boxes_of_the_reference(engine, count):
    answer, reference = both(calm_detector(), pictures(count, 128, 96), engine)
    assert_same_boxes(answer, reference, surer_than=0.0)


@engines
@batches
def test_finds_the_labels_of_the_reference(engine, count):
    answer, reference = both(resnet50(), pictures(4, 64, 64)[:count], engine)
    assert_same_labels(answer, reference)


def test_in_single_precision_it_agrees_on_a_network_that_forgives_nothing():
    torch.manual_seed(0)
    network = nn.Sequential(Featurize(), lively(YOLOv5(3, 0.33, 0.125)))
    answer, reference = both(network, pictures(2, 128, 96), OPENVINO_F32)
    torch.testing.assert_close(answer, reference, rtol=1e-3, atol=1e-3)


@engines
@batches
def test_the_starter_detector_sees_the_same(engine, count):
    ours = yolov5.load(starter("starter-detector"), engine=engine)
    theirs = yolov5.load(starter("starter-detector"), engine=TORCH_CPU)
    frames = starter_frames()
    for first in range(0, len(frames), count):
        shown = frames[first : first + count]
        batch = stack([fit(frame, ours._config.input_size)[0] for frame in shown])
        reference = theirs._engine(batch)
        if (reference[..., 4] > 0.5).any():
            assert_same_boxes(ours._engine(batch), reference, surer_than=0.1)
    assert ours.engine == engine


@engines
@batches
def test_the_starter_classifier_says_the_same(engine, count):
    ours = classifier.load(starter("starter-classifier"), engine=engine)
    theirs = classifier.load(starter("starter-classifier"), engine=TORCH_CPU)
    frames = starter_frames()[:count]
    for said, expected in zip(
        ours.predict(frames), theirs.predict(frames), strict=True
    ):
        best, other = said.classifications[0], expected.classifications[0]
        assert best.label == other.label
        assert best.score == pytest.approx(other.score, abs=0.03)


def test_a_batch_is_its_pictures_one_by_one_whatever_came_before():
    engine = compile_module(calm_detector(), pictures(1, 128, 96), OPENVINO_F32)
    batch = pictures(4, 128, 96)
    single = [engine(picture[None]).clone() for picture in batch]
    for count in (4, 1, 2, 4):
        torch.testing.assert_close(
            engine(batch[:count]), torch.cat(single[:count]), rtol=1e-4, atol=1e-4
        )


def test_holds_a_few_shapes_and_lets_the_oldest_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openvino, "MOST_SHAPES", 2)
    engine = compile_module(calm_detector(), pictures(1, 128, 96), OPENVINO_F32)
    assert isinstance(engine, OpenVINOEngine)
    expected = [engine(pictures(count, 128, 96)).clone() for count in (1, 2, 3)]
    assert [shape[0] for shape in engine._requests] == [2, 3]
    for count in (1, 2, 3):
        assert torch.equal(engine(pictures(count, 128, 96)), expected[count - 1])


@engines
def test_an_answer_can_be_read_while_the_next_is_found(engine):
    compiled = compile_module(calm_detector(), pictures(1, 128, 96), engine)
    batch = pictures(2, 128, 96)
    first, second = batch[:1], batch[1:]
    for picture, other in ((first, second), (second, first), (first, second)):
        answer = compiled(picture)
        before = answer.clone()
        compiled(other)
        assert torch.equal(answer, before)


def test_takes_numbers_as_well_as_bytes_in_any_order_of_memory():
    network = nn.Conv2d(3, 2, 1)
    features = torch.rand(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    answer, reference = both(network, features, OPENVINO_F32)
    torch.testing.assert_close(answer, reference)


def test_says_how_precise_it_is():
    example = torch.rand(1, 3, 4, 4)
    assert compile_module(nn.Conv2d(3, 2, 1), example, OPENVINO_F32).precision == (
        "float32"
    )
    precision = compile_module(nn.Conv2d(3, 2, 1), example, OPENVINO).precision
    has_bfloat16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    assert precision == ("bfloat16" if has_bfloat16 else "float32")


def test_lets_go_of_the_network_at_once_and_of_itself_when_let_go():
    built: list[weakref.ref[nn.Module]] = []

    def build() -> nn.Module:
        network = nn.Sequential(nn.Conv2d(3, 2, 1))
        built.append(weakref.ref(network))
        return network

    engine = compile_network(Network(build, torch.rand(1, 3, 4, 4)), OPENVINO)
    gc.collect()
    assert [of() for of in built] == [None]
    assert isinstance(engine, OpenVINOEngine)
    gone = weakref.ref(engine)
    del engine
    gc.collect()
    assert gone() is None


LOADED_AGAIN_AND_AGAIN = """
import ctypes, gc, sys
import torch
from pathlib import Path
from apps.inference.engines import OPENVINO, choice
from apps.inference.engines.network import Network
from apps.inference.predictors.yolov5 import YOLOv5

def held():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])

example = torch.rand(1, 3, 64, 64)
for number in range(7):
    choice.compile_network(Network(YOLOv5, example), OPENVINO)
    if number == 1:
        before = held()
print((held() - before) / 1024 / 5)
"""


def test_networks_that_are_let_go_leave_next_to_nothing_behind():
    done = subprocess.run(
        [sys.executable, "-c", LOADED_AGAIN_AND_AGAIN],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 6  # MB each; it was 14


ALONE = """
import json, logging, socket, sys, threading
asked = []
def refuse(self, address, *_):
    asked.append(address)
    raise OSError("no network")
socket.socket.connect = refuse
socket.getaddrinfo = lambda *address, **_: refuse(None, address)
import torch
from apps.inference.engines import choice
from apps.inference.engines.network import Network
before = "openvino" in sys.modules
logging.basicConfig(level="WARNING")
network = Network(lambda: torch.nn.Conv2d(3, 2, 1), torch.rand(1, 3, 4, 4))
engine = choice.compile_network(network)
root = logging.getLogger()
print(json.dumps({
    "engine": engine.name,
    "imported before": before,
    "asked": asked,
    "threads": [t.name for t in threading.enumerate()],
    "modules": [name for name in sys.modules if name.startswith("openvino_telemetry.")],
    "logging": [root.level, len(root.handlers), len(root.filters)],
}))
"""


def test_tells_nobody_writes_nothing_and_is_not_there_before_it_is_asked_for(tmp_path):
    hidden = {"CI", "GITHUB_ACTIONS"}  # where its telemetry keeps quiet by itself
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**env, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "engine": "openvino",
        "imported before": False,
        "asked": [],
        "threads": ["MainThread"],
        "modules": [],
        "logging": [30, 1, 0],
    }
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
