from __future__ import annotations

from random import Random

import cv2
import numpy as np
import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter import composition, scenes
from apps.inference.starter.composition import Thing, compose
from apps.inference.starter.datasets import (
    DETECTOR_INPUT_SIZE,
    FIRST_HELD_OUT_SEED,
    DetectorExamples,
    held_out_seed,
    training_seed,
)
from apps.inference.starter.easel import Easel, Pose
from apps.inference.starter.scenes import (
    FOODS,
    LABELS,
    NOTHING,
    render_labelled_scene,
    render_scene,
)


def canvas(width: int = 320, height: int = 240) -> np.ndarray:
    """Black, so that shadows leave no trace and every changed pixel was drawn."""
    return np.zeros((height, width, 3), np.uint8)


def thing(label: str = HOT_DOG, design: int = 1, **pose: float) -> Thing:
    placed = {"x": 160.0, "y": 120.0, "length": 100.0} | pose
    return Thing(FOODS[label], design, Pose(**placed), label)


def test_a_seed_gives_the_same_scene_again_and_another_seed_another():
    first, again, other = render_scene(7), render_scene(7), render_scene(8)

    assert np.array_equal(first.image, again.image)
    assert first.objects == again.objects
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (320, 180), (640, 480)])
def test_scenes_have_the_size_asked_for_and_boxes_inside(size):
    width, height = size
    labels = set()
    for seed in range(40):
        scene = render_scene(seed, width, height)
        assert scene.image.shape == (height, width, 3)
        assert scene.image.dtype == np.uint8
        for label, (x1, y1, x2, y2) in scene.objects:
            labels.add(label)
            assert 0 <= x1 < x2 <= width
            assert 0 <= y1 < y2 <= height
    assert labels == set(LABELS)


def test_some_scenes_are_empty_and_hot_dogs_are_the_commonest_food():
    found = [render_scene(seed).objects for seed in range(150)]

    labels = [label for objects in found for label, _ in objects]
    assert 10 < sum(not objects for objects in found) < 60
    assert max(set(labels), key=labels.count) == HOT_DOG


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("angle", [0.0, 0.7, 2.4])
def test_boxes_are_tight_on_what_was_drawn(label, angle):
    picture = canvas()
    ((found, box),) = compose(picture, [thing(label, angle=angle)])

    x, y, width, height = cv2.boundingRect((picture.max(axis=2) > 0).view(np.uint8))
    assert found == label
    assert np.abs(np.array(box) - (x, y, x + width, y + height)).max() <= 1


def test_turning_an_object_keeps_its_size_and_squashing_flattens_it():
    def area(**pose: float) -> int:
        picture = canvas()
        compose(picture, [thing("carrot", 1, **pose)])
        return int(np.count_nonzero(picture.max(axis=2)))

    flat = area()
    assert [area(angle=turn) for turn in (0.5, 0.8, 1.6, 4.0)] == pytest.approx(
        [flat] * 4, rel=0.06
    )
    assert area(squash=0.7) == pytest.approx(0.7 * flat, rel=0.1)


def test_a_box_ends_at_the_edge_of_the_picture():
    ((_, (x1, _, x2, _)),) = compose(canvas(), [thing(x=10.0)])

    assert x1 == 0
    assert 40 < x2 < 70


def test_what_is_mostly_out_of_the_picture_has_no_box():
    assert compose(canvas(), [thing(x=-20.0)]) == ()
    assert compose(canvas(), [thing(x=-500.0, y=900.0)]) == ()


def test_what_lies_on_top_takes_pixels_from_the_box_below():
    below, above = thing("cup", x=150.0), thing("donut", x=200.0)

    ((_, alone),) = compose(canvas(), [below])
    (_, covered), (_, whole) = compose(canvas(), [below, above])

    assert covered[2] < alone[2]
    assert covered[:2] == alone[:2]
    assert whole == compose(canvas(), [above])[0][1]


def test_what_is_mostly_covered_has_no_box():
    hidden, cover = thing("carrot"), thing("pizza", length=160.0)

    assert [label for label, _ in compose(canvas(), [hidden, cover])] == ["pizza"]


def test_a_design_keeps_its_colours_in_every_pose():
    colours = []
    for pose in (Pose(160, 120, 120), Pose(160, 120, 120, 1.2, 0.9)):
        easel = Easel(pose, (-0.5, -0.85))
        FOODS["cup"](Random(3), easel)
        sprite = easel.finish()
        colours.append(sprite.colour[sprite.alpha > 200].mean(axis=0))

    assert np.abs(colours[0] - colours[1]).max() < 12


@pytest.mark.parametrize("label", [*LABELS, NOTHING])
def test_classifier_scenes_show_what_their_label_says(label, monkeypatch):
    shown: list[list[Thing]] = []

    def watched(picture, things, **options):
        shown.append([thing for thing in things if thing.label in LABELS])
        return composition.compose(picture, things, **options)

    monkeypatch.setattr(scenes, "compose", watched)
    for seed in range(25):
        render_labelled_scene(seed, label, 240, 180)

    names = [[thing.label for thing in things] for things in shown]
    if label == HOT_DOG:
        assert all(HOT_DOG in said for said in names)
        assert any(len(said) > 1 for said in names)
    else:
        assert names == [[] if label == NOTHING else [label]] * 25
    for things in shown:
        star = things[-1].pose if things else None
        assert star is None or (30 < star.x < 210 and 0 < star.y < 180)


@pytest.mark.parametrize("run_seed", [0, 1, 99, 100, 12_345_678_901])
def test_training_never_meets_a_held_out_seed(run_seed):
    assert 0 <= training_seed(run_seed, 0) < FIRST_HELD_OUT_SEED
    assert 0 <= training_seed(run_seed, 999_999_999) < FIRST_HELD_OUT_SEED
    assert held_out_seed(0) >= FIRST_HELD_OUT_SEED


def test_runs_of_different_seeds_learn_from_different_scenes():
    assert training_seed(0, 9_999_999) < training_seed(1, 0)


def test_training_boxes_lie_on_the_objects_of_the_letterboxed_picture():
    # Seed 8 is a portrait scene, which is scaled down and padded left and right.
    image, objects = DetectorExamples(0)[8]
    scene = render_scene(training_seed(0, 8), 240, 320)

    assert image.shape == (3, DETECTOR_INPUT_SIZE[1], DETECTOR_INPUT_SIZE[0])
    assert (image[:, :, :64] == 114).all()
    assert len(scene.objects) == len(objects) > 0
    for row, (label, box) in zip(objects.tolist(), scene.objects, strict=True):
        assert LABELS[int(row[0])] == label
        expected = np.array(box) * 0.8 + (64, 0, 64, 0)
        assert row[1:] == pytest.approx(expected.tolist(), abs=1e-3)
