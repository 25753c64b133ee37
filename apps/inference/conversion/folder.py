"""A folder of JSON and safetensors, as transformers and this project save a model."""

from __future__ import annotations

import shutil
from pathlib import Path

from apps.inference import weights
from apps.inference.exceptions import ForeignFileError
from apps.inference.predictors.recipe import RECIPE_NAME

_ALONE = (".pt", ".torchscript", ".onnx")  # a model each, without a folder
EXPECTED = f"{weights.CONFIG_NAME} and {weights.WEIGHTS_NAME}"

_KEPT = (weights.CONFIG_NAME, weights.INDEX_NAME, weights.CARD_NAME, RECIPE_NAME)


def convert(folder: Path, directory: Path) -> None:
    """Copy what a version consists of, and nothing else that lies there.

    Raises:
        ForeignFileError, MissingFileError, ConfigError
    """
    _refuse_several(folder)
    weights.read_config(folder)
    for path in weights.weight_files(folder):
        shutil.copyfile(path, directory / path.name)
    for name in _KEPT:
        if (folder / name).exists():
            shutil.copyfile(folder / name, directory / name)


def _refuse_several(folder: Path) -> None:
    """A folder of files that are models of their own doesn't say which is meant."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix in _ALONE)
    if names and not (folder / weights.CONFIG_NAME).exists():
        raise ForeignFileError(
            f"The folder has no {weights.CONFIG_NAME} but {', '.join(names[:5])}: give"
            " the path of the one that is meant."
        )
