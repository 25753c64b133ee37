"""When two engines answer alike, and when they don't."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from apps.inference.comparison import (
    Bounds,
    Candidates,
    are_finite,
    compare,
)

BOUNDS = Bounds()


@pytest.fixture
def boxes() -> Candidates:
    """Two hundred candidates of three labels, none quite upon another."""
    chance = torch.Generator().manual_seed(1)
    corners = torch.rand(200, 2, generator=chance) * 600
    sides = torch.rand(200, 2, generator=chance) * 60 + 20
    scores = torch.rand(200, 3, generator=chance)
    return Candidates(scores, torch.cat((corners, corners + sides), dim=1))


def of_logits(logits: list[float]) -> Candidates:
    return Candidates(torch.tensor([logits]).softmax(dim=1))


def moved(candidates: Candidates, by: float) -> Candidates:
    assert candidates.boxes is not None
    return Candidates(candidates.scores, candidates.boxes + by)


def keeps(reference: Candidates, other: Candidates) -> bool:
    return compare([reference], [other], BOUNDS).keeps(BOUNDS)


def test_the_same_answer_agrees_wholly(boxes: Candidates):
    agreement = compare([boxes], [boxes], BOUNDS)
    assert agreement.lowest_iou == pytest.approx(1)
    assert agreement.largest_score_difference == 0
    assert agreement.same_top_1 is None


def test_the_order_of_boxes_is_the_engines_own_affair(boxes: Candidates):
    assert boxes.boxes is not None
    order = torch.randperm(200, generator=torch.Generator().manual_seed(2))
    assert keeps(boxes, Candidates(boxes.scores[order], boxes.boxes[order]))


def test_boxes_may_move_by_a_hair_and_no_more(boxes: Candidates):
    assert keeps(boxes, moved(boxes, 0.05))
    assert not keeps(boxes, moved(boxes, 2.0))


def test_scores_may_differ_a_little_and_no_more(boxes: Candidates):
    assert keeps(boxes, Candidates(boxes.scores + 0.02, boxes.boxes))
    assert not keeps(boxes, Candidates(boxes.scores + 0.05, boxes.boxes))


def test_what_no_one_looks_at_may_differ(boxes: Candidates):
    """Only the best candidates ever reach a page."""
    scores = boxes.scores.clone()
    worst = scores.max(dim=1).values.argmin()
    scores[worst] = 0
    assert keeps(boxes, Candidates(scores, boxes.boxes))


def test_the_worst_picture_counts(boxes: Candidates):
    agreement = compare([boxes] * 2, [boxes, moved(boxes, 2.0)], BOUNDS)
    assert not agreement.keeps(BOUNDS)


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        ([2.0, 1.0, 0.0], True),
        ([2.02, 1.0, 0.0], True),
        ([1.0, 2.0, 0.0], False),
        ([2.0, 1.6, 0.0], False),
    ],
)
def test_a_classifiers_answer(other: list[float], agrees: bool):
    reference = of_logits([2.0, 1.0, 0.0])
    answer = of_logits(other)
    assert keeps(reference, answer) is agrees


def test_labels_that_score_the_same_may_change_places():
    reference = of_logits([1.0, 1.0 + 1e-4, 0.0])
    answer = of_logits([1.0 + 1e-4, 1.0, 0.0])
    assert compare([reference], [answer], BOUNDS).same_top_1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_seen(boxes: Candidates, bad: float):
    def spoilt(tensor: Tensor) -> Tensor:
        spoilt = tensor.clone()
        spoilt[7, 1] = bad
        return spoilt

    assert boxes.boxes is not None
    assert are_finite([boxes])
    assert not are_finite([boxes, Candidates(spoilt(boxes.scores), boxes.boxes)])
    assert not are_finite([boxes, Candidates(boxes.scores, spoilt(boxes.boxes))])
