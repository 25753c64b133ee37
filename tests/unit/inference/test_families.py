from __future__ import annotations

import subprocess
import sys

import pytest

from apps.inference.exceptions import ConfigError, MissingFileError
from apps.inference.predictors.families import family_of
from emporium.settings import PREDICTOR_FAMILIES

from .versions import YOLOV5_CONFIG, write_classifier, write_json, write_yolov5


@pytest.mark.parametrize(
    ("config", "family"),
    [
        (YOLOV5_CONFIG, "yolov5"),
        ({"family": "exported"}, "exported"),
        ({"architectures": ["ResNetForImageClassification"]}, "classifier"),
        ({"architectures": ["DeiTForImageClassificationWithTeacher"]}, "classifier"),
        ({"architectures": ["YolosForObjectDetection"]}, "transformers-detector"),
        ({"architectures": None, "model_type": "rt_detr"}, "transformers-detector"),
        ({"model_type": "d_fine"}, "transformers-detector"),
        ({"architectures": [], "model_type": "convnext"}, "classifier"),
    ],
)
def test_a_configuration_tells_its_family(tmp_path, config, family):
    write_json(tmp_path / "config.json", config)
    assert family_of(tmp_path) == family
    assert family in PREDICTOR_FAMILIES


def test_what_is_written_here_is_recognised(tmp_path):
    for write, family in ((write_yolov5, "yolov5"), (write_classifier, "classifier")):
        directory = tmp_path / family
        directory.mkdir()
        assert family_of(write(directory)) == family


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (
            {
                "architectures": ["SegformerForSemanticSegmentation"],
                "model_type": "segformer",
            },
            "SegformerForSemanticSegmentation, .*, neither classifies pictures nor",
        ),
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM, .* neither"),
        ({"architectures": ["ViTModel"], "model_type": "vit"}, "ViTModel, .* neither"),
        ({"architecture": "resnet50", "pretrained_cfg": {}}, "one of the package timm"),
        ({"model_type": "bert"}, "doesn't say what its network is for"),
        ({"family": "yolov9"}, "doesn't say what its network is for"),
        ({"model_type": ["vit"]}, "doesn't say what its network is for"),
        ({}, "doesn't say what its network is for"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path, config, why):
    write_json(tmp_path / "config.json", config)
    with pytest.raises(ConfigError, match=why):
        family_of(tmp_path)


def test_a_directory_of_no_model_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"no file config\.json"):
        family_of(tmp_path)


def test_asking_needs_no_torch():
    code = (
        "import sys, apps.inference.predictors.families;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
