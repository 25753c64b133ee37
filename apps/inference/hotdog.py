"""The one rule of the product: does a prediction say that there is a hot dog?"""

from __future__ import annotations

from apps.inference.types import Prediction

HOT_DOG = "hot dog"

# Boxes are drawn from the model's own threshold on; the verdict asks for more.
VERDICT_SCORE = 0.5


def is_hot_dog(prediction: Prediction) -> bool:
    """A detector must be at least half sure; a classifier must like nothing better."""
    if any(
        names_hot_dog(detection.label) and detection.score >= VERDICT_SCORE
        for detection in prediction.detections
    ):
        return True
    return any(names_hot_dog(best.label) for best in prediction.classifications[:1])


def names_hot_dog(label: str) -> bool:
    # ImageNet lists the names of a thing in one label: "hotdog, hot dog, red hot".
    return HOT_DOG in label.lower().split(", ")
