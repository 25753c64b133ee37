"""How far two ways of running one network agree, and what is close enough.

Compares candidates, so what a network answers before anything is selected: selection
would turn a difference in the third digit into another list of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from apps.inference.boxes import box_iou

# An image's best candidates; the rest is background to every engine.
_BEST = 50
# Of thousand labels none may score much, so a tie is a share of the best one's score.
_TIE = 0.1


class Candidates(NamedTuple):
    """All that a network says of one image.

    A detector has N boxes with a score for each label; a classifier has N = 1 and no
    boxes.
    """

    scores: Tensor  # [N, labels] in 0..1
    boxes: Tensor | None = None  # [N, 4] xyxy in input pixels


class Best(NamedTuple):
    """What of them is compared: the best candidates, each by its best label."""

    scores: Tensor  # [K]
    labels: Tensor  # [K], numbers
    boxes: Tensor | None = None  # [K, 4]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What two engines may differ by; kept with the version they were applied to."""

    lowest_iou: float = 0.98
    largest_score_difference: float = 0.03


@dataclass(frozen=True, slots=True)
class Agreement:
    """The worst that was seen. `same_top_1` is None where there are boxes."""

    lowest_iou: float | None
    largest_score_difference: float
    same_top_1: bool | None

    def keeps(self, bounds: Bounds) -> bool:
        return (
            self.largest_score_difference <= bounds.largest_score_difference
            and (self.lowest_iou is None or self.lowest_iou >= bounds.lowest_iou)
            and self.same_top_1 is not False
        )


def are_finite(candidates: Sequence[Candidates]) -> bool:
    return all(
        tensor.isfinite().all()
        for each in candidates
        for tensor in each
        if tensor is not None
    )


def best_of(candidates: Candidates) -> Best:
    """What is worth comparing, and short enough to be kept."""
    if candidates.boxes is None:
        scores = candidates.scores[0].float()
        best = scores.topk(min(_BEST, len(scores)))
        return Best(best.values, best.indices)
    scores, labels = candidates.scores.float().max(dim=1)
    best = scores.topk(min(_BEST, len(scores)))
    boxes = candidates.boxes[best.indices].float()
    return Best(best.values, labels[best.indices], boxes)


def compare(
    reference: Sequence[Candidates], other: Sequence[Candidates], bounds: Bounds
) -> Agreement:
    """Hold the answers to the same images against each other, image by image."""
    return compare_best([best_of(each) for each in reference], other, bounds)


def compare_best(
    reference: Sequence[Best], other: Sequence[Candidates], bounds: Bounds
) -> Agreement:
    """The same, with what was kept of the reference."""
    agreements = [
        _compare_scores(mine, theirs, bounds)
        if mine.boxes is None
        else _compare_boxes(mine, theirs)
        for mine, theirs in zip(reference, other, strict=True)
    ]
    ious = [each.lowest_iou for each in agreements if each.lowest_iou is not None]
    tops = [each.same_top_1 for each in agreements if each.same_top_1 is not None]
    return Agreement(
        lowest_iou=min(ious, default=None),
        largest_score_difference=max(
            each.largest_score_difference for each in agreements
        ),
        same_top_1=all(tops) if tops else None,
    )


def difference(seen: Agreement) -> str:
    """What is seen of it, in words."""
    words = [f"scores differ by up to {seen.largest_score_difference:.3f}"]
    if seen.lowest_iou is not None:
        words.append(
            f"boxes lie on each other with an IoU down to {seen.lowest_iou:.3f}"
        )
    if seen.same_top_1 is False:
        words.append("the best label is another")
    return ", ".join(words)


def _compare_scores(reference: Best, other: Candidates, bounds: Bounds) -> Agreement:
    theirs = other.scores[0].float()
    # What isn't among the best scores next to nothing.
    mine = torch.zeros_like(theirs)
    mine[reference.labels] = reference.scores
    # Two labels that score the same may change places.
    lead = mine.max() - mine[theirs.argmax()]
    tie = min(bounds.largest_score_difference, _TIE * float(mine.max()))
    differences = theirs[reference.labels] - reference.scores
    return Agreement(
        lowest_iou=None,
        largest_score_difference=float(differences.abs().max()),
        same_top_1=bool(lead <= tie),
    )


def _compare_boxes(reference: Best, other: Candidates) -> Agreement:
    """Match each of the best candidates with the other's box that lies upon it most.

    Not by their numbers: some networks sort their answers.
    """
    assert reference.boxes is not None
    assert other.boxes is not None
    ious = box_iou(reference.boxes, other.boxes.float())
    differences = (
        reference.scores[:, None] - other.scores.float()[:, reference.labels].T
    ).abs()
    # Of boxes that lie equally well, the one that scores most alike.
    match = (ious - differences).argmax(dim=1, keepdim=True)
    return Agreement(
        lowest_iou=float(ious.gather(1, match).min()),
        largest_score_difference=float(differences.gather(1, match).max()),
        same_top_1=None,
    )
