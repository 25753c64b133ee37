from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from apps.inference.boxes import Kept
from apps.inference.starter.metrics import Answer, average_precision, matched


def random_answers(seed: int, images: int = 30) -> list[Answer]:
    """Truth, and answers that are near it, doubled, of the wrong label, or nowhere."""
    rng = np.random.default_rng(seed)
    answers = []
    for _ in range(images):
        corners = rng.uniform(0, 200, (rng.integers(0, 5), 2))
        boxes = np.concatenate(
            [corners, corners + rng.uniform(20, 70, corners.shape)], 1
        )
        labels = rng.integers(0, 3, len(boxes))
        near = np.concatenate([boxes, boxes]) + rng.uniform(-9, 9, (2 * len(boxes), 4))
        stray = rng.uniform(0, 100, (3, 2))
        found = np.concatenate([near, np.concatenate([stray, stray + 50], 1)])
        named = np.concatenate([labels, labels, rng.integers(0, 3, 3)])
        named = np.where(rng.random(len(named)) < 0.2, rng.integers(0, 3), named)
        scores = np.sort(rng.random(len(found)))[::-1].copy()
        order = rng.permutation(len(found))
        kept = Kept(
            torch.from_numpy(found[order]),
            torch.from_numpy(scores),
            torch.from_numpy(named[order]),
        )
        answers.append(Answer(kept, torch.from_numpy(boxes), torch.from_numpy(labels)))
    return answers


def as_coco_counts(answers: list[Answer], label: int) -> float:
    truth: list[dict[str, object]] = []
    found: list[dict[str, object]] = []
    for image, answer in enumerate(answers):
        for box, name in zip(
            answer.boxes.tolist(), answer.labels.tolist(), strict=True
        ):
            truth.append(as_coco(image, box, name) | {"id": len(truth) + 1})
        for box, score, name in zip(
            *(part.tolist() for part in answer.found), strict=True
        ):
            found.append(as_coco(image, box, name) | {"score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image} for image in range(len(answers))],
            "categories": [{"id": number} for number in range(3)],
            "annotations": truth,
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.params.catIds = [label]
        judge.evaluate()
        judge.accumulate()
    # [IoU, recall, label, area, detections allowed]: all areas, up to 100.
    return float(judge.eval["precision"][0, :, 0, 0, 2].mean())


def as_coco(image: int, box: list[float], label: int) -> dict[str, object]:
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    return {
        "image_id": image,
        "category_id": label,
        "bbox": [x1, y1, width, height],
        "area": width * height,
        "iscrowd": 0,
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", range(3))
def test_average_precision_is_what_coco_counts(seed, label):
    answers = random_answers(seed)

    assert average_precision(answers, label) == pytest.approx(
        as_coco_counts(answers, label), abs=1e-6
    )


def test_a_label_that_is_never_there_has_no_precision():
    assert average_precision(random_answers(0), 9) is None


def test_an_object_is_found_once_however_often_it_is_answered():
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])

    assert matched(box.repeat(3, 1), box).tolist() == [True, False, False]
    assert matched(box, box + 6).tolist() == [False]
    assert matched(box, torch.zeros(0, 4)).tolist() == [False]
