"""What lessons are made of: views of a picture, their order, labels and heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from apps.inference.finetuning.augmentation import vary
from apps.inference.finetuning.growing import with_rows, with_rows_of_anchors
from apps.inference.finetuning.naming import Places, with_new
from apps.inference.finetuning.order import Order, batch_size
from apps.inference.finetuning.pace import Pace
from apps.inference.starter.datasets import FIRST_HELD_OUT_SEED

BLUE = (20, 40, 250)


def marked() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with one blue rectangle, and where it is."""
    image = np.full((96, 128, 3), 128, np.uint8)
    image[30:60, 20:70] = BLUE
    return image, np.array([[20, 30, 70, 60]], np.float32)


def blue_in(view: np.ndarray) -> np.ndarray:
    is_blue: np.ndarray = view[..., 2].astype(int) - view[..., 0] > 40
    return is_blue


@pytest.mark.parametrize("seed", range(12))
def test_a_box_stays_on_its_thing_however_the_picture_is_varied(seed: int):
    view, boxes, seen = vary(*marked(), np.random.default_rng(seed))
    assert view.shape == (96, 128, 3)
    assert seen.tolist() == [True]
    rows, columns = np.nonzero(blue_in(view))
    edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert boxes[0] == pytest.approx(edges, abs=2)


def test_views_differ_and_come_again():
    views = [vary(*marked(), np.random.default_rng(seed))[0] for seed in (1, 2, 1)]
    assert (views[0] != views[1]).any()
    assert (views[0] == views[2]).all()


def test_what_has_left_the_picture_is_not_to_be_seen():
    image = np.full((96, 128, 3), 128, np.uint8)
    image[30:60, :10] = BLUE
    at_the_edge = np.array([[0, 30, 10, 60]], np.float32)
    left_over: dict[bool, list[int]] = {True: [], False: []}
    for seed in range(60):
        view, _, seen = vary(image, at_the_edge, np.random.default_rng(seed))
        left_over[bool(seen[0])].append(blue_in(view).sum())
    assert min(left_over[True]) > 40
    assert max(left_over[False]) < 250
    assert 0 in left_over[False]


def test_every_picture_is_seen_once_before_one_is_seen_again():
    order = Order(seed=3, rehearsal=0.25)
    numbers = [
        order.picture(index, 6) for index in range(16) if order.scene(index) is None
    ]
    assert sorted(numbers[:6]) == sorted(numbers[6:12]) == list(range(6))
    assert numbers[:6] != numbers[6:12]


def test_each_batch_has_its_share_of_scenes_and_none_twice():
    order = Order(seed=3, rehearsal=0.5)
    scenes = [order.scene(index) for index in range(64)]
    for batch in range(4):
        assert sum(s is not None for s in scenes[16 * batch :][:16]) == 8
    drawn = [scene for scene in scenes if scene is not None]
    assert len(set(drawn)) == len(drawn)
    assert max(drawn) < FIRST_HELD_OUT_SEED
    assert not any(Order(3, 0.0).scene(index) for index in range(64))


def test_large_pictures_come_in_small_batches():
    assert [batch_size(size) for size in ((320, 256), (640, 480), (1280, 960))] == [
        16,
        4,
        4,
    ]


def test_a_label_is_found_by_any_of_its_names():
    places = Places(["pizza", "hotdog, hot dog, red hot"])
    assert places.of("Hot  Dog") == 1
    assert places.of("dog") is None


def test_new_labels_come_behind_the_old_ones():
    assert with_new(["pizza", "hot dog"], ["slipper", "Pizza", "boot", "Boot"]) == [
        "pizza",
        "hot dog",
        "boot",
        "slipper",
    ]


def test_a_head_keeps_its_rows_and_begins_new_ones_in_the_middle():
    rows = torch.arange(6.0).view(2, 3)
    grown = with_rows(rows, 4)
    assert torch.equal(grown[:2], rows)
    assert torch.equal(grown[2], rows.mean(0))
    assert torch.equal(grown[3], rows.mean(0))


def test_each_anchor_of_a_detector_gets_the_new_label():
    head = torch.arange(2 * 7.0).view(14, 1)
    grown = with_rows_of_anchors(head, anchors=2, labels=3).view(2, 8)
    assert torch.equal(grown[:, :7], head.view(2, 7))
    assert torch.equal(grown[:, 7], head.view(2, 7)[:, 5:].mean(1))


def test_what_is_left_is_measured_on_the_steps_of_this_process():
    now = [100.0]
    pace = Pace(step=200, steps=300, clock=lambda: now[0])
    now[0] += 4
    assert pace.left(202) == ""  # too few to tell
    now[0] += 4
    assert pace.left(210) == "about 80 s"
    now[0] += 12
    assert pace.left(210) == "about 3 min"
