"""What it means that an engine answers as the reference does, and networks to ask.

Boxes are held against those of the same place in the network, before suppression: of
two boxes that score alike to the third digit, suppression may keep either.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import torch
from django.conf import settings
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetForImageClassification

from apps.inference.boxes import box_iou, cxcywh_to_xyxy
from apps.inference.engines.choice import compile_network
from apps.inference.engines.engine import Engine
from apps.inference.engines.network import Network
from apps.inference.predictors.yolov5 import YOLOv5
from apps.inference.preprocessing import Featurize
from apps.inference.registering.registry import STARTER_MODELS
from apps.inference.starter.clips import CLIPS, render_clip
from apps.inference.types import Frame
from tests.unit.inference.pictures import frame_of

IOU = 0.98
SCORE = 0.03


def assert_same_boxes(answer: Tensor, reference: Tensor, *, surer_than: float) -> None:
    """Compare answers [B, N, 5 + labels] row by row."""
    answer, reference = answer.cpu().flatten(0, 1), reference.flatten(0, 1)
    scores, expected = (of[:, 4:5] * of[:, 5:] for of in (answer, reference))
    assert (scores - expected).abs().max() <= SCORE
    rows = (expected.amax(1) > surer_than).nonzero()[:, 0]
    assert len(rows) > 0
    boxes, others = (cxcywh_to_xyxy(of[rows, None, :4]) for of in (answer, reference))
    assert box_iou(boxes, others).min() >= IOU


def assert_same_labels(logits: Tensor, reference: Tensor) -> None:
    scores, expected = logits.cpu().float().softmax(1), reference.softmax(1)
    assert (scores - expected).abs().max() <= SCORE
    first, second = expected.topk(2).values.T
    clear = first - second > 2 * SCORE
    assert clear.any()
    assert (scores.argmax(1) == expected.argmax(1))[clear].all()


def compile_module(
    module: nn.Module, example: Tensor, engine: str | None = None
) -> Engine:
    """A module of a test on an engine, which is given a copy, as it would build it."""
    return compile_network(Network(lambda: copy.deepcopy(module), example), engine)


def pictures(count: int, width: int, height: int) -> Tensor:
    """Soft random shapes, uint8 [B, H, W, 3]."""
    random = torch.Generator().manual_seed(1)
    coarse = torch.randint(0, 256, (count, 3, 6, 8), generator=random)
    large = functional.interpolate(coarse.float(), (height, width), mode="bicubic")
    return large.clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()


def calm_detector() -> nn.Module:
    """YOLOv5n with random weights through which a picture comes undistorted.

    Its statistics are those of such pictures, and its head is quiet: sixty random
    layers blow up what an engine rounds, as those of no trained network would.
    """
    torch.manual_seed(0)
    network = YOLOv5(80, 0.33, 0.25)
    features = Featurize()(pictures(4, 128, 96))
    _settle(network, features)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.startswith("model.24.m"):
                tensor.mul_(0.01)
    return nn.Sequential(Featurize(), network).eval()


def resnet50() -> nn.Module:
    torch.manual_seed(0)
    config = ResNetConfig(id2label=dict.fromkeys(range(10), ""))
    return nn.Sequential(
        Featurize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        Logits(ResNetForImageClassification(config)),
    ).eval()


class Logits(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.network(features).logits)


def starter(name: str) -> Path:
    return Path(settings.BASE_DIR) / STARTER_MODELS / name


def starter_frames() -> list[Frame]:
    """Frames of which the starter models are sure, and others."""
    clip = render_clip(CLIPS["tour"], seed=2000, every=60)
    return [frame_of(frame.scene.image) for frame in clip][3:11]


def _settle(network: nn.Module, features: Tensor) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network.train()(features)
