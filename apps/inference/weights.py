"""A model version's directory: reading it, and refusing what can't be trusted.

Every refusal is a `WeightsError` whose text is a sentence for the operator. Knows
safetensors and JSON, no model family and no database. Nothing here runs code from a
file, and torch is imported by whoever asks for tensors only: the web process registers
versions too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from apps.inference.exceptions import (
    ArchitectureError,
    ChecksumError,
    ConfigError,
    CorruptWeightsError,
    LabelsError,
    MissingFileError,
    NotFiniteError,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"  # names the parts of weights in several
CARD_NAME = "card.json"
GOLDEN_NAME = "golden.json"
RECIPE_NAME = "preprocessor_config.json"  # how its pictures are prepared
# An exported network, weights and all, that stands in their place.
EXPORT_NAMES = ("model.torchscript", "model.onnx")


def sha256_of(path: Path) -> str:
    """The file's checksum in hexadecimal digits.

    Raises:
        MissingFileError
    """
    with _existing(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum(directory: Path) -> str:
    """The checksum of a version's weights; of several parts, that of all of theirs.

    For parts it is what `sha256sum PARTS | sha256sum` says, sorted by name.

    Raises:
        MissingFileError, ConfigError
    """
    paths = weight_files(directory)
    if paths[0].name in {WEIGHTS_NAME, *EXPORT_NAMES}:
        return sha256_of(paths[0])
    lines = "".join(f"{sha256_of(path)}  {path.name}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()


def fingerprint(directory: Path) -> str:
    """A digest of the files of a version that decide what it answers.

    Raises:
        MissingFileError
    """
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.stem not in ("card", "golden"):
            digest.update(f"{sha256_of(path)}  {path.name}\n".encode())
    return digest.hexdigest()


def weight_files(directory: Path) -> list[Path]:
    """The safetensors file, or the several that an index names, or the export.

    Raises:
        MissingFileError, ConfigError
    """
    whole = directory / WEIGHTS_NAME
    exports = [directory / name for name in EXPORT_NAMES]
    exports = [path for path in exports if path.is_file()]
    if exports and not whole.is_file():
        return exports[:1]
    if whole.is_file() or not (directory / INDEX_NAME).is_file():
        return [_existing(whole)]
    parts = read_config(directory, INDEX_NAME).get("weight_map")
    if (
        not isinstance(parts, dict)
        or not parts
        or not all(map(_is_part, parts.values()))
    ):
        raise ConfigError(
            f"{INDEX_NAME} must say for each tensor which safetensors file beside it"
            " holds it."
        )
    return [_existing(directory / name) for name in sorted(set(parts.values()))]


def verify(directory: Path, sha256: str) -> None:
    """Check that the weights are those that were registered.

    Raises:
        MissingFileError, ChecksumError
    """
    if checksum(directory) != sha256.lower():
        name = weight_files(directory)[0].name
        raise ChecksumError(
            f"{name} has changed since it was registered: its checksum differs."
        )


def read_config(directory: Path, name: str = CONFIG_NAME) -> dict[str, Any]:
    """One of the version's JSON objects, its fields not yet checked.

    Raises:
        MissingFileError, ConfigError
    """
    try:
        config = json.loads(_existing(directory / name).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} isn't readable as JSON.") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{name} must hold a JSON object.")
    return config


def load_state_dict(directory: Path) -> dict[str, Tensor]:
    """All tensors of the version, on the CPU, each of them finite.

    Raises:
        MissingFileError, CorruptWeightsError, NotFiniteError
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(directory):
        try:
            with safe_open(path, framework="pt") as file:
                names = file.keys()
                tensors |= {name: file.get_tensor(name) for name in names}
        except SafetensorError as error:
            raise CorruptWeightsError(
                f"{path.name} is cut short or isn't a safetensors file."
            ) from error
    refuse_not_finite(tensors)
    return tensors


def refuse_not_finite(tensors: Mapping[str, Tensor]) -> None:
    """A training that went astray leaves weights that answer nothing but NaN.

    Raises:
        NotFiniteError
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.float().isfinite().all():
            raise not_finite(name)


def not_finite(name: str) -> NotFiniteError:
    return NotFiniteError(
        f"The weights hold NaN or infinite numbers, first in {name}: they can't answer"
        " anything."
    )


def fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network its weights: each tensor a place, each place a tensor.

    Raises:
        ArchitectureError
    """
    places = network.state_dict()
    refuse_unfit(
        [
            name
            for name in places.keys() | tensors.keys()
            if name not in places
            or name not in tensors
            or places[name].shape != tensors[name].shape
            or places[name].is_floating_point() != tensors[name].is_floating_point()
        ]
    )
    network.load_state_dict(tensors)


def refuse_unfit(tensor_names: Collection[str]) -> None:
    """Refuse weights if there are tensors that are missing, unknown or misshapen.

    Raises:
        ArchitectureError
    """
    if tensor_names:
        raise ArchitectureError(
            f"{WEIGHTS_NAME} doesn't fit the architecture that {CONFIG_NAME} describes;"
            f" tensors missing, unknown or of another size: {len(tensor_names)}, first"
            f" {min(tensor_names)}."
        )


def refuse_other_labels(*, in_weights: int, in_config: int) -> None:
    """A head of another size is the commonest mistake and deserves its own words.

    Raises:
        LabelsError
    """
    if in_weights != in_config:
        raise LabelsError(
            f"{CONFIG_NAME} must name as many labels as the weights know:"
            f" {in_weights}, not {in_config}."
        )


def _is_part(name: object) -> bool:
    """Whether it is a file beside the index, not somewhere else on the machine."""
    return (
        isinstance(name, str)
        and name.endswith(".safetensors")
        and Path(name).name == name
    )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise MissingFileError(f"The model's folder has no file {path.name}.")
    return path
