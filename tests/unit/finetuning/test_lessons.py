"""A few steps of real training: what is learned, kept, left out and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from apps.inference import weights
from apps.inference.exceptions import InferenceError
from apps.inference.finetuning.classifier import ClassifierLesson
from apps.inference.finetuning.course import Course
from apps.inference.finetuning.detector import DetectorLesson
from apps.inference.finetuning.order import Order
from apps.inference.predictors import classifier
from apps.inference.predictors import yolov5 as detector
from apps.inference.preprocessing import grey_frame
from tests.unit.inference.versions import FOODS, write_json

from .conftest import Draw

ALONE = Order(seed=0, rehearsal=0.0)
Lesson = DetectorLesson | ClassifierLesson


def trained(lesson: Lesson, tmp_path: Path, steps: int = 12) -> Course:
    course = Course(lesson, steps=steps, folder=tmp_path / "work")
    course.run(lambda share, words: None)
    return course


def saved(lesson: Lesson, course: Course, tmp_path: Path) -> Path:
    directory = tmp_path / "child"
    directory.mkdir()
    lesson.save(course.network, directory)
    return directory


def test_a_detector_learns_boxes_and_its_files_load(
    yolov5: Path, draw: Draw, tmp_path: Path
):
    pictures = [draw(at=(x, 30)) for x in (5, 30, 60)]
    lesson = DetectorLesson(yolov5, pictures, ALONE, 2e-3)
    course = trained(lesson, tmp_path)

    losses = [loss for _, loss in course.curve]
    assert losses[-1] < 0.9 * losses[0]
    child = saved(lesson, course, tmp_path)
    assert weights.read_config(child)["labels"] == ["hot dog", "pizza", "slipper"]
    detector.load(child, engine="torch-cpu").predict([grey_frame(64, 48)])


def test_a_detector_keeps_the_precision_of_its_parents_file(
    yolov5: Path, draw: Draw, tmp_path: Path
):
    lesson = DetectorLesson(yolov5, [draw("pizza")], ALONE, 1e-4)
    parent = load_file(yolov5 / weights.WEIGHTS_NAME)
    child = load_file(
        saved(lesson, trained(lesson, tmp_path, 1), tmp_path) / weights.WEIGHTS_NAME
    )
    assert {name: t.dtype for name, t in child.items()} == {
        name: t.dtype for name, t in parent.items()
    }
    assert {name: t.shape for name, t in child.items()} == {
        name: t.shape for name, t in parent.items()
    }


def test_before_it_learns_a_grown_detector_answers_as_its_parent(
    yolov5: Path, draw: Draw
):
    lesson = DetectorLesson(yolov5, [draw()], ALONE, 1e-3)
    same = DetectorLesson(yolov5, [draw("pizza")], ALONE, 1e-3)
    pictures = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        grown = lesson.network.eval()(pictures)
        before = same.network.eval()(pictures)
    assert torch.allclose(grown[..., :7], before, atol=1e-6)


def test_a_picture_of_nothing_teaches_a_detector_that_nothing_is_there(
    yolov5: Path, draw: Draw
):
    lesson = DetectorLesson(yolov5, [draw(None)], ALONE, 1e-3)
    images, objects = lesson.collate([lesson.examples()[0]])
    assert images.shape == (1, 3, 96, 128)
    assert objects.shape == (0, 6)
    assert lesson.loss(images, objects).isfinite()


def test_labels_without_boxes_teach_a_detector_nothing(yolov5: Path, draw: Draw):
    boxed, whole = draw(), draw(has_box=False)
    assert DetectorLesson(yolov5, [boxed, whole], ALONE, 1e-3).used == [boxed]
    with pytest.raises(InferenceError, match="No picture of the dataset has boxes"):
        DetectorLesson(yolov5, [whole], ALONE, 1e-3)


def test_a_detector_rehearses_the_scenes_that_it_knows_the_labels_of(
    yolov5: Path, draw: Draw
):
    lesson = DetectorLesson(yolov5, [draw()], Order(seed=0, rehearsal=0.5), 1e-3)
    seen = {
        int(row[0])
        for index in range(40)
        if lesson._order.scene(index) is not None
        for row in lesson.examples()[index][1]
    }
    # Hot dog and pizza; slipper isn't in them; look-alikes are there without a label.
    assert seen == {0, 1, len(lesson.labels)}


def test_a_classifier_learns_new_labels_and_its_files_load(
    resnet: Path, draw: Draw, tmp_path: Path
):
    pictures = [draw("slipper"), draw("pizza", (20, 40, 250))]
    lesson = ClassifierLesson(resnet, pictures, ALONE, 5e-3)
    course = trained(lesson, tmp_path)

    losses = [loss for _, loss in course.curve]
    assert losses[-1] < 0.9 * losses[0]
    child = saved(lesson, course, tmp_path)
    config = weights.read_config(child)
    assert [*config["id2label"].values()] == [*FOODS, "slipper"]
    answer = classifier.load(child, engine="torch-cpu").predict([grey_frame(64, 48)])
    assert len(answer[0].classifications) == 5


def test_before_it_learns_a_grown_classifier_ranks_as_its_parent(
    resnet: Path, draw: Draw
):
    grown = ClassifierLesson(resnet, [draw("slipper")], ALONE, 1e-3)
    same = ClassifierLesson(resnet, [draw("pizza")], ALONE, 1e-3)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        logits: Any = grown.network.eval()(pictures).logits
        before: Any = same.network.eval()(pictures).logits
    assert torch.allclose(logits[:, :6], before, atol=1e-5)


def test_a_classifier_without_a_word_for_nothing_leaves_such_pictures_out(
    resnet: Path, draw: Draw
):
    pizza, nothing = draw("pizza", has_box=False), draw(None)
    assert ClassifierLesson(resnet, [pizza, nothing], ALONE, 1e-3).used == [pizza]
    with pytest.raises(InferenceError, match="No picture of the dataset has a label"):
        ClassifierLesson(resnet, [nothing], ALONE, 1e-3)


def test_where_labels_are_independent_nothing_is_an_answer(resnet: Path, draw: Draw):
    config = weights.read_config(resnet)
    config["problem_type"] = "multi_label_classification"
    write_json(resnet / "config.json", config)
    lesson = ClassifierLesson(resnet, [draw(None)], ALONE, 1e-3)
    images, targets = lesson.collate([lesson.examples()[0]])
    assert targets.tolist() == [[0.0] * 6]
    assert lesson.loss(images, targets).isfinite()


def test_a_training_that_goes_on_ends_as_one_that_was_never_stopped(
    yolov5: Path, draw: Draw, tmp_path: Path
):
    pictures = [draw(at=(x, 30)) for x in (5, 60)]
    order = Order(seed=1, rehearsal=0.25)

    class KilledError(BaseException):
        pass

    def killed_after(share: float, words: str) -> None:
        if share > 0.9:
            raise KilledError

    def lesson() -> DetectorLesson:
        return DetectorLesson(yolov5, pictures, order, 1e-3)

    def course(folder: str) -> Course:
        return Course(
            lesson(), steps=24, folder=tmp_path / folder, validate=sum_of_weights
        )

    def sum_of_weights(network: nn.Module) -> dict[str, float]:
        return {"sum": sum(float(each.sum()) for each in network.parameters())}

    whole = course("whole")
    whole.run(lambda share, words: None)
    first = course("broken")
    with pytest.raises(KilledError):
        first.run(killed_after)
    told: list[float] = []
    second = course("broken")
    second.run(lambda share, words: told.append(share))

    assert told[0] == pytest.approx(20 / 24)  # from the checkpoint on
    assert second.curve == whole.curve
    assert second.validation == whole.validation
    assert [step for step, _ in whole.validation][::5] == [0, 12, 24]
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name


def test_a_checkpoint_that_is_cut_short_costs_no_more_than_its_steps(
    yolov5: Path, draw: Draw, tmp_path: Path
):
    lesson = DetectorLesson(yolov5, [draw()], ALONE, 1e-3)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "checkpoint.pt").write_bytes(b"PK half of it")
    assert len(trained(lesson, tmp_path, 2).curve) == 2


def test_a_training_that_goes_astray_ends_with_a_word(
    yolov5: Path, draw: Draw, tmp_path: Path
):
    lesson = DetectorLesson(yolov5, [draw()], ALONE, 1e-3)
    lesson.loss = lambda images, targets: (  # type: ignore[method-assign]
        next(lesson.network.parameters()).sum() * torch.nan
    )
    with pytest.raises(InferenceError, match="went astray"):
        trained(lesson, tmp_path, 2)
