"""More labels for a network that has learned some: the old ones keep their weights.

A new label begins as the mean of the old ones, neither loud nor silent, and the first
steps tell it apart.
"""

from __future__ import annotations

import torch
from torch import Tensor


def with_rows(rows: Tensor, count: int) -> Tensor:
    """The first dimension, one row a label, made `count` long."""
    mean = rows.float().mean(dim=0, keepdim=True).to(rows.dtype)
    return torch.cat([rows, mean.expand(count - len(rows), *rows.shape[1:])])


def with_rows_of_anchors(head: Tensor, anchors: int, labels: int) -> Tensor:
    """The same for a level of YOLOv5's head: box, objectness and labels an anchor."""
    by_anchor = head.view(anchors, -1, *head.shape[1:])
    grown = [torch.cat([each[:5], with_rows(each[5:], labels)]) for each in by_anchor]
    return torch.cat(grown)
