from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForObjectDetection
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES,
)
from transformers.models.yolos.modeling_yolos import YolosObjectDetectionOutput

from apps.inference import weights
from apps.inference.engines import OPENVINO_F32, TORCH_CPU
from apps.inference.engines.torch import TorchEngine
from apps.inference.exceptions import ConfigError, LabelsError
from apps.inference.i420 import i420_to_rgb, upright
from apps.inference.predictors import transformers_detector
from apps.inference.predictors.families import DETECTOR_TYPES
from apps.inference.predictors.pretrained import Pretrained
from apps.inference.predictors.processors import PROCESSOR_OF_MODEL_TYPE
from apps.inference.predictors.queries import Decoding
from apps.inference.predictors.recipe import Recipe
from apps.inference.predictors.transformers_detector import (
    DECODINGS,
    DetectorPredictor,
)
from apps.inference.types import Detection, Frame

from .networks import engine_of
from .pictures import frame_of, noise
from .transformers_versions import DETECTORS, write_transformers_detector
from .versions import FOODS, write_json

STRETCHED = {
    "image_processor_type": "RTDetrImageProcessor",
    "size": {"height": 64, "width": 64},
}
FITTED = {"size": {"shortest_edge": 64, "longest_edge": 100}}
SCORE_THRESHOLD = 0.12  # nothing random is sure of itself


def recipe_of(model_type: str) -> dict[str, Any]:
    name = PROCESSOR_OF_MODEL_TYPE.get(model_type, "RTDetrImageProcessor")
    if name == "RTDetrImageProcessor" or model_type == "lw_detr":
        return {**STRETCHED, "image_processor_type": name}
    return {**FITTED, "image_processor_type": name}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("detector")
    write_transformers_detector(directory, "rt_detr", STRETCHED)
    change_config(directory, score_threshold=SCORE_THRESHOLD)
    return directory


@pytest.fixture
def version(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "version")


def change_config(version: Path, **changes: object) -> None:
    write_json(version / "config.json", {**weights.read_config(version), **changes})


def processor_of(directory: Path) -> Any:
    load_processor: Any = AutoImageProcessor.from_pretrained
    return load_processor(directory, backend="pil")


def oracle(directory: Path, frame: Frame) -> list[tuple[str, float, list[float]]]:
    """What transformers finds in the upright picture, best first."""
    image = upright(i420_to_rgb(frame), frame.rotation)
    processor = processor_of(directory)
    network = AutoModelForObjectDetection.from_pretrained(directory).eval()
    with torch.inference_mode():
        features = processor(images=image, return_tensors="pt")
        [found] = processor.post_process_object_detection(
            network(features["pixel_values"]),
            threshold=SCORE_THRESHOLD,
            target_sizes=[image.shape[:2]],
        )
    width, height = frame.upright_size
    limit = torch.tensor([width, height] * 2)
    boxes = found["boxes"].clamp(torch.zeros(4), limit)
    return sorted(
        (
            (FOODS[label], score.item(), box.tolist())
            for label, score, box in zip(
                found["labels"], found["scores"], boxes, strict=True
            )
            if (box[2:] > box[:2]).all()
        ),
        key=lambda one: -one[1],
    )


@pytest.mark.parametrize("model_type", DETECTORS)
def test_finds_what_transformers_finds(tmp_path, model_type):
    write_transformers_detector(tmp_path, model_type, recipe_of(model_type))
    change_config(tmp_path, score_threshold=SCORE_THRESHOLD)
    predictor = transformers_detector.load(tmp_path, engine=TORCH_CPU)
    frames = [frame_of(noise(*size), rotation=90) for size in ((320, 240), (180, 320))]
    for frame, prediction in zip(frames, predictor.predict(frames), strict=True):
        assert prediction.classifications == ()
        compare(prediction.detections, oracle(tmp_path, frame))


def compare(
    found: Sequence[Detection], expected: Sequence[tuple[str, float, list[float]]]
) -> None:
    assert len(expected) > 3  # or there is nothing to compare
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert scores == pytest.approx([score for _, score, _ in expected], abs=0.02)
    # Of two that score the same, either may be first.
    for label, score, box in expected:
        assert any(
            one.label == label
            and abs(one.score - score) < 0.02
            and math.dist(corners(one), box) < 4
            for one in found
        )


def corners(found: Detection) -> tuple[float, float, float, float]:
    return found.box.x1, found.box.y1, found.box.x2, found.box.y2


class Given(nn.Module):
    """Stands in for a network: answers with one given tensor."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.register_buffer("answer", answer)

    def forward(self, features: Tensor) -> Any:
        return self.answer


# Processors that decode for networks which have none of their own in transformers.
ORACLES = {
    "d_fine": "RTDetrImageProcessor",
    "rt_detr_v2": "RTDetrImageProcessor",
}


@pytest.mark.parametrize("queries", [7, 150])
@pytest.mark.parametrize("model_type", DECODINGS)
def test_decodes_as_the_processor_of_each_network_does(tmp_path, model_type, queries):
    torch.manual_seed(3)
    decoding = DECODINGS[model_type]
    outputs = len(FOODS) + decoding.has_no_object
    boxes, logits = torch.rand(2, queries, 4), torch.randn(2, queries, outputs) * 3
    name = ORACLES.get(model_type) or PROCESSOR_OF_MODEL_TYPE[model_type]
    write_json(tmp_path / "preprocessor_config.json", {"image_processor_type": name})
    theirs = processor_of(tmp_path).post_process_object_detection(
        YolosObjectDetectionOutput(logits=logits, pred_boxes=boxes), threshold=0.4
    )
    ours = decoding.select(torch.cat((boxes, logits), dim=-1), 0.4)
    for kept, found in zip(ours, theirs, strict=True):
        order = found["scores"].argsort(descending=True, stable=True)
        assert torch.equal(kept.labels, found["labels"][order])
        torch.testing.assert_close(kept.scores, found["scores"][order])
        torch.testing.assert_close(kept.boxes, found["boxes"][order])


def test_numbers_that_are_none_are_no_detections():
    answer = torch.full((1, 3, 4 + 2), torch.nan)
    for decoding in (Decoding(), Decoding(has_no_object=True)):
        [kept] = decoding.select(answer, 0.5)
        assert len(kept.scores) == 0


def test_an_answer_in_half_precision_is_decoded_in_single():
    answer = torch.tensor([[[0.7501, 0.5, 0.3, 0.2, 3.0, -3.0]]])
    [exact] = Decoding().select(answer, 0.5)
    [rounded] = Decoding().select(answer.half(), 0.5)
    assert rounded.boxes.dtype == torch.float32
    torch.testing.assert_close(rounded.boxes, exact.boxes, atol=1 / 2000, rtol=0)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_boxes_are_those_of_the_upright_frame_clipped_to_it(rotation):
    certain, never = 20.0, -20.0
    answer = torch.tensor(
        [
            [
                [0.5, 0.25, 0.5, 0.5, certain, never],
                [1.0, 1.0, 0.5, 0.5, never, certain - 10],
                [2.0, 0.5, 0.5, 0.5, never, certain],  # beside the picture
                [0.5, 0.5, 0.1, 0.1, never, never],
            ]
        ]
    )
    recipe = Recipe.read(STRETCHED)
    predictor = DetectorPredictor(
        engine_of(Given(answer), recipe),
        Pretrained(Path(), ["hot dog", "pizza"], recipe, "rt_detr", None),  # type: ignore[arg-type]
    )
    [prediction] = predictor.predict([frame_of(noise(200, 100), rotation=rotation)])
    assert [
        (found.label, found.box.x1, found.box.y1, found.box.x2, found.box.y2)
        for found in prediction.detections
    ] == [("hot dog", 50, 0, 150, 50), ("pizza", 150, 75, 200, 100)]
    assert predictor.predict([]) == []


@pytest.mark.parametrize("model_type", ["rt_detr", "yolos"])
def test_a_batch_is_its_frames_one_by_one_whatever_their_shapes(tmp_path, model_type):
    write_transformers_detector(tmp_path, model_type, recipe_of(model_type))
    change_config(tmp_path, score_threshold=SCORE_THRESHOLD)
    predictor = transformers_detector.load(tmp_path, engine=TORCH_CPU)
    assert predictor.engine == "torch-cpu"
    frames = [
        frame_of(noise(*size, seed), rotation=90 * seed)
        for seed, size in enumerate([(160, 120), (160, 120), (90, 160)])
    ]
    predictions = predictor.predict(frames)
    assert len({prediction.timings for prediction in predictions}) == 1
    for frame, prediction in zip(frames, predictions, strict=True):
        [single] = predictor.predict([frame])
        assert len(single.detections) > 2
        for one, other in zip(prediction.detections, single.detections, strict=True):
            assert one.label == other.label
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.box.x1 == pytest.approx(other.box.x1, abs=0.1)


def test_the_threshold_is_a_half_unless_the_configuration_says_another(version):
    frame = frame_of(noise(320, 240))
    [before] = transformers_detector.load(version, engine=TORCH_CPU).predict([frame])
    config = weights.read_config(version)
    del config["score_threshold"]
    write_json(version / "config.json", config)
    [after] = transformers_detector.load(version, engine=TORCH_CPU).predict([frame])
    assert after.detections == tuple(
        found for found in before.detections if found.score > 0.5
    )
    assert len(after.detections) < len(before.detections)


@pytest.mark.parametrize("value", [0, 1.5, "high", None])
def test_a_wrong_threshold_is_named(version, value):
    change_config(version, score_threshold=value)
    with pytest.raises(ConfigError, match=r"field score_threshold in config\.json"):
        transformers_detector.load(version, engine=TORCH_CPU)


def test_a_classifier_is_no_detector(version):
    change_config(version, model_type="vit")
    with pytest.raises(ConfigError, match="detects objects: conditional_detr, d_fine"):
        transformers_detector.load(version, engine=TORCH_CPU)


@pytest.mark.parametrize("model_type", ["rt_detr", "yolos"])
def test_labels_that_the_weights_do_not_know_are_refused(tmp_path, model_type):
    write_transformers_detector(tmp_path, model_type, recipe_of(model_type))
    change_config(tmp_path, id2label={"0": "hot dog", "1": "pizza"})
    with pytest.raises(LabelsError, match=r"as many labels .* know: 6, not 2"):
        transformers_detector.load(tmp_path, engine=TORCH_CPU)


def test_the_types_are_known_to_transformers_and_to_the_families():
    assert set(DECODINGS) == DETECTOR_TYPES
    assert set(DECODINGS) == set(DETECTORS)
    assert set(DECODINGS) <= set(MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES)


@pytest.mark.parametrize("model_type", ["rt_detr", "yolos"])
def test_can_be_traced_for_other_engines(tmp_path, model_type):
    write_transformers_detector(tmp_path, model_type, recipe_of(model_type))
    predictor = transformers_detector.load(tmp_path, engine=TORCH_CPU)
    [(_, pictures)] = predictor._recipe.batches([frame_of(noise(160, 120))])
    engine = predictor._network._engine
    assert isinstance(engine, TorchEngine)
    network = engine._module
    program = torch.export.export(network, (pictures,))
    torch.testing.assert_close(program.module()(pictures), network(pictures))


# What torch traces of it keeps the shape of the first picture; verification sees it.
@pytest.mark.parametrize("model_type", sorted(DETECTORS.keys() - {"deformable_detr"}))
def test_openvino_answers_pictures_of_every_shape_as_torch_does(tmp_path, model_type):
    write_transformers_detector(tmp_path, model_type, recipe_of(model_type))
    frames = [frame_of(noise(*size)) for size in ((160, 120), (120, 160), (240, 120))]
    reference, other = (
        transformers_detector.load(tmp_path, engine=engine).examine(frames)
        for engine in (TORCH_CPU, OPENVINO_F32)
    )
    assert len(reference) == len(frames)
    for mine, theirs in zip(reference, other, strict=True):
        torch.testing.assert_close(mine.scores, theirs.scores, atol=1e-3, rtol=0)
        torch.testing.assert_close(mine.boxes, theirs.boxes, atol=0.1, rtol=0)


def test_each_frame_gets_its_own_answer_whatever_shapes_its_neighbours_have(tmp_path):
    write_transformers_detector(tmp_path, "yolos", recipe_of("yolos"))
    predictor = transformers_detector.load(tmp_path, engine=TORCH_CPU)
    frames = [
        frame_of(noise(160, 120)),
        frame_of(noise(120, 160)),
        frame_of(noise(160, 120), rotation=180),
    ]
    together = predictor.examine(frames)
    for frame, among in zip(frames, together, strict=True):
        [alone] = predictor.examine([frame])
        torch.testing.assert_close(among.scores, alone.scores, atol=1e-4, rtol=0)
    assert not torch.allclose(together[0].scores, together[2].scores, atol=1e-3)
    assert not torch.allclose(together[1].scores, together[2].scores, atol=1e-3)
