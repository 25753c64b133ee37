from __future__ import annotations

import math

import pytest
import torch

from apps.inference.predictors.yolov5_network import STRIDES
from apps.inference.starter.detection_loss import complete_iou, detection_loss
from apps.inference.starter.detector import ANCHORS, DetectorTask
from apps.inference.starter.training import Trainer

ANCHORS_IN_CELLS = torch.tensor(ANCHORS, dtype=torch.float32).view(
    3, 3, 2
) / torch.tensor(STRIDES).view(3, 1, 1)


def silent_levels(size: int = 128, labels: int = 6) -> list[torch.Tensor]:
    """Raw maps of a network that sees no object anywhere."""
    levels = [torch.zeros(1, 3, size // s, size // s, 5 + labels) for s in STRIDES]
    for raw in levels:
        raw[..., 4] = -8.0
    return levels


def loss_of(levels: list[torch.Tensor], objects: torch.Tensor) -> float:
    return float(detection_loss(levels, objects, ANCHORS_IN_CELLS, STRIDES))


def answering_cells(objects: torch.Tensor) -> list[torch.Tensor]:
    """Where label scores have a gradient, which is where they are compared at all."""
    levels = [raw.requires_grad_() for raw in silent_levels()]
    loss = detection_loss(levels, objects, ANCHORS_IN_CELLS, STRIDES)
    gradients = torch.autograd.grad(loss, levels)
    return [gradient[0, ..., 5:].abs().sum(dim=-1) > 0 for gradient in gradients]


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def test_complete_iou_of_equal_and_of_distant_boxes():
    box = torch.tensor([[10.0, 10.0, 4.0, 6.0]])

    assert complete_iou(box, box).item() == pytest.approx(1, abs=1e-4)
    assert complete_iou(box, box + torch.tensor([9.0, 0, 0, 0])).item() < 0


def test_complete_iou_punishes_distance_and_shape():
    box = torch.tensor([[10.0, 10.0, 4.0, 4.0]])
    near, far = box + torch.tensor([5.0, 0, 0, 0]), box + torch.tensor([20.0, 0, 0, 0])
    square, flat = torch.tensor([[10.0, 10, 2, 2]]), torch.tensor([[10.0, 10, 4, 1]])

    assert complete_iou(box, near) > complete_iou(box, far)
    assert complete_iou(box, square) > complete_iou(box, flat)


def test_silence_is_right_where_nothing_is():
    levels = silent_levels()

    assert loss_of(levels, torch.zeros(0, 6)) < 0.02
    for raw in levels:
        raw[..., 4] = 8.0
    assert loss_of(levels, torch.zeros(0, 6)) > 10


def test_the_nearest_three_cells_answer_for_an_object():
    # Anchor 34 x 16 exactly, centre in the upper right quarter of cell (5, 6).
    objects = torch.tensor([[0, 2, 46 - 17.0, 50 - 8.0, 46 + 17.0, 50 + 8.0]])
    fine, _, _ = answering_cells(objects)

    assert sorted(fine[0].nonzero().tolist()) == [[5, 5], [6, 5], [6, 6]]


def test_a_thing_without_a_label_is_there_and_called_nothing():
    objects = torch.tensor([[0, 6, 46 - 17.0, 50 - 8.0, 46 + 17.0, 50 + 8.0]])
    fine, *others = (raw.requires_grad_() for raw in silent_levels())
    loss = detection_loss([fine, *others], objects, ANCHORS_IN_CELLS, STRIDES)
    (gradient,) = torch.autograd.grad(loss, [fine])
    there = gradient[0, 0, 6, 5]
    assert there[4] < 0  # more of an object
    assert (there[5:] > 0).all()  # and less of every label


def test_cells_outside_the_map_answer_for_nothing():
    objects = torch.tensor([[0, 0, 0.0, 0.0, 6.0, 6.0], [0, 1, 100, 120, 128.0, 128.0]])

    assert math.isfinite(loss_of(silent_levels(), objects))


def test_shapes_too_unlike_an_anchor_are_left_to_other_levels():
    objects = torch.tensor([[0, 0, 0.0, 0.0, 128.0, 112.0]])
    fine, _, coarse = answering_cells(objects)

    assert not fine[0].any()
    assert coarse[2].any()


def test_the_right_answer_costs_less_than_any_other():
    objects = torch.tensor([[0, 2, 29.0, 42.0, 63.0, 58.0]])
    anchors = torch.tensor([[[34 / 8, 16 / 8]]])
    raw = torch.zeros(1, 1, 16, 16, 11)
    raw[..., 4] = -8
    for row, column, x, y in (
        (6, 5, 0.75, 0.25),
        (5, 5, 0.75, 1.25),
        (6, 6, -0.25, 0.25),
    ):
        answer = raw[0, 0, row, column]
        answer[:2] = torch.tensor([logit((x + 0.5) / 2), logit((y + 0.5) / 2)])
        answer[4:] = torch.tensor([8.0, -8, -8, 8, -8, -8, -8])
    right = float(detection_loss([raw], objects, anchors, STRIDES[:1]))

    for place in (1, 2, 4, 7):
        wrong = raw.clone()
        wrong[0, 0, 6, 5, place] -= 3
        assert detection_loss([wrong], objects, anchors, STRIDES[:1]) > right + 2e-4
    assert right < 0.01


def test_a_network_learns_a_few_scenes_by_heart():
    task = DetectorTask(seed=0)
    examples = task.examples()
    batch = task.collate([examples[index] for index in range(4)])
    trainer = Trainer(task, steps=16)

    losses = [trainer.advance(*batch) for _ in range(16)]

    assert losses[-1] < 0.7 * losses[0]
