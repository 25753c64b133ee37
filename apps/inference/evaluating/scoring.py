"""From pictures and what was answered to the figures of an `Evaluation`.

A picture with boxes counts for mAP, one whose labels are the whole picture's doesn't.
What the best answer is called is right if anything on the picture is called so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.inference.datasets.annotations import NOTHING, Annotation, labels_of
from apps.inference.evaluating.confusion import OTHER, Confusion, matched
from apps.inference.evaluating.precision import Boxed, precision_of
from apps.inference.evaluating.vocabulary import Vocabulary
from apps.inference.hotdog import is_hot_dog
from apps.inference.types import Classification, Prediction, Timings

_DIGITS = 4
# A version for thousand things needn't list them all.
MOST_LISTED = 50


@dataclass(frozen=True, slots=True)
class Answered:
    """What is to be seen on a picture, and what the version says of it."""

    annotations: list[Annotation]
    prediction: Prediction


def figures_of(
    answered: Sequence[Answered], version_labels: list[str]
) -> dict[str, Any]:
    """All figures that can be had of these answers, 0..1, by their names."""
    labels = [label for each in answered for label in labels_of(each.annotations)]
    words = Vocabulary(labels, version_labels)
    is_detector = not any(each.prediction.classifications for each in answered)
    confusion = Confusion()
    of_labels: dict[str, dict[str, Any]] = {}
    figures: dict[str, Any] = {}
    if is_detector:
        figures, of_labels = _found(answered, words)
        for number, each in enumerate(answered):
            confusion.add(_pairs(number, each, words))
    else:
        named = [_named(each, words) for each in answered]
        pairs = [pair for pair in named if pair is not None]
        confusion.add(pairs)
        right = sum(there == said for there, said in pairs)
        figures = {"top1": right / len(pairs)} if pairs else {}
    figures |= _verdicts(answered)
    figures = {name: round(value, _DIGITS) for name, value in figures.items()}
    return figures | {
        "labels": [
            _rounded({"label": label} | confusion.of(label) | of_labels.get(label, {}))
            for label in words.labels
        ],
        "confusion": confusion.as_json(words.labels),
        "only_in_data": words.only_in_data[:MOST_LISTED],
        "only_in_version": words.only_in_version[:MOST_LISTED],
    }


def _found(
    answered: Sequence[Answered], words: Vocabulary
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    boxed = [each for each in answered if _has_boxes(each)]
    wanted = [
        b for number, each in enumerate(boxed) for b in _there(number, each, words)
    ]
    found = [b for number, each in enumerate(boxed) for b in _said(number, each, words)]
    if not wanted:
        return {}, {}
    named = [each for each in found if each.label != OTHER]
    overall, of_labels = precision_of(len(boxed), words.labels, wanted, named)
    return (
        {"map50": overall.ap50, "map50_95": overall.ap50_95},
        {
            label: {"ap50": each.ap50, "ap50_95": each.ap50_95}
            for label, each in of_labels.items()
        },
    )


def _pairs(number: int, answered: Answered, words: Vocabulary) -> list[tuple[str, str]]:
    """What a detector took for what on one picture."""
    if _has_boxes(answered):
        there = _there(number, answered, words)
        return list(matched(there, _said(number, answered, words)))
    best = [words.of(each.label) or OTHER for each in answered.prediction.detections]
    labels = [words.of(each["label"]) or NOTHING for each in answered.annotations]
    return [_pair(labels, best[0] if best else NOTHING)]


def _named(answered: Answered, words: Vocabulary) -> tuple[str, str] | None:
    """What a classifier took for what; None where it has no word for what is there."""
    labels = [words.of(each["label"]) or NOTHING for each in answered.annotations]
    if not answered.annotations and not words.knows_nothing:
        return None
    best = answered.prediction.classifications[:1]
    return _pair(labels, (words.of(best[0].label) or OTHER) if best else NOTHING)


def _pair(labels: list[str], said: str) -> tuple[str, str]:
    if said in labels:
        return said, said
    return labels[0] if labels else NOTHING, said


def _has_boxes(answered: Answered) -> bool:
    return all("box" in each for each in answered.annotations)


def _there(number: int, answered: Answered, words: Vocabulary) -> list[Boxed]:
    return [
        Boxed(number, words.of(each["label"]) or NOTHING, tuple(each["box"]))
        for each in answered.annotations
    ]


def _said(number: int, answered: Answered, words: Vocabulary) -> list[Boxed]:
    return [
        Boxed(
            number,
            words.of(each.label) or OTHER,
            (each.box.x1, each.box.y1, each.box.x2, each.box.y2),
            each.score,
        )
        for each in answered.prediction.detections
    ]


def _verdicts(answered: Sequence[Answered]) -> dict[str, float]:
    pairs = [(_shows_hot_dog(each), is_hot_dog(each.prediction)) for each in answered]
    right = pairs.count((True, True))
    said = right + pairs.count((False, True))
    there = right + pairs.count((True, False))
    figures = {}
    if said:
        figures["verdict_precision"] = right / said
    if there:
        figures["verdict_recall"] = right / there
    return figures


def _shows_hot_dog(answered: Answered) -> bool:
    """By the product's own rule, as if a sure model had said the labels."""
    return any(
        is_hot_dog(Prediction(_NO_TIME, classifications=(Classification(label, 1.0),)))
        for label in labels_of(answered.annotations)
    )


_NO_TIME = Timings(0.0, 0.0, 0.0)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, _DIGITS) if isinstance(value, float) else value
        for key, value in row.items()
    }
