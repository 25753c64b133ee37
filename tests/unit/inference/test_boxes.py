from __future__ import annotations

import pytest
import torch
from torch import Tensor

from apps.inference import boxes as boxes_module
from apps.inference.boxes import (
    box_iou,
    cxcywh_to_xyxy,
    non_max_suppression,
    suppress_together,
)


def random_predictions(
    count: int = 60, labels: int = 3, images: int = 1, seed: int = 0
) -> Tensor:
    """[images, count, 5 + labels], crowded enough that boxes overlap."""
    random = torch.Generator().manual_seed(seed)
    predictions = torch.rand(
        images, count, 5 + labels, generator=random, dtype=torch.float64
    )
    predictions[..., :2] *= 100
    predictions[..., 2:4] = predictions[..., 2:4] * 40 + 10
    return predictions


def slow_iou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared)


def slow_suppression(
    rows: list[list[float]], score_threshold: float, iou_threshold: float, limit: int
) -> list[tuple[list[float], float, int]]:
    """The algorithm as its definition says it: take the best, drop what it covers."""
    waiting = []
    for cx, cy, w, h, objectness, *scores in rows:
        score = objectness * max(scores)
        if score > score_threshold:
            corners = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
            waiting.append((corners, score, scores.index(max(scores))))
    waiting.sort(key=lambda candidate: -candidate[1])
    kept: list[tuple[list[float], float, int]] = []
    while waiting and len(kept) < limit:
        best = waiting.pop(0)
        kept.append(best)
        waiting = [
            other
            for other in waiting
            if other[2] != best[2] or slow_iou(best[0], other[0]) <= iou_threshold
        ]
    return kept


@pytest.mark.parametrize("suppression", [non_max_suppression, suppress_together])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("score_threshold", "iou_threshold", "limit"),
    [(0.25, 0.45, 100), (0.05, 0.1, 100), (0.05, 0.9, 100), (0.1, 0.45, 5)],
)
def test_suppression_equals_the_slow_one(
    suppression, seed, score_threshold, iou_threshold, limit
):
    predictions = random_predictions(seed=seed)
    [kept] = suppression(
        predictions,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_detections=limit,
    )
    expected = slow_suppression(
        predictions[0].tolist(), score_threshold, iou_threshold, limit
    )
    assert len(expected) > 0
    assert kept.labels.tolist() == [label for _, _, label in expected]
    torch.testing.assert_close(
        kept.scores.tolist(), [score for _, score, _ in expected]
    )
    torch.testing.assert_close(
        kept.boxes.tolist(), [corners for corners, _, _ in expected]
    )


@pytest.mark.parametrize("suppression", [non_max_suppression, suppress_together])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_without_objectness_score_what_their_best_label_does(suppression, seed):
    predictions = random_predictions(images=2, seed=seed)
    predictions[..., 4] = 1
    without = torch.cat((predictions[..., :4], predictions[..., 5:]), dim=2)
    bounds = {"score_threshold": 0.5, "iou_threshold": 0.45}
    kept = suppression(without, has_objectness=False, **bounds)
    assert len(kept[0].scores) > 0
    torch.testing.assert_close(kept, suppression(predictions, **bounds))


def suppress(predictions: Tensor) -> list[boxes_module.Kept]:
    return non_max_suppression(predictions, score_threshold=0.1, iou_threshold=0.45)


def test_what_is_kept_is_sorted_sure_and_apart():
    [kept] = suppress(random_predictions(count=300, seed=9))
    assert (kept.scores[:-1] >= kept.scores[1:]).all()
    assert (kept.scores > 0.1).all()
    overlap = box_iou(kept.boxes, kept.boxes).fill_diagonal_(0)
    same = kept.labels[:, None] == kept.labels[None, :]
    assert (overlap[same] <= 0.45).all()
    assert (overlap[~same] > 0.45).any()  # another label is no rival


def test_suppressing_again_changes_nothing():
    [kept] = suppress(random_predictions(seed=3))
    size = kept.boxes[:, 2:] - kept.boxes[:, :2]
    scores = torch.zeros(len(kept.labels), 3, dtype=torch.float64)
    scores[torch.arange(len(kept.labels)), kept.labels] = kept.scores
    again = torch.cat(
        (kept.boxes[:, :2] + size / 2, size, torch.ones_like(scores[:, :1]), scores), 1
    )
    assert suppress(again[None])[0].labels.tolist() == kept.labels.tolist()


def test_the_order_of_boxes_does_not_matter():
    predictions = random_predictions(seed=4)
    shuffled = predictions[:, torch.randperm(predictions.shape[1])]
    torch.testing.assert_close(suppress(predictions), suppress(shuffled))


def test_a_batch_is_its_images_one_by_one():
    predictions = random_predictions(images=4, seed=5)
    predictions[2, :, 4] = 0.05  # an image with nothing in it
    batch = suppress(predictions)
    assert [len(kept.scores) > 0 for kept in batch] == [True, True, False, True]
    single = [suppress(image[None])[0] for image in predictions]
    torch.testing.assert_close(batch, single)


@pytest.mark.parametrize("images", [1, 2, 5])
def test_together_is_one_after_the_other(images):
    predictions = random_predictions(count=400, labels=7, images=images, seed=6)
    predictions[images - 1, :, 4] *= 0.1  # an image with nearly nothing in it
    predictions[0, :20] = predictions[0, 0]  # equals, of which the first is kept
    predictions[0, 20, 4] = torch.nan
    together = suppress_together(predictions, score_threshold=0.1, iou_threshold=0.45)
    torch.testing.assert_close(together, suppress(predictions))


def test_together_nothing_is_found_in_pictures_of_nothing():
    for kept in suppress_together(
        torch.zeros(2, 10, 7), score_threshold=0.1, iou_threshold=0.45
    ):
        assert kept.boxes.shape == (0, 4)
        assert kept.scores.shape == kept.labels.shape == (0,)
        assert kept.labels.dtype == torch.int64


def test_a_long_row_of_boxes_that_hide_their_next_is_thinned_out():
    # Each hides the next alone, so who is kept depends on all before.
    row = torch.tensor([[50.0, 50, 40, 40, 1, 0.9]]).repeat(40, 1)
    row[:, 0] += 12 * torch.arange(40)
    row[:, 5] -= 0.01 * torch.arange(40)
    for suppression in (non_max_suppression, suppress_together):
        [kept] = suppression(row[None], score_threshold=0.1, iou_threshold=0.45)
        torch.testing.assert_close(kept.boxes[:, 0], row[::2, 0] - 20)


def test_boxes_without_end_disturb_no_other():
    predictions = random_predictions(count=10)
    sane = suppress(predictions)
    endless = torch.full((1, 1, 8), torch.inf, dtype=torch.float64)
    endless[..., 4:] = torch.tensor([0.9, 0.0, 0.0, 0.5])
    [kept] = suppress(torch.cat((predictions, endless), 1))
    assert len(kept.scores) == len(sane[0].scores) + 1


def test_nothing_found_is_empty_tensors():
    [kept] = suppress(torch.zeros(1, 10, 7))
    assert kept.boxes.shape == (0, 4)
    assert kept.scores.shape == kept.labels.shape == (0,)


def test_numbers_that_are_none_are_no_objects():
    predictions = random_predictions(count=10)
    sane = suppress(predictions)
    broken = torch.full((1, 1, 8), torch.nan, dtype=torch.float64)
    torch.testing.assert_close(suppress(torch.cat((predictions, broken), 1)), sane)


def test_a_box_that_a_hidden_box_covers_is_kept():
    # In a row the second hides behind the first; the third only touches the second.
    row = torch.tensor([[50.0, 50, 40, 40, 1, 0.9]]).repeat(3, 1)
    row[:, 0] += torch.tensor([0.0, 12, 24])
    row[:, 5] -= torch.tensor([0.0, 0.1, 0.2])
    [kept] = suppress(row[None])
    assert kept.boxes[:, 0].tolist() == [30, 54]


def test_only_the_best_candidates_are_compared(monkeypatch):
    monkeypatch.setattr(boxes_module, "CANDIDATES", 10)
    predictions = random_predictions(count=300)
    [kept] = non_max_suppression(predictions, score_threshold=0.0, iou_threshold=1.0)
    best = (predictions[0, :, 4] * predictions[0, :, 5:].amax(1)).topk(10).values
    torch.testing.assert_close(kept.scores, best)


def test_cxcywh_to_xyxy():
    boxes = torch.tensor([[10.0, 20.0, 4.0, 6.0], [0.0, 0.0, 0.0, 2.0]])
    assert cxcywh_to_xyxy(boxes).tolist() == [[8, 17, 12, 23], [0, -1, 0, 1]]


def test_iou_of_known_boxes():
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    others = torch.tensor(
        [
            [0.0, 0.0, 10.0, 10.0],  # the same
            [5.0, 0.0, 15.0, 10.0],  # half of each
            [10.0, 0.0, 20.0, 10.0],  # side by side
            [2.0, 2.0, 4.0, 4.0],  # inside
            [3.0, 3.0, 3.0, 9.0],  # no area
        ]
    )
    torch.testing.assert_close(
        box_iou(box, others), torch.tensor([[1.0, 1 / 3, 0.0, 0.04, 0.0]])
    )
    assert box_iou(others[4:], others[4:]).tolist() == [[0.0]]


def test_iou_equals_the_slow_one_and_is_symmetric():
    corners = cxcywh_to_xyxy(random_predictions(count=20)[0, :, :4])
    overlap = box_iou(corners, corners[:7])
    assert overlap.shape == (20, 7)
    slow = [[slow_iou(a, b) for b in corners[:7].tolist()] for a in corners.tolist()]
    torch.testing.assert_close(overlap, torch.tensor(slow, dtype=torch.float64))
    torch.testing.assert_close(overlap, box_iou(corners[:7], corners).T)
