"""The only place that publishes from a worker to the channel layer.

`inference.result`: one frame's prediction. `inference.dropped`: a frame that will have
none, with a reason of the ledger (`expired`, `failed`) and a sentence.
`inference.disagreement`: a shadow has answered a frame in another way than the session
was told, with its `trial_id` and, as `challenger`, its `inference.result`. All carry
the frame's `seq`; ages and durations are in milliseconds.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from channels.layers import get_channel_layer

from apps.inference.hotdog import AS_USUAL, Thresholds, is_hot_dog
from apps.inference.mailbox import Letter
from apps.inference.types import Prediction


def result_message(
    letter: Letter,
    prediction: Prediction,
    served_by: dict[str, Any],
    held_ms: float,
    thresholds: Thresholds = AS_USUAL,
) -> dict[str, Any]:
    """Build the message of one prediction.

    Args:
        letter: the frame as it was taken.
        prediction: boxes in the frame's upright pixels.
        served_by: what `LoadedVersion.describe` says.
        held_ms: from the taking to now.
        thresholds: the deployment's.
    """
    shown = thresholds.shown(prediction)
    width, height = letter.frame.upright_size
    return {
        "type": "inference.result",
        "seq": letter.frame.seq,
        "frame": {
            "width": width,
            "height": height,
            "rotation": letter.frame.rotation,
        },
        "is_hot_dog": is_hot_dog(shown, thresholds),
        "detections": [
            {
                "label": detection.label,
                "score": detection.score,
                "box": [
                    detection.box.x1,
                    detection.box.y1,
                    detection.box.x2,
                    detection.box.y2,
                ],
            }
            for detection in shown.detections
        ],
        "classifications": [asdict(entry) for entry in shown.classifications],
        "served_by": served_by,
        "timings": {
            "wait_ms": letter.age_ms,
            **asdict(prediction.timings),
            "held_ms": held_ms,
        },
    }


def dropped_message(
    letter: Letter,
    reason: str,
    sentence: str,
    served_by: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """`served_by` says who has failed on it, if anybody has."""
    return {
        "type": "inference.dropped",
        "seq": letter.frame.seq,
        "reason": reason,
        "sentence": sentence,
        "served_by": served_by,
    }


def disagreement_message(trial_id: int, challenger: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "inference.disagreement",
        "seq": challenger["seq"],
        "trial_id": trial_id,
        "challenger": challenger,
    }


def add_publish(pipe: Any, channel: str, message: dict[str, Any]) -> None:
    """Publish to a consumer's own channel as part of a Redis pipeline.

    `layer.send` would open a connection a call from a worker's synchronous code. It
    relies on the pub/sub layer publishing to the channel's bare name.
    """
    layer = get_channel_layer()
    pipe.publish(channel, layer.serialize(message))
