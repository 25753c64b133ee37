"""The one rule of the product: does a prediction say that there is a hot dog?

And what of a prediction is shown at all. A deployment may set the scores for both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from apps.inference.types import Prediction

HOT_DOG = "hot dog"

# Boxes are drawn from the model's own threshold on; the verdict asks for more.
VERDICT_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least scores, 0..1; None is what the model, or the rule, has of its own."""

    min_score: float | None = None
    hot_dog_score: float | None = None

    def shown(self, prediction: Prediction) -> Prediction:
        """What of a prediction is shown, and so may be a hot dog."""
        least = self.min_score
        if least is None:
            return prediction
        return replace(
            prediction,
            detections=tuple(
                each for each in prediction.detections if each.score >= least
            ),
            classifications=tuple(
                each for each in prediction.classifications if each.score >= least
            ),
        )


AS_USUAL = Thresholds()


def is_hot_dog(prediction: Prediction, thresholds: Thresholds = AS_USUAL) -> bool:
    """A detector must be at least half sure; a classifier must like nothing better.

    Both must be as sure as the thresholds say, where they say it.
    """
    own = thresholds.hot_dog_score
    detected = VERDICT_SCORE if own is None else own
    if any(
        names_hot_dog(detection.label) and detection.score >= detected
        for detection in prediction.detections
    ):
        return True
    return any(
        names_hot_dog(best.label) and best.score >= (own or 0.0)
        for best in prediction.classifications[:1]
    )


def names_hot_dog(label: str) -> bool:
    # ImageNet lists the names of a thing in one label: "hotdog, hot dog, red hot".
    return HOT_DOG in label.lower().split(", ")
