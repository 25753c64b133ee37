"""A folder of JSON and safetensors, as transformers and this project save a model."""

from __future__ import annotations

import shutil
from pathlib import Path

from apps.inference import weights
from apps.inference.predictors.recipe import RECIPE_NAME

EXPECTED = f"{weights.CONFIG_NAME} and {weights.WEIGHTS_NAME}"

_KEPT = (weights.CONFIG_NAME, weights.INDEX_NAME, weights.CARD_NAME, RECIPE_NAME)


def convert(folder: Path, directory: Path) -> None:
    """Copy what a version consists of, and nothing else that lies there.

    Raises:
        MissingFileError, ConfigError
    """
    weights.read_config(folder)
    for path in weights.weight_files(folder):
        shutil.copyfile(path, directory / path.name)
    for name in _KEPT:
        if (folder / name).exists():
            shutil.copyfile(folder / name, directory / name)
