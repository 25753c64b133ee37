from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoImageProcessor
from transformers.models.auto import image_processing_auto

from apps.inference.exceptions import ConfigError
from apps.inference.i420 import i420_to_rgb, upright
from apps.inference.predictors.processors import (
    PROCESSOR_OF_MODEL_TYPE,
    PROCESSORS,
)
from apps.inference.predictors.recipe import Recipe
from apps.inference.preprocessing import Featurize
from apps.inference.types import Frame

from .pictures import frame_of, noise
from .versions import RECIPE, write_json

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SQUARE = {"height": 64, "width": 64}

RECIPES: dict[str, dict[str, Any]] = {
    "resnet-50": {
        "feature_extractor_type": "ConvNextFeatureExtractor",
        "crop_pct": 0.875,
        "do_normalize": True,
        "do_resize": True,
        "resample": 3,
        "size": 224,
        **IMAGENET,
    },
    "convnext of 384": {
        "image_processor_type": "ConvNextImageProcessor",
        "size": {"shortest_edge": 384},
    },
    "convnext of today": {**RECIPE, "crop_pct": 0.95},
    "convnext, bilinear": {**RECIPE, "resample": 2},
    "vit": {
        "feature_extractor_type": "ViTFeatureExtractor",
        "size": 64,
        "resample": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_normalize": True,
        "do_resize": True,
    },
    "vit by the fast class": {
        "image_processor_type": "ViTImageProcessorFast",
        "size": {"height": 48, "width": 96},
        "crop_size": None,
        "do_convert_rgb": True,
    },
    "vit with one mean": {
        "image_processor_type": "ViTImageProcessor",
        "image_mean": 0,
        "image_std": 0.5,
    },
    "vit that crops": {
        "image_processor_type": "ViTImageProcessor",
        "size": {"shortest_edge": 70},
        "do_center_crop": True,
        "crop_size": 64,
    },
    "crops more than there is": {
        "image_processor_type": "ViTImageProcessor",
        "size": {"shortest_edge": 51},
        "do_center_crop": True,
        "crop_size": {"height": 64, "width": 61},
    },
    "deit": {"feature_extractor_type": "DeiTFeatureExtractor", "size": 256},
    "deit by its class alone": {"image_processor_type": "DeiTImageProcessor"},
    "beit": {
        "image_processor_type": "BeitImageProcessor",
        "size": 72,
        "do_center_crop": True,
        "crop_size": SQUARE,
        "reduce_labels": False,
    },
    "dinov2": {
        "image_processor_type": "BitImageProcessor",
        "crop_size": SQUARE,
        "size": {"shortest_edge": 73},
        **IMAGENET,
    },
    "clip": {"image_processor_type": "CLIPImageProcessor", "size": 75},
    "siglip": {"image_processor_type": "SiglipImageProcessor", "size": SQUARE},
    "efficientnet": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": SQUARE,
        "resample": 0,
        "image_std": [0.47853944, 0.4732864, 0.47434163],
        "image_mean": [0.485, 0.456, 0.406],
    },
    "efficientnet, offset": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": SQUARE,
        "rescale_offset": True,
        "rescale_factor": 1 / 127.5,
        "include_top": False,
        "do_normalize": False,
    },
    "efficientnet, only its top": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": SQUARE,
        "do_normalize": False,
    },
    "levit": {"image_processor_type": "LevitImageProcessor", "size": 90},
    "levit, stretched": {"image_processor_type": "LevitImageProcessor", "size": SQUARE},
    "mobilenet_v2": {"feature_extractor_type": "MobileNetV2FeatureExtractor"},
    "mobilevit": {
        "image_processor_type": "MobileViTImageProcessor",
        "size": {"shortest_edge": 70},
        "crop_size": SQUARE,
        "do_normalize": True,
        "do_flip_channel_order": True,
    },
    "poolformer": {
        "image_processor_type": "PoolFormerImageProcessor",
        "size": {"shortest_edge": 64},
        "crop_size": SQUARE,
        "crop_pct": 0.9,
    },
    "poolformer, square": {
        "image_processor_type": "PoolFormerImageProcessor",
        "size": SQUARE,
        "crop_size": SQUARE,
    },
    "pvt": {"image_processor_type": "PvtImageProcessor", "size": SQUARE},
    "segformer": {"image_processor_type": "SegformerImageProcessor", "size": 64},
    "textnet": {"image_processor_type": "TextNetImageProcessor", "size": 70},
    "raw levels": {
        "image_processor_type": "ViTImageProcessor",
        "do_rescale": False,
        "image_mean": [120, 110, 100],
        "image_std": [60, 61, 62],
    },
    "lanczos": {"image_processor_type": "ViTImageProcessor", "resample": 1},
    "box": {"image_processor_type": "ViTImageProcessor", "resample": 4},
    "hamming": {"image_processor_type": "ViTImageProcessor", "resample": 5},
    "rt_detr": {
        "image_processor_type": "RTDetrImageProcessor",
        "size": {"height": 96, "width": 96},
        "do_normalize": False,
        "do_pad": False,
        "format": "coco_detection",
        **IMAGENET,
    },
    "rt_detr inside": {
        "image_processor_type": "RTDetrImageProcessor",
        "size": {"max_height": 100, "max_width": 120},
    },
    "yolos": {
        "feature_extractor_type": "YolosFeatureExtractor",
        "format": "coco_detection",
        "max_size": 200,
        "size": 120,
        "do_normalize": True,
        "do_resize": True,
        **IMAGENET,
    },
    "yolos of today": {
        "image_processor_type": "YolosImageProcessor",
        "size": {"shortest_edge": 200, "longest_edge": 250},
        "do_pad": True,
    },
    "detr": {
        "image_processor_type": "DetrImageProcessor",
        "size": {"shortest_edge": 120, "longest_edge": 202},
    },
    "detr by one number": {"image_processor_type": "DetrImageProcessor", "size": 99},
}


def oracle(directory: Path, frame: Frame) -> Tensor:
    """What transformers makes of the upright picture."""
    image = upright(i420_to_rgb(frame), frame.rotation)
    load_processor: Any = AutoImageProcessor.from_pretrained
    features = load_processor(directory, backend="pil")(
        images=image, return_tensors="pt"
    )
    return cast(Tensor, features["pixel_values"])


@pytest.mark.parametrize(
    ("width", "height", "rotation"),
    [(640, 480, 0), (202, 358, 0), (52, 40, 0), (320, 180, 90), (120, 120, 0)],
)
@pytest.mark.parametrize("said", RECIPES.values(), ids=RECIPES)
def test_prepares_pictures_as_transformers_does(
    tmp_path, said, width, height, rotation
):
    write_json(tmp_path / "preprocessor_config.json", said)
    recipe = Recipe.read(said)
    frame = frame_of(noise(width, height), rotation=rotation)
    [(numbers, pictures)] = recipe.batches([frame])
    assert numbers == [0]
    ours = Featurize(recipe.mean, recipe.std)(pictures)
    theirs = oracle(tmp_path, frame)
    assert ours.shape == theirs.shape
    # In levels of eight bits: neither a shifted pixel nor another filter would pass.
    # The rounding of two passes in the other order does, where a filter overshoots.
    levels = (ours - theirs).abs() * torch.tensor(recipe.std).view(3, 1, 1) * 255
    assert levels.mean() < 0.25
    assert levels.max() < 6


@pytest.mark.parametrize("size", [(w, h) for w in (47, 100) for h in (47, 60, 160)])
@pytest.mark.parametrize(
    "edges", [(47, 63), (47, 159), (60, 61), (480, 640), (200, 333)]
)
@pytest.mark.parametrize("processor", ["DetrImageProcessor", "YolosImageProcessor"])
def test_fits_edges_as_transformers_does(tmp_path, processor, edges, size):
    said = {
        "image_processor_type": processor,
        "size": dict(zip(("shortest_edge", "longest_edge"), edges, strict=True)),
    }
    write_json(tmp_path / "preprocessor_config.json", said)
    load_processor: Any = AutoImageProcessor.from_pretrained
    theirs = load_processor(tmp_path, backend="pil")
    resized = theirs.resize(np.zeros((3, size[1], size[0])), theirs.size)
    assert Recipe.read(said).scaling.target(size) == resized.shape[:0:-1]


@pytest.mark.parametrize("name", ["yolos", "rt_detr inside"])
def test_of_a_narrow_picture_something_is_left(name):
    width, height = Recipe.read(RECIPES[name]).scaling.target((2, 2000))
    assert width >= 1
    assert height <= 200


@pytest.mark.parametrize("said", RECIPES.values(), ids=RECIPES)
def test_says_whether_pictures_come_out_at_several_sizes(said):
    recipe = Recipe.read(said)
    frames = [frame_of(noise(*size)) for size in ((160, 80), (80, 160))]
    assert recipe.is_resizable is (len(recipe.batches(frames)) == 2)


def test_frames_of_several_shapes_are_batches_of_their_own():
    recipe = Recipe.read(RECIPES["yolos"])
    frames = [frame_of(noise(*size)) for size in ((64, 48), (48, 64), (128, 96))]
    batches = recipe.batches(frames)
    assert [numbers for numbers, _ in batches] == [[0, 2], [1]]
    for numbers, pictures in batches:
        for number, row in zip(numbers, pictures, strict=True):
            [(_, alone)] = recipe.batches([frames[number]])
            assert torch.equal(row, alone[0])


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_does_by_itself_what_its_class_does(name):
    processor = PROCESSORS[name]
    theirs: Any = image_processing_auto.get_image_processor_class_from_name(
        f"{name}Pil"
    )()
    ours = processor.complete({})
    for field in ours.keys() - {"max_size"}:
        value: Any = getattr(theirs, field, None)
        if hasattr(value, "keys"):
            value = {word: edge for word, edge in dict(value).items() if edge}
        value = list(value) if isinstance(value, tuple) else value
        assert (value or False) == (ours[field] or False), field
    assert processor.is_square == theirs.default_to_square


def test_the_processors_are_those_that_transformers_takes_for_a_network():
    names: Any = image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES  # type: ignore[attr-defined]
    for model_type, name in PROCESSOR_OF_MODEL_TYPE.items():
        assert names[model_type]["pil"] == f"{name}Pil"


def test_a_network_has_a_processor_where_the_file_names_none():
    said = {"size": {"height": 64, "width": 64}}
    assert Recipe.read(said, "vit") == Recipe.read(
        {**said, "image_processor_type": "ViTImageProcessor"}
    )
    with pytest.raises(ConfigError, match="image_processor_type"):
        Recipe.read(said, "bert")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_processor_type", "DonutImageProcessor"),
        ("image_processor_type", 3),
        ("size", 0),
        ("size", -64),
        ("size", True),
        ("size", "large"),
        ("size", 3000),
        ("size", {"height": 64, "width": 64}),
        ("size", {"shortest_edge": "64"}),
        ("size", {"longest_edge": 64}),
        ("size", {}),
        ("resample", 6),
        ("resample", -1),
        ("resample", True),
        ("resample", [3]),
        ("crop_pct", 0),
        ("crop_pct", 1e-6),
        ("image_mean", [0.5]),
        ("image_mean", float("nan")),
        ("image_mean", [0.5, "0.5", 0.5]),
        ("image_std", [0.5, 0.5, 0]),
        ("rescale_factor", 0),
        ("rescale_factor", float("inf")),
        ("do_resize", False),
        ("do_normalize", "yes"),
        ("do_center_crop", True),
        ("do_thumbnail", True),
        ("pad_size", {"height": 640, "width": 640}),
        ("auto_map", {"AutoImageProcessor": "foreign.Processor"}),
    ],
)
def test_a_field_that_cannot_be_followed_is_named(field, value):
    with pytest.raises(ConfigError, match=f"field {field} in preprocessor_config"):
        Recipe.read({**RECIPE, field: value})


@pytest.mark.parametrize(
    "crop_size", [None, 0, {"height": 64}, {"height": 64, "width": 3000}, [64, 64]]
)
def test_a_crop_of_no_size_is_refused(crop_size):
    said = {"do_center_crop": True, "crop_size": crop_size}
    with pytest.raises(ConfigError, match="field crop_size in preprocessor_config"):
        Recipe.read({"image_processor_type": "ViTImageProcessor", **said})


@pytest.mark.parametrize("said", RECIPES.values(), ids=RECIPES)
def test_reads_what_transformers_saves(tmp_path, said):
    write_json(tmp_path / "preprocessor_config.json", said)
    load_processor: Any = AutoImageProcessor.from_pretrained
    load_processor(tmp_path, backend="pil").save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert Recipe.read(saved) == Recipe.read(said)
