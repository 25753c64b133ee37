"""Real pictures and archives of them, as people bring them."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 64, 48
BOX = [4.0, 6.0, 40.0, 30.0]


def picture(
    seed: int = 0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    form: str = "PNG",
    **options: Any,
) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    written = BytesIO()
    Image.fromarray(noise).resize(size).save(written, form, **options)
    return written.getvalue()


def coco(
    images: list[str], annotations: list[tuple[int, str, list[float]]]
) -> dict[str, Any]:
    """COCO's JSON: annotations are (image number from 1, label, left-top-size box)."""
    labels = list(dict.fromkeys(label for _, label, _ in annotations))
    return {
        "images": [
            {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for number, name in enumerate(images, start=1)
        ],
        "categories": [
            {"id": number, "name": label}
            for number, label in enumerate(labels, start=1)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": labels.index(label) + 1,
                "bbox": box,
                "iscrowd": 0,
            }
            for number, (image, label, box) in enumerate(annotations, start=1)
        ],
    }


def folder(directory: Path, files: dict[str, bytes | dict[str, Any]]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_bytes(content))
    return directory


def zipped(path: Path, files: dict[str, bytes | dict[str, Any]]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, _bytes(content))
    return path


def _bytes(content: bytes | dict[str, Any]) -> bytes:
    return json.dumps(content).encode() if isinstance(content, dict) else content
