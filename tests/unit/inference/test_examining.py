"""What a predictor examines is what it selects its predictions from."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.inference.engines import TORCH_CPU
from apps.inference.predictors import classifier, yolov5
from apps.inference.types import Frame

from .pictures import frame_of, noise
from .versions import FOODS, YOLOV5_CONFIG, write_classifier, write_yolov5


@pytest.fixture
def frames() -> list[Frame]:
    return [frame_of(noise(*size)) for size in ((160, 120), (120, 160))]


def test_a_classifiers_scores_are_those_of_its_labels(
    tmp_path: Path, frames: list[Frame]
):
    predictor = classifier.load(write_classifier(tmp_path), engine=TORCH_CPU)
    predictions, examined = predictor.predict(frames), predictor.examine(frames)
    for prediction, (scores, boxes) in zip(predictions, examined, strict=True):
        assert boxes is None
        assert scores.shape == (1, len(FOODS))
        assert float(scores.sum()) == pytest.approx(1)
        for best in prediction.classifications:
            assert float(scores[0, FOODS.index(best.label)]) == pytest.approx(
                best.score, abs=1e-5
            )


def test_a_detectors_candidates_are_all_that_it_chooses_from(
    tmp_path: Path, frames: list[Frame]
):
    predictor = yolov5.load(write_yolov5(tmp_path), engine=TORCH_CPU)
    labels, (width, height) = YOLOV5_CONFIG["labels"], YOLOV5_CONFIG["input_size"]
    predictions, examined = predictor.predict(frames), predictor.examine(frames)
    for prediction, (scores, boxes) in zip(predictions, examined, strict=True):
        assert boxes is not None
        assert scores.shape == (width * height * 3 * 21 // 1024, len(labels))
        assert boxes.shape == (len(scores), 4)
        assert bool((boxes[:, :2] <= boxes[:, 2:]).all())
        best = max(found.score for found in prediction.detections)
        assert float(scores.max()) == pytest.approx(best, abs=1e-5)
