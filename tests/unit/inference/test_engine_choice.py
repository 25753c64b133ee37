from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from apps.inference.engines import (
    AUTO,
    ENGINES,
    OPENVINO,
    OPENVINO_F32,
    TENSORRT,
    TORCH_CPU,
    TORCH_CUDA,
    cuda,
    openvino,
    tensorrt,
)
from apps.inference.engines.choice import available_engines
from apps.inference.exceptions import EngineError
from tests.parity import compile_module

EXAMPLE = torch.rand(1, 3, 4, 4)


def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "find_spec", lambda name: None)


def test_a_machine_without_a_gpu_has_the_engines_of_the_cpu(monkeypatch):
    no_gpu(monkeypatch)
    assert available_engines() == [OPENVINO, OPENVINO_F32, TORCH_CPU]
    no_openvino(monkeypatch)
    assert available_engines() == [TORCH_CPU]


@pytest.mark.parametrize("choice", [AUTO, None])
def test_openvino_is_taken_on_a_cpu_and_torch_where_it_is_missing(monkeypatch, choice):
    no_gpu(monkeypatch)
    assert compile_module(nn.Conv2d(3, 2, 1), EXAMPLE, choice).name == OPENVINO
    no_openvino(monkeypatch)
    assert compile_module(nn.Conv2d(3, 2, 1), EXAMPLE, choice).name == TORCH_CPU


@pytest.mark.parametrize("name", [OPENVINO, OPENVINO_F32, TORCH_CPU])
def test_an_engine_is_taken_by_its_name(name):
    engine = compile_module(nn.Conv2d(3, 2, 1).train(), EXAMPLE, name)
    assert engine.name == name
    assert engine.device == torch.device("cpu")
    assert engine(torch.rand(3, 3, 4, 4)).shape == (3, 2, 4, 4)


class Eigenvalues(nn.Module):
    """Asks for what OpenVINO doesn't know."""

    def forward(self, batch: Tensor) -> Tensor:
        values: Tensor = torch.linalg.eigvals(batch)
        return values.real


def test_what_openvino_cannot_run_is_run_by_torch_and_logged(monkeypatch, caplog):
    no_gpu(monkeypatch)
    with caplog.at_level(logging.WARNING):
        engine = compile_module(Eigenvalues(), EXAMPLE)
    assert engine.name == TORCH_CPU
    assert [record.getMessage() for record in caplog.records] == [
        "Another engine is taken: The engine openvino can't run this network."
    ]
    with pytest.raises(EngineError, match=r"^The engine openvino can't run this"):
        compile_module(Eigenvalues(), EXAMPLE, OPENVINO)


def test_a_gpu_comes_first_and_one_that_fails_is_left_to_itself(monkeypatch, caplog):
    def build(module: nn.Module) -> None:
        module.half()
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "CudaGraphEngine", build)
    network = nn.Conv2d(3, 2, 1)
    expected = network(EXAMPLE).detach()
    assert TORCH_CUDA in available_engines()
    engine = compile_module(network, EXAMPLE)
    assert engine.name == OPENVINO
    torch.testing.assert_close(engine(EXAMPLE), expected, rtol=0.02, atol=0.02)
    assert "The engine torch-cuda can't run this network." in caplog.text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (TORCH_CUDA, "The engine torch-cuda can't run here: torch sees no CUDA device"),
        (TENSORRT, "The engine tensorrt can't run here: torch sees no CUDA device"),
        ("onnx", f"No engine is called 'onnx'; there are {', '.join(ENGINES)}"),
    ],
)
def test_what_cannot_run_here_says_why(monkeypatch, name, sentence):
    no_gpu(monkeypatch)
    with pytest.raises(EngineError) as error:
        compile_module(nn.Conv2d(3, 2, 1), EXAMPLE, name)
    assert str(error.value) == f"{sentence}."


def test_tensorrt_says_which_package_it_needs(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(tensorrt, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="the package torch-tensorrt isn't installed"):
        compile_module(nn.Conv2d(3, 2, 1), EXAMPLE, TENSORRT)


@pytest.mark.parametrize(
    ("count", "places"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16)]
)
def test_graphs_are_recorded_for_powers_of_two(count, places):
    assert cuda.places_for(count) == places


def test_the_input_of_a_graph_is_like_the_example():
    cpu = torch.device("cpu")
    bytes_ = cuda.input_for(torch.ones(3, 4, 6, 3, dtype=torch.uint8), cpu)
    assert (bytes_.shape, bytes_.dtype) == ((4, 4, 6, 3), torch.uint8)
    assert bytes_.is_contiguous()
    numbers = cuda.input_for(torch.ones(2, 3, 4, 6), cpu)
    assert (numbers.shape, numbers.dtype) == ((2, 3, 4, 6), torch.float16)
    assert numbers.is_contiguous(memory_format=torch.channels_last)
    assert cuda.input_for(torch.ones(2, 5), cpu).shape == (2, 5)
