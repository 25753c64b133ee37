"""Which family a directory's files belong to: which predictor can load them.

Reads `config.json` alone and needs neither torch nor transformers, so that whoever adds
a model can ask. Whether the files are sound, the family's own loading says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.inference import weights
from apps.inference.engines import ENGINES_OF_EXPORTS, ENGINES_OF_MODULES
from apps.inference.exceptions import ConfigError
from apps.inference.predictors.processors import PROCESSOR_OF_MODEL_TYPE

CLASSIFIER = "classifier"
EXPORTED = "exported"
TRANSFORMERS_DETECTOR = "transformers-detector"
YOLOV5 = "yolov5"

# How the names of transformers' classes end.
_BY_HEAD = {
    "ForImageClassification": CLASSIFIER,
    "ForImageClassificationWithTeacher": CLASSIFIER,
    "ForObjectDetection": TRANSFORMERS_DETECTOR,
}

# By `model_type`; no other networks that detect objects are loaded here.
DETECTOR_TYPES = frozenset(
    {
        "conditional_detr",
        "d_fine",
        "deformable_detr",
        "deimv2",
        "detr",
        "lw_detr",
        "rt_detr",
        "rt_detr_v2",
        "table-transformer",
        "yolos",
    }
)


def family_of(directory: Path) -> str:
    """The family's name in the settings.

    Raises:
        MissingFileError, ConfigError: with a sentence on what it is instead.
    """
    config = weights.read_config(directory)
    for family in (YOLOV5, EXPORTED):
        if config.get("family") == family:
            return family
    architecture = _architecture(config)
    if architecture is not None:
        return _of_architecture(architecture)
    return _of_model_type(config)


def engines_of(directory: Path) -> tuple[str, ...]:
    """The engines that could run what lies there, the reference first.

    Raises:
        MissingFileError, ConfigError
    """
    path = weights.weight_files(directory)[0]
    return ENGINES_OF_EXPORTS.get(path.suffix, ENGINES_OF_MODULES)


def _architecture(config: Mapping[str, Any]) -> str | None:
    architectures = config.get("architectures")
    if isinstance(architectures, list) and architectures:
        return str(architectures[0])
    return None


def _of_architecture(architecture: str) -> str:
    for head, family in _BY_HEAD.items():
        if architecture.endswith(head):
            return family
    raise ConfigError(
        f"{architecture}, which the field architectures in {weights.CONFIG_NAME} names,"
        " neither classifies pictures nor detects objects in them."
    )


def _of_model_type(config: Mapping[str, Any]) -> str:
    """What a type of network is for, if it has one purpose that is known here."""
    model_type = str(config.get("model_type"))
    if model_type in DETECTOR_TYPES:
        return TRANSFORMERS_DETECTOR
    if model_type in PROCESSOR_OF_MODEL_TYPE:
        return CLASSIFIER
    if "pretrained_cfg" in config:
        raise ConfigError(
            f"{weights.CONFIG_NAME} is one of the package timm, which isn't used here:"
            " take the same network as transformers saves it."
        )
    raise ConfigError(
        f"{weights.CONFIG_NAME} doesn't say what its network is for: the field"
        " architectures must name a class of transformers."
    )
