"""A model version's directory: reading it, and refusing what can't be trusted.

Every refusal is a `WeightsError` whose text is a sentence for the operator. Knows
safetensors and JSON, no model family and no database; nothing here runs code from a
file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from apps.inference.exceptions import (
    ArchitectureError,
    ChecksumError,
    ConfigError,
    CorruptWeightsError,
    MissingFileError,
)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(directory: Path, sha256: str) -> None:
    """Check that the weights are those that were registered.

    Raises:
        MissingFileError, ChecksumError
    """
    if sha256_of(_existing(directory, WEIGHTS_FILE)) != sha256.lower():
        raise ChecksumError(
            f"{WEIGHTS_FILE} has changed since it was registered: its checksum differs."
        )


def read_config(directory: Path, name: str = CONFIG_FILE) -> dict[str, Any]:
    """One of the version's JSON objects, its fields not yet checked.

    Raises:
        MissingFileError, ConfigError
    """
    try:
        config = json.loads(_existing(directory, name).read_bytes())
    except ValueError as error:
        raise ConfigError(f"{name} isn't readable as JSON.") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{name} must hold a JSON object.")
    return config


def load_state_dict(directory: Path) -> dict[str, Tensor]:
    """All tensors of the version, on the CPU.

    Raises:
        MissingFileError, CorruptWeightsError
    """
    path = _existing(directory, WEIGHTS_FILE)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CorruptWeightsError(
            f"{WEIGHTS_FILE} is cut short or isn't a safetensors file."
        ) from error


def fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network its weights: each tensor a place, each place a tensor.

    Raises:
        ArchitectureError
    """
    places = network.state_dict()
    unfit = sorted(
        name
        for name in places.keys() | tensors.keys()
        if name not in places
        or name not in tensors
        or places[name].shape != tensors[name].shape
        or places[name].is_floating_point() != tensors[name].is_floating_point()
    )
    if unfit:
        raise ArchitectureError(
            f"{WEIGHTS_FILE} doesn't fit the architecture that {CONFIG_FILE} describes:"
            f" {len(unfit)} tensors are missing, unknown or of another size, among"
            f" them {unfit[0]}."
        )
    network.load_state_dict(tensors)


def _existing(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.is_file():
        raise MissingFileError(f"The model's folder has no file {name}.")
    return path
