"""How alike two answers are: counted frame by frame, and read as shares."""

from __future__ import annotations

import pytest

from apps.inference.tally import added
from apps.inference.trials import agreement
from apps.inference.trials.agreement import compare, iou, matched, summary
from tests.unit.inference.trials.answers import answer

LEFT, RIGHT = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)
# Shares 8 of 12 columns with LEFT.
NEARLY_LEFT = (2.0, 0.0, 12.0, 10.0)


def test_overlap_is_that_of_areas():
    assert iou(LEFT, LEFT) == 1.0
    assert iou(LEFT, RIGHT) == 0.0
    assert iou(LEFT, NEARLY_LEFT) == pytest.approx(8 / 12)
    assert iou((5, 5, 5, 5), (5, 5, 5, 5)) == 0.0


def test_a_box_is_matched_once_and_with_the_best():
    ours = answer(("cup", NEARLY_LEFT), ("cup", LEFT))["detections"]
    theirs = answer(("cup", LEFT))["detections"]
    (pair,) = matched(ours, theirs)
    assert (pair.first, pair.second, pair.iou) == (1, 0, 1.0)


def test_boxes_of_different_things_are_alone():
    sums = compare(answer(("cup", LEFT)), answer(("cup", RIGHT)))
    assert sums["boxes"] == {"matched": 0, "champion": 1, "challenger": 1}
    assert sums["labels"] == {}


def test_matched_boxes_are_asked_what_they_show():
    sums = compare(
        answer(("cup", LEFT), ("bowl", RIGHT)), answer(("cup", LEFT), ("cup", RIGHT))
    )
    assert sums["boxes"]["matched"] == 2
    assert sums["labels"] == {"same": 1, "other": 1}
    assert sums["iou"].keys() == {"cup", "bowl"}


@pytest.mark.parametrize(
    ("champion", "challenger", "word"),
    [
        (True, True, "both"),
        (False, False, "neither"),
        (True, False, "champion"),
        (False, True, "challenger"),
    ],
)
def test_verdicts_are_counted_by_who_says_hot_dog(
    champion: bool, challenger: bool, word: str
):
    sums = compare(answer(hot_dog=champion), answer(hot_dog=challenger))
    assert sums["verdict"] == {word: 1}
    assert agreement.is_worth_a_look(sums) == (champion != challenger)


def test_classifiers_are_compared_by_their_best_label():
    assert compare(answer(top="cup"), answer(top="cup"))["labels"] == {"same": 1}
    sums = compare(answer(top="cup"), answer(top="bowl"))
    assert sums["labels"] == {"other": 1}
    assert agreement.is_worth_a_look(sums)


def test_of_a_detector_and_a_classifier_only_verdicts_are_compared():
    detected = answer(("hot dog", LEFT), hot_dog=True)
    sums = compare(detected, answer(top="hotdog, hot dog, red hot", hot_dog=True))
    assert sums["labels"] == {}
    assert summary(sums).boxes is None
    # A least score may leave nothing of what it says.
    unsure = compare(detected, answer(family="classifier"))
    assert summary(added(sums, unsure)).boxes is None
    assert not agreement.is_worth_a_look(sums)


def test_what_two_workers_have_counted_adds_up():
    frames = [
        (answer(("cup", LEFT)), answer(("cup", LEFT))),
        (answer(("cup", LEFT)), answer(("bowl", NEARLY_LEFT), hot_dog=True)),
        (answer(hot_dog=True), answer(hot_dog=True)),
        (answer(), answer(("cup", RIGHT))),
    ]
    first, second, third, fourth = (compare(*frame) for frame in frames)
    one_worker, other_worker = added(first, third), added(fourth, second)
    read = summary(added(one_worker, other_worker))
    assert read.compared == 4
    assert read.verdict == 0.75
    assert read.labels == 0.5
    # Two pairs, so four boxes, and one that is alone.
    assert read.boxes == 0.8
    assert read.iou == {"cup": pytest.approx((1 + 8 / 12) / 2, abs=0.025)}


def test_of_nothing_nothing_is_said():
    read = summary({})
    assert (read.compared, read.verdict, read.labels, read.boxes) == (0,) + (None,) * 3
    assert read.iou == {}
