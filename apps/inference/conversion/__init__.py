"""What was fetched becomes a version's own files: the door to one file a format.

Everything that leaves here is JSON and safetensors; nothing foreign is executed.
"""

from __future__ import annotations

from pathlib import Path

from apps.inference.conversion import folder, yolov5_checkpoint
from apps.inference.exceptions import ForeignFileError


def convert(path: Path, directory: Path) -> str:
    """Write the files of a version into an empty directory.

    Args:
        path: a folder as transformers saves a model (or one of our own), or a file of
            YOLOv5's.
        directory: where they go.

    Returns:
        The licence that the format implies, empty where it implies none.

    Raises:
        WeightsError: with a sentence for the operator.
    """
    if path.is_dir():
        folder.convert(path, directory)
        return ""
    if path.suffix == ".pt":
        yolov5_checkpoint.convert(path, directory)
        return "AGPL-3.0"
    raise ForeignFileError(
        f"Nothing here reads {path.name}: a model is a folder with {folder.EXPECTED},"
        " or YOLOv5's own .pt file."
    )
