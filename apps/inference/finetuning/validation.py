"""What a network that is being trained would answer, on pictures that it never sees.

To be looked at only: neither how long is trained nor what is kept depends on it.
"""

from __future__ import annotations

import importlib
import logging
import shutil
from itertools import islice
from pathlib import Path
from typing import Protocol

from django.conf import settings
from torch import nn

from apps.inference.evaluating import evaluations
from apps.inference.evaluating.job import answers
from apps.inference.evaluating.scoring import figures_of
from apps.inference.evaluating.shown import data_of
from apps.inference.exceptions import InferenceError
from apps.inference.models import Dataset, Example
from apps.inference.predictors.families import engines_of, family_of

logger = logging.getLogger(__name__)

# Of a large dataset the first ones tell the way; all are for the evaluation at the end.
MOST_PICTURES = 50
_AT_ONCE = 8


class Writer(Protocol):
    labels: list[str]

    def save(self, network: nn.Module, directory: Path) -> None: ...


class Validation:
    """Shows the held-out pictures of a dataset to what has been learned so far.

    Args:
        lesson: writes a network as a version's files.
        dataset: without held-out pictures there are no figures.
        folder: where these files lie for a moment.
    """

    def __init__(self, lesson: Writer, dataset: Dataset, folder: Path) -> None:
        self._lesson, self._dataset = lesson, dataset
        self._directory = folder / "now"

    def figures(self, network: nn.Module) -> dict[str, float]:
        """Those that everything is compared by; none where they can't be had."""
        held_out = self._dataset.examples.filter(split=Example.Split.HELD_OUT)
        if not held_out.exists():
            return {}
        try:
            return self._figures(network)
        except InferenceError as error:  # which is no reason to lose the training
            logger.warning(
                "How far %s is learned can't be said: %s", self._dataset, error
            )
            return {}
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _figures(self, network: nn.Module) -> dict[str, float]:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lesson.save(network, self._directory)
        family = settings.PREDICTOR_FAMILIES[family_of(self._directory)]
        predictor = importlib.import_module(family).load(
            self._directory, engine=engines_of(self._directory)[0]
        )
        pictures = islice(data_of(self._dataset).pictures, MOST_PICTURES)
        answered = [*answers(predictor, pictures, at_once=_AT_ONCE)]
        return evaluations.headline_of(figures_of(answered, self._lesson.labels))
