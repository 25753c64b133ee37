"""Answers of workers, as short as tests want to write them."""

from __future__ import annotations

from typing import Any

Box = tuple[float, float, float, float]


def answer(
    *found: tuple[str, Box],
    top: str = "",
    family: str = "",
    hot_dog: bool = False,
    age_ms: float = 20.0,
    version_id: int = 1,
) -> dict[str, Any]:
    """An `inference.result`: what was found where, or a classifier's best label."""
    return {
        "type": "inference.result",
        "seq": 1,
        "is_hot_dog": hot_dog,
        "detections": [
            {"label": label, "score": 0.9, "box": list(box)} for label, box in found
        ],
        "classifications": [{"label": top, "score": 0.9}] if top else [],
        "served_by": {
            "version_id": version_id,
            "family": family or ("classifier" if top else "yolov5"),
        },
        "timings": {
            "wait_ms": age_ms / 2,
            "featurize_ms": 1.0,
            "forward_ms": 7.0,
            "decode_ms": 2.0,
            "held_ms": age_ms / 2,
        },
    }
