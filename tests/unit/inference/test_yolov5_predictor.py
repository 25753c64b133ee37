from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from apps.inference.engines import TORCH_CPU
from apps.inference.exceptions import ArchitectureError, ConfigError, LabelsError
from apps.inference.predictors import yolov5
from apps.inference.predictors.fields import Fields
from apps.inference.predictors.yolov5 import YOLOv5Config, YOLOv5Predictor
from apps.inference.types import Box, Frame, Prediction

from .networks import engine_of
from .pictures import RED, frame_of, noise, plain, with_rectangle
from .versions import YOLOV5_CONFIG, write_json, write_yolov5

CONFIG = YOLOv5Config.read(Fields("config.json", YOLOV5_CONFIG))


class SeesRed(nn.Module):
    """Stands in for a network: one box around what is red in each image."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.answer(image) for image in images])

    def answer(self, image: Tensor) -> Tensor:
        red = (image[0] - image[2] > 0.3).nonzero().float()
        if not len(red):
            return torch.zeros(1, 7)
        (top, left), (bottom, right) = red.amin(0), red.amax(0) + 1
        x, y, width, height = left + right, top + bottom, right - left, bottom - top
        return torch.stack(
            [x / 2, y / 2, width, height, *torch.tensor([0.9, 1.0, 0.1])]
        )[None]


class SaysOnce(nn.Module):
    """Stands in for a network: the same boxes whatever it is shown."""

    def __init__(self, *rows: list[float]) -> None:
        super().__init__()
        self.rows = torch.tensor(rows)

    def forward(self, images: Tensor) -> Tensor:
        return self.rows.expand(len(images), -1, -1)


BOX = Box(64, 48, 160, 96)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(("width", "height"), [(320, 240), (240, 320), (400, 124)])
def test_boxes_are_in_pixels_of_the_upright_frame(width, height, rotation):
    frame = frame_of(with_rectangle(plain(width, height), BOX, RED), rotation=rotation)
    [prediction] = YOLOv5Predictor(engine_of(SeesRed()), CONFIG).predict([frame])
    [detection] = prediction.detections
    pixel = max(width / 128, height / 96)  # one of the input, in the frame
    found = detection.box
    assert (found.x1, found.y1) == pytest.approx((BOX.x1, BOX.y1), abs=1.5 * pixel)
    assert (found.x2, found.y2) == pytest.approx((BOX.x2, BOX.y2), abs=1.5 * pixel)
    assert detection.label == "hot dog"
    assert detection.score == pytest.approx(0.9)


def test_frames_of_a_batch_may_differ_and_keep_their_order():
    frames = [
        frame_of(with_rectangle(plain(320, 240), BOX, RED)),
        frame_of(plain(64, 48)),
        frame_of(with_rectangle(plain(480, 640), BOX, RED), rotation=90),
    ]
    predictions = YOLOv5Predictor(engine_of(SeesRed()), CONFIG).predict(frames)
    assert [len(prediction.detections) for prediction in predictions] == [1, 0, 1]
    for prediction in (predictions[0], predictions[2]):
        assert prediction.detections[0].box.x1 == pytest.approx(BOX.x1, abs=10)


def test_no_frames_no_predictions():
    assert YOLOv5Predictor(engine_of(SeesRed()), CONFIG).predict([]) == []


def test_boxes_end_at_the_frame_and_those_in_the_padding_vanish():
    # 320 x 120 lies in rows 24 to 72 of the input.
    network = SaysOnce(
        [64, 48, 400, 400, 0.9, 0.9, 0.0],  # larger than the picture
        [20, 8, 10, 10, 0.9, 0.8, 0.0],  # above it
        [64, 24, 20, 20, 0.9, 0.0, 0.7],  # half above
    )
    [prediction] = YOLOv5Predictor(engine_of(network), CONFIG).predict(
        [frame_of(plain(320, 120))]
    )
    assert [(found.box, found.label) for found in prediction.detections] == [
        (Box(0, 0, 320, 120), "hot dog"),
        (Box(135, 0, 185, 25), "pizza"),
    ]


def test_thresholds_are_those_of_the_version():
    network = SaysOnce(
        [30, 40, 20, 20, 1.0, 0.8, 0.0],
        [32, 40, 20, 20, 1.0, 0.6, 0.0],
        [90, 40, 20, 20, 1.0, 0.3, 0.0],
    )
    frame = frame_of(plain(320, 240))

    def scores(config: YOLOv5Config) -> list[float]:
        [prediction] = YOLOv5Predictor(engine_of(network), config).predict([frame])
        return [round(found.score, 3) for found in prediction.detections]

    assert scores(CONFIG) == [0.8, 0.3]
    assert scores(replace(CONFIG, iou_threshold=0.9)) == [0.8, 0.6, 0.3]
    assert scores(replace(CONFIG, score_threshold=0.5)) == [0.8]


def test_timings_share_the_batch():
    predictor = YOLOv5Predictor(engine_of(SeesRed()), CONFIG)
    frame = frame_of(plain(64, 48))
    one, two = predictor.predict([frame, frame])
    assert one.timings == two.timings
    assert min(one.timings.featurize_ms, one.timings.forward_ms) > 0
    assert one.timings.decode_ms > 0


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write_yolov5(tmp_path_factory.mktemp("yolov5"))


@pytest.fixture
def version(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "version")


def frames() -> list[Frame]:
    return [frame_of(noise(160, 120, seed), rotation=90 * seed) for seed in range(3)]


def assert_close(some: Prediction, others: Prediction) -> None:
    assert len(some.detections) == len(others.detections) > 0
    for one, other in zip(some.detections, others.detections, strict=True):
        assert one.label == other.label
        assert one.score == pytest.approx(other.score, abs=1e-4)
        for side in ("x1", "y1", "x2", "y2"):
            assert getattr(one.box, side) == pytest.approx(
                getattr(other.box, side), abs=0.05
            )


def test_a_batch_is_its_frames_one_by_one(version):
    predictor = yolov5.load(version, engine=TORCH_CPU)
    batch = predictor.predict(frames())
    for frame, prediction in zip(frames(), batch, strict=True):
        assert_close(prediction, predictor.predict([frame])[0])


def test_what_is_loaded_answers_with_the_saved_weights(version):
    predictor = yolov5.load(version, engine=TORCH_CPU)
    assert predictor.engine == "torch-cpu"
    [prediction] = predictor.predict(frames()[:1])
    [again] = yolov5.load(version, engine=TORCH_CPU).predict(frames()[:1])
    assert prediction.detections == again.detections
    assert {found.label for found in prediction.detections} <= {"hot dog", "pizza"}
    assert all(0.25 < found.score <= 1 for found in prediction.detections)


def test_weights_may_be_stored_in_half_precision(version):
    single = yolov5.load(version, engine=TORCH_CPU).predict(frames()[:1])
    path = version / "model.safetensors"
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(path).items()
    }
    save_file(tensors, path)
    half = yolov5.load(version, engine=TORCH_CPU).predict(frames()[:1])
    best, rounded = single[0].detections[0], half[0].detections[0]
    assert rounded.score == pytest.approx(best.score, abs=0.05)


WRONG_FIELDS = [
    ("family", "classifier"),
    ("strides", [4, 8, 16]),
    ("depth_multiple", 0),
    ("depth_multiple", True),
    ("width_multiple", "0.25"),
    ("width_multiple", 1000),
    ("labels", []),
    ("labels", ["hot dog", "hot dog"]),
    ("labels", ["hot dog", ""]),
    ("labels", "hot dog"),
    ("anchors", [[10, 13]] * 2),
    ("anchors", [[10, 13], [10, 13], [10, 13, 16, 30]]),
    ("anchors", [[10, 13, 16]] * 3),
    ("anchors", [[10, -13]] * 3),
    ("anchors", [[]] * 3),
    ("input_size", [320, 250]),
    ("input_size", [320]),
    ("input_size", [320.0, 256.0]),
    ("input_size", [0, 0]),
    ("input_size", [64000, 64000]),
    ("score_threshold", 1.5),
    ("iou_threshold", None),
]


@pytest.mark.parametrize(("field", "value"), WRONG_FIELDS)
def test_a_wrong_field_is_named(version, field, value):
    write_json(version / "config.json", {**YOLOV5_CONFIG, field: value})
    with pytest.raises(ConfigError, match=f"The field {field} in config.json must be "):
        yolov5.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize("field", YOLOV5_CONFIG)
def test_a_missing_field_is_named(version, field):
    config = {name: said for name, said in YOLOV5_CONFIG.items() if name != field}
    write_json(version / "config.json", config)
    with pytest.raises(ConfigError, match=f"lacks the field {field}"):
        yolov5.load(version, engine=TORCH_CPU)


def test_labels_that_the_weights_do_not_know_are_refused(version):
    config = {**YOLOV5_CONFIG, "labels": ["hot dog", "pizza", "donut"]}
    write_json(version / "config.json", config)
    with pytest.raises(LabelsError, match=r"as many labels .* know: 2, not 3"):
        yolov5.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize("change", [{"depth_multiple": 1.0}, {"width_multiple": 0.25}])
def test_weights_of_another_network_are_refused(version, change):
    write_json(version / "config.json", {**YOLOV5_CONFIG, **change})
    with pytest.raises(ArchitectureError, match=r"first model\.\d+"):
        yolov5.load(version, engine=TORCH_CPU)


def test_weights_without_a_head_are_refused(version):
    save_file({"some": torch.zeros(1)}, version / "model.safetensors")
    with pytest.raises(ArchitectureError, match="missing"):
        yolov5.load(version, engine=TORCH_CPU)
