"""What was fetched becomes a version's own files: the door to one file a format.

What leaves here is JSON and safetensors, of which nothing is executed, or a network as
it was exported. ONNX is a graph and TorchScript a program: only staff can bring them,
who alone may ask for versions at all.
"""

from __future__ import annotations

from pathlib import Path

from apps.inference.conversion import exported, folder, yolov5_checkpoint
from apps.inference.exceptions import ForeignFileError


def convert(path: Path, directory: Path) -> str:
    """Write the files of a version into an empty directory.

    Args:
        path: a folder as transformers saves a model (or one of our own), a checkpoint
            of YOLOv5's, or an exported detector.
        directory: where they go.

    Returns:
        The licence that the file names or its format implies, empty where neither does.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """
    if path.is_dir():
        folder.convert(path, directory)
        return ""
    if path.suffix.lower() in exported.SUFFIXES:
        return exported.convert(path, directory)
    if path.suffix == ".pt":
        yolov5_checkpoint.convert(path, directory)
        return "AGPL-3.0"
    raise ForeignFileError(
        f"Nothing here reads {path.name}: a model is a folder with {folder.EXPECTED},"
        " YOLOv5's own .pt file, or a detector exported as .torchscript or .onnx."
    )
