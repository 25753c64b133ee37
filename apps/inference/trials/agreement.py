"""How alike the answers of two versions to one frame are, as sums that add up.

Answers are `inference.result` messages. Boxes are matched whatever their labels, the
best overlap first, and then asked whether they say the same. Classifiers have no boxes,
so there is nothing to match: their best labels are compared. Of a detector and a
classifier only the verdicts are: their labels needn't be of one list. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.inference.tally import Sums
from apps.inference.trials.figures import CHALLENGER, CHAMPION

Answer = Mapping[str, Any]
# Boxes that share less than half of what they cover are of different things.
LEAST_IOU = 0.5
IOU_STEP = 0.05


def compare(champion: Answer, challenger: Answer) -> Sums:
    """The sums of one frame.

    `compared` is 1; `verdict` counts who says that there is a hot dog: `both`,
    `neither`, `champion` or `challenger` alone; `boxes` counts, if both are detectors,
    those that are `matched` and those of one side alone; `labels` counts pairs of the
    `same` or of `other` labels; `iou` has, by the champion's label, how many matched
    boxes overlap by how many steps of 0.05.
    """
    ours, theirs = champion["detections"], challenger["detections"]
    pairs = matched(ours, theirs)
    labels = Counter(
        "same" if ours[pair.first]["label"] == theirs[pair.second]["label"] else "other"
        for pair in pairs
    )
    if champion["classifications"] and challenger["classifications"]:
        best, other = champion["classifications"][0], challenger["classifications"][0]
        labels["same" if best["label"] == other["label"] else "other"] += 1
    boxes = {}
    if not _is_classifier(champion) and not _is_classifier(challenger):
        boxes = {
            "matched": len(pairs),
            CHAMPION: len(ours) - len(pairs),
            CHALLENGER: len(theirs) - len(pairs),
        }
    overlaps: dict[str, Counter[str]] = {}
    for pair in pairs:
        steps = overlaps.setdefault(ours[pair.first]["label"], Counter())
        steps[str(int(pair.iou / IOU_STEP + 1e-9))] += 1
    return {
        "compared": 1,
        "verdict": {_verdict(champion["is_hot_dog"], challenger["is_hot_dog"]): 1},
        "boxes": boxes,
        "labels": dict(labels),
        "iou": {label: dict(steps) for label, steps in overlaps.items()},
    }


def _is_classifier(answer: Answer) -> bool:
    # Only now, since the web process reads sums, and has no predictors.
    from apps.inference.predictors.families import CLASSIFIER

    return bool(answer["served_by"]["family"] == CLASSIFIER)


def _verdict(champion: bool, challenger: bool) -> str:
    if champion == challenger:
        return "both" if champion else "neither"
    return CHAMPION if champion else CHALLENGER


@dataclass(frozen=True, slots=True)
class Pair:
    """Two boxes of one thing, by their places in the two answers."""

    first: int
    second: int
    iou: float


def matched(first: Sequence[Answer], second: Sequence[Answer]) -> list[Pair]:
    """Pairs of detections, each in one pair at most, the best overlap first."""
    candidates = sorted(
        (
            Pair(i, j, iou(one["box"], other["box"]))
            for i, one in enumerate(first)
            for j, other in enumerate(second)
        ),
        key=lambda pair: -pair.iou,
    )
    pairs: list[Pair] = []
    for candidate in candidates:
        if candidate.iou < LEAST_IOU:
            break
        if all(
            pair.first != candidate.first and pair.second != candidate.second
            for pair in pairs
        ):
            pairs.append(candidate)
    return pairs


def iou(box: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two `xyxy` boxes."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    union = _area(box) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(box: Sequence[float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


@dataclass(frozen=True, slots=True)
class Agreement:
    """The sums as shares 0..1; None where there was nothing to agree on.

    `boxes` is how many of all boxes have one of the other side; `iou` the mean of
    those by label.
    """

    compared: int
    verdict: float | None
    labels: float | None
    boxes: float | None
    iou: dict[str, float]


def summary(sums: Mapping[str, Any]) -> Agreement:
    """Read what `compare` has counted and `tally.added` has added up."""
    compared, verdict = sums.get("compared", 0), sums.get("verdict", {})
    labels, boxes = sums.get("labels", {}), sums.get("boxes", {})
    alone = boxes.get(CHAMPION, 0) + boxes.get(CHALLENGER, 0)
    paired = 2 * boxes.get("matched", 0)
    same = labels.get("same", 0)
    return Agreement(
        compared=compared,
        verdict=_share(verdict.get("both", 0) + verdict.get("neither", 0), compared),
        labels=_share(same, same + labels.get("other", 0)),
        boxes=_share(paired, paired + alone),
        iou={label: _mean_iou(steps) for label, steps in sums.get("iou", {}).items()},
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean_iou(steps: Mapping[str, int]) -> float:
    """From the middle of each step, so right within half of one."""
    total = sum(
        min(1.0, (int(step) + 0.5) * IOU_STEP) * count for step, count in steps.items()
    )
    return total / sum(steps.values())


def is_worth_a_look(sums: Mapping[str, Any]) -> bool:
    """Of one frame's sums: whether a person should say who is right."""
    verdict, labels = sums["verdict"], sums["labels"]
    return bool({CHAMPION, CHALLENGER} & verdict.keys() or labels.get("other"))
