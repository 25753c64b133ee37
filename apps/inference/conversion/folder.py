"""A folder of JSON and safetensors, as transformers and this project save a model."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from apps.inference import weights
from apps.inference.exceptions import (
    ConfigError,
    CorruptWeightsError,
    MissingFileError,
)

EXPECTED = f"{weights.CONFIG_NAME} and {weights.WEIGHTS_NAME}"
_INDEX_NAME = f"{weights.WEIGHTS_NAME}.index.json"
_KEPT = (weights.CONFIG_NAME, "preprocessor_config.json")


def convert(folder: Path, directory: Path) -> None:
    """Copy what a version consists of; weights in several files become one.

    Raises:
        MissingFileError, ConfigError, CorruptWeightsError
    """
    weights.read_config(folder)
    for name in _KEPT:
        if (folder / name).exists():
            shutil.copyfile(folder / name, directory / name)
    if (folder / weights.WEIGHTS_NAME).exists():
        shutil.copyfile(folder / weights.WEIGHTS_NAME, directory / weights.WEIGHTS_NAME)
    elif (folder / _INDEX_NAME).exists():
        _join(folder, directory / weights.WEIGHTS_NAME)
    else:
        raise MissingFileError(f"The model's folder has no {weights.WEIGHTS_NAME}.")


def _join(folder: Path, path: Path) -> None:
    places = weights.read_config(folder, _INDEX_NAME).get("weight_map")
    if not isinstance(places, dict):
        raise ConfigError(f"{_INDEX_NAME} doesn't say which file holds which tensor.")
    # Names without folders: nothing outside of this one is read.
    shards = sorted({Path(str(place)).name for place in places.values()})
    tensors = {}
    for shard in shards:
        try:
            with safe_open(folder / shard, framework="pt") as file:
                tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError as error:
            raise MissingFileError(f"The model's folder has no file {shard}.") from error
        except SafetensorError as error:
            raise CorruptWeightsError(
                f"{shard} is cut short or isn't a safetensors file."
            ) from error
    save_file(tensors, path, metadata={"format": "pt"})
