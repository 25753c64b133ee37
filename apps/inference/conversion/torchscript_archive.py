"""What a TorchScript file says of itself, read as the archive it is; nothing is run."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

from apps.inference.exceptions import (
    ArchitectureError,
    CorruptWeightsError,
    ForeignFileError,
    UntrustedPickleError,
)

_METADATA = "extra/config.txt"
_LARGEST_METADATA = 1_000_000  # bytes; a thousand labels take 30 kB
_LARGEST_PROGRAM = 50_000_000  # bytes; a large network's takes one
_FOR_A_GPU = b'torch.device("cuda'
# What a program may call to write to the disk, or to read other files of it.
_REACHING_OUT = re.compile(rb"\b(?:torch|ops\.aten)\.(save|from_file)\(")


def read_metadata(path: Path) -> dict[str, Any]:
    """The fields of config.txt, of which there are none where it isn't there.

    Raises:
        WeightsError: it isn't TorchScript, or it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _metadata(archive, path.name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CorruptWeightsError(
            f"{path.name} is cut short, damaged or no TorchScript file."
        ) from error


def _metadata(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    # All lie in one folder, whose name is that of the file when it was saved.
    members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    programs = [
        inside
        for inside in members
        if inside.startswith("code/") and inside.endswith(".py")
    ]
    if not programs or "constants.pkl" not in members:
        raise ForeignFileError(
            f"{name} is an archive of something else, not a network that was exported"
            " as TorchScript."
        )
    if sum(members[inside].file_size for inside in programs) > _LARGEST_PROGRAM:
        raise ForeignFileError(f"{name} holds a program longer than any network's.")
    for inside in programs:
        program = archive.read(members[inside])
        if found := _REACHING_OUT.search(program):
            raise UntrustedPickleError(
                f"{name} holds a program that reaches for files of this machine, by"
                f" {found[1].decode()}."
            )
        if _FOR_A_GPU in program:
            raise ArchitectureError(
                f"{name} was exported on a GPU and runs nowhere else: export it again"
                " with --device cpu, and it runs on both."
            )
    written = members.get(_METADATA)
    if written is None or written.file_size > _LARGEST_METADATA:
        return {}
    try:
        said = json.loads(archive.read(written))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
