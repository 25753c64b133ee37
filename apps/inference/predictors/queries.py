"""Decodes the queries of DETR-like networks: tensors in, the boxes that count out.

Knows no pictures, labels or networks. Boxes are in proportion to the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from apps.inference.boxes import Kept, cxcywh_to_xyxy


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a network means its logits.

    With a label for no object they exclude each other, and each query has one answer.
    Without one they are independent, and the best of all queries and labels count: as
    many as there are queries, or `best`.
    """

    has_no_object: bool = False
    best: int | None = None

    def scores(self, answer: Tensor) -> Tensor:
        """Each query's score for each label, [B, queries, labels]."""
        logits = answer[..., 4:]
        if self.has_no_object:
            return logits.softmax(dim=-1)[..., :-1]
        return logits.sigmoid()

    def select(self, answer: Tensor, score_threshold: float) -> list[Kept]:
        """Of each picture, the boxes `xyxy` that score more than the threshold.

        Args:
            answer: [B, queries, 4 + labels]: cx, cy, w, h, and logits, of which the
                last is for no object where there is such a label.
            score_threshold: in 0..1.
        """
        answer = answer.float()  # half precision is too coarse for pixels
        corners, scores = cxcywh_to_xyxy(answer[..., :4]), self.scores(answer)
        if self.has_no_object:
            chosen = best_of_each(corners, scores)
        else:
            chosen = best_of_all(corners, scores, self.best or answer.shape[1])
        boxes, scores, labels = (part.cpu() for part in chosen)
        return [
            Kept(*(part[image][kept] for part in (boxes, scores, labels)))
            for image, kept in enumerate(scores > score_threshold)
        ]


def best_of_all(boxes: Tensor, scores: Tensor, best: int) -> tuple[Tensor, ...]:
    """The likeliest of all queries and labels, where labels are independent.

    Args:
        boxes: `xyxy` [B, queries, 4].
        scores: [B, queries, labels].
        best: how many at most.

    Returns:
        Boxes `xyxy` [B, K, 4], scores [B, K] and labels [B, K], best first.
    """
    labels_count = scores.shape[2]
    flat = scores.flatten(1)
    top = flat.topk(min(best, flat.shape[1]))
    queries = (top.indices // labels_count)[..., None].expand(-1, -1, 4)
    return boxes.gather(1, queries), top.values, top.indices % labels_count


def best_of_each(boxes: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
    """Each query's likeliest label, where they exclude each other.

    Takes and returns what `best_of_all` does.
    """
    best, labels = scores.max(dim=-1)
    order = best.argsort(dim=1, descending=True)
    return (
        boxes.gather(1, order[..., None].expand(-1, -1, 4)),
        best.gather(1, order),
        labels.gather(1, order),
    )
