"""How exported detectors lay out what they answer, told apart by shape, and decoded.

Knows tensors alone: boxes in input pixels, labels by number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from apps.inference.boxes import Kept, cxcywh_to_xyxy, non_max_suppression
from apps.inference.comparison import Candidates
from apps.inference.exceptions import ArchitectureError, LabelsError

YOLOV5 = "yolov5"  # [B, N, 5 + labels]: cx, cy, w, h, objectness, label scores
YOLOV8 = "yolov8"  # [B, 4 + labels, N]: cx, cy, w, h, label scores
END_TO_END = "end-to-end"  # [B, N, 6]: x1, y1, x2, y2, score, label; all selected
LAYOUTS = (YOLOV5, YOLOV8, END_TO_END)


def recognise(shape: Sequence[int], *, labels_count: int, side: int) -> str:
    """Which layout a network of so many labels answers in.

    Args:
        shape: of its answer.
        labels_count: how many labels the file names.
        side: of the square picture that it was shown.

    Raises:
        ArchitectureError, LabelsError
    """
    if len(shape) != 3 or not all(shape):
        raise _unknown(shape)
    _, rows, columns = shape
    if columns == 5 + labels_count and (columns != 6 or _is_of_grids(rows, side)):
        return YOLOV5
    if rows == 4 + labels_count and columns != 6:
        return YOLOV8
    if columns == 6:
        return END_TO_END
    for count, length, first_label in ((rows, columns, 5), (columns, rows, 4)):
        if _is_of_grids(count, side) and length > first_label:
            raise LabelsError(
                f"The file names {labels_count} labels, but its network answers for"
                f" {length - first_label}."
            )
    raise _unknown(shape)


def select(
    layout: str,
    answer: Tensor,
    *,
    labels_count: int,
    score_threshold: float,
    iou_threshold: float,
) -> list[Kept]:
    """The boxes of each image that are shown; those that overlap are thinned out once,
    here or in the network.
    """
    if layout == END_TO_END:
        return [_best(rows, labels_count, score_threshold) for rows in answer.cpu()]
    return non_max_suppression(
        answer if layout == YOLOV5 else answer.transpose(1, 2),
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        has_objectness=layout == YOLOV5,
    )


def candidates(
    layout: str, answer: Tensor, *, labels_count: int, side: int
) -> list[Candidates]:
    """All boxes of each image, for whoever compares engines."""
    if layout == END_TO_END:
        return [_scored(rows, labels_count, side) for rows in answer.cpu()]
    if layout == YOLOV5:
        return [
            Candidates(rows[:, 4:5] * rows[:, 5:], cxcywh_to_xyxy(rows[:, :4]))
            for rows in answer.cpu()
        ]
    return [
        Candidates(rows[:, 4:], cxcywh_to_xyxy(rows[:, :4]))
        for rows in answer.cpu().transpose(1, 2)
    ]


def _best(rows: Tensor, labels_count: int, score_threshold: float) -> Kept:
    labels = rows[:, 5].round().long()
    is_label = (labels >= 0) & (labels < labels_count)
    kept = ((rows[:, 4] > score_threshold) & is_label).nonzero()[:, 0]
    kept = kept[rows[kept, 4].argsort(descending=True, stable=True)]
    return Kept(rows[kept, :4], rows[kept, 4], labels[kept])


def _scored(rows: Tensor, labels_count: int, side: int) -> Candidates:
    """A score for each label, all but one of them 0.

    Places that the network had no box for are given one, which is the same everywhere.
    """
    is_empty = rows[:, 4] <= 0
    whole = rows.new_tensor((0, 0, side, side))
    boxes = torch.where(is_empty[:, None], whole, rows[:, :4])
    labels = rows[:, 5].nan_to_num().round().long().clamp(0, labels_count - 1)
    scores = rows.new_zeros(len(rows), labels_count)
    best = rows[:, 4:5].clamp(min=0)
    return Candidates(scores.scatter_(1, labels[:, None], best), boxes)


def _is_of_grids(count: int, side: int) -> bool:
    """Whether so many boxes come from the cells of grids, of three scales or four."""
    cells = [(side // stride) ** 2 for stride in (8, 16, 32, 64)]
    totals = (sum(cells[:3]), sum(cells))
    return count > 0 and any(total and count % total == 0 for total in totals)


def _unknown(shape: Sequence[int]) -> ArchitectureError:
    sizes = ", ".join(map(str, shape))
    return ArchitectureError(
        f"The network answers [{sizes}], which is none of the layouts of YOLOv5,"
        " YOLOv8, YOLO11 or an end-to-end detector."
    )
