from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from apps.inference.predictors.yolov5 import DEFAULT_ANCHORS, YOLOv5

from .checkpoints import read_checkpoint, write_checkpoint
from .networks import LiteralYOLOv5, lively

# Checkpoints of the official implementation with its answers, where they are at hand.
# Their random weights damp most of the picture; the literal reading has no such gap.
OFFICIAL = sorted((Path(__file__).parents[3] / "../shared/fixtures").glob("*.pt"))


@pytest.mark.parametrize(
    ("depth", "width", "parameters", "entries"),
    [
        pytest.param(0.33, 0.25, 1_872_157, 349, id="n"),
        pytest.param(0.33, 0.50, 7_235_389, 349, id="s"),
        pytest.param(0.67, 0.75, 21_190_557, 481, id="m"),
        pytest.param(1.00, 1.00, 46_563_709, 613, id="l"),
        pytest.param(1.33, 1.25, 86_749_405, 745, id="x"),
    ],
)
def test_has_the_published_size(depth, width, parameters, entries):
    with torch.device("meta"):
        network = YOLOv5(80, depth, width)
    assert sum(tensor.numel() for tensor in network.parameters()) == parameters
    assert len(network.state_dict()) == entries


def test_names_its_weights_as_official_checkpoints_do():
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in YOLOv5().state_dict().items()}
    assert shapes["model.0.conv.weight"] == (16, 3, 6, 6)
    assert shapes["model.2.m.0.cv1.bn.running_mean"] == (16,)
    assert shapes["model.9.cv2.conv.weight"] == (256, 512, 1, 1)
    assert shapes["model.23.cv3.bn.num_batches_tracked"] == ()
    assert shapes["model.24.m.2.weight"] == (255, 256, 1, 1)
    assert shapes["model.24.anchors"] == (3, 3, 2)


def test_keeps_anchors_in_cells():
    anchors = YOLOv5(width_multiple=0.125).state_dict()["model.24.anchors"]
    in_pixels = anchors * torch.tensor([8, 16, 32]).view(3, 1, 1)
    torch.testing.assert_close(
        in_pixels.view(3, 6), torch.tensor(DEFAULT_ANCHORS).float()
    )


@pytest.mark.parametrize("width", [0.125, 0.25])
def test_agrees_with_a_literal_reading_of_the_architecture(width):
    # Lively weights amplify what single precision rounds off.
    network = lively(YOLOv5(7, 0.67, width)).double()
    # Large enough for every pooling to see another part of the coarsest map.
    images = torch.rand(2, 3, 224, 288, dtype=torch.float64)
    with torch.inference_mode():
        answer = network(images)
        expected = LiteralYOLOv5(network.state_dict())(images)
    assert (answer[0] - answer[1]).abs().mean() > 0.01  # pictures make a difference
    torch.testing.assert_close(answer, expected)


@pytest.fixture(
    params=["models.yolo.DetectionModel", "models.yolo.Model", *OFFICIAL],
    ids=lambda param: getattr(param, "stem", param),
)
def checkpoint(request, tmp_path, monkeypatch) -> tuple[Path, Tensor, Tensor]:
    """A checkpoint in the official format, images and the answer it should give."""
    if request.param in OFFICIAL:
        path: Path = request.param
        with np.load(path.with_suffix(".npz")) as arrays:
            return path, torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    path = tmp_path / "own.pt"
    network = lively(YOLOv5()).half().double()
    write_checkpoint(path, network.state_dict(), request.param, monkeypatch)
    images = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    return path, images, LiteralYOLOv5(network.state_dict())(images)


def test_loads_checkpoints_in_the_official_format(checkpoint):
    path, images, expected = checkpoint
    tensors, names = read_checkpoint(path)
    network = YOLOv5(len(names)).eval()
    network.load_state_dict(tensors)
    with torch.inference_mode():
        answer = network.to(images.dtype)(images)
    assert answer.shape == expected.shape
    torch.testing.assert_close(answer, expected, rtol=1e-3, atol=1e-4)


def test_gives_raw_maps_that_can_be_learned_from_in_training():
    network = YOLOv5(2, width_multiple=0.125).train()
    maps = network(torch.rand(2, 3, 64, 96))
    assert [tuple(raw.shape) for raw in maps] == [
        (2, 3, 8, 12, 7),
        (2, 3, 4, 6, 7),
        (2, 3, 2, 3, 7),
    ]
    sum(raw.square().mean() for raw in maps).backward()
    assert all(tensor.grad is not None for tensor in network.parameters())


def test_decodes_the_maps_it_gives_in_training():
    network = lively(YOLOv5(2, width_multiple=0.125))
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        boxes = network(images)
        network.model["24"].train()
        coarsest = network(images)[2]
    # The last cell of the coarsest map (column 2, row 1), its last anchor.
    x, y, w, h, *scores = coarsest[0, 2, 1, 2].sigmoid()
    expected = torch.stack(
        [
            (2 + 2 * x - 0.5) * 32,
            (1 + 2 * y - 0.5) * 32,
            (2 * w) ** 2 * 373,
            (2 * h) ** 2 * 326,
            *scores,
        ]
    )
    torch.testing.assert_close(boxes[0, -1], expected)


def test_expects_few_objects_before_it_has_learned():
    raw = YOLOv5(2, width_multiple=0.125).train()(torch.rand(1, 3, 64, 64))
    assert all(level[..., 4].sigmoid().mean() < 0.05 for level in raw)


def test_half_the_precision_costs_no_box_its_place():
    torch.manual_seed(0)
    network = YOLOv5(3, 0.33, 0.125).eval()  # says little, so only places are told
    images = torch.rand(1, 3, 64, 1024)
    answer = network(images)
    half = network.half()(images.half())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half[..., :4], answer[..., :4], rtol=2e-3, atol=0.05)
