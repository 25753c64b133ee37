"""Loads a version as a worker needs it: trusted, on its engine, warmed up, checked.

Knows settings, weights and predictors; not which version is wanted, nor by whom.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.conf import settings

from apps.inference import presence, weights
from apps.inference.engines import AUTO, KEEPING, TENSORRT, TORCH_CUDA
from apps.inference.engines.choice import available_engines, likely_engine
from apps.inference.exceptions import EngineError, InferenceError
from apps.inference.models import ModelVersion
from apps.inference.preprocessing import grey_frame
from apps.inference.serving import golden
from apps.inference.serving.golden import Examined
from apps.inference.tally import Tally
from apps.inference.types import Predictor

logger = logging.getLogger(__name__)

# A small CPU gains nothing from a batch and only waits longer for it; a GPU does.
BATCH_SIZES = {TORCH_CUDA: 8, TENSORRT: 8}
WORKER_NAME = presence.shown(presence.THIS_WORKER)
Stamp = tuple[int, datetime | None]


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A predictor with the identity of the version it was loaded from.

    `check` is what holding it against its golden answers has found out, if that was
    done, and `tally` counts what becomes of its frames, in the words of `first_minute`.
    """

    version_id: int
    stamp: Stamp
    name: str
    version: str
    family: str
    predictor: Predictor
    batch_size: int
    check: dict[str, Any] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def describe(self) -> dict[str, Any]:
        return {
            "version_id": self.version_id,
            "name": self.name,
            "version": self.version,
            "family": self.family,
            "engine": self.predictor.engine,
            "worker": WORKER_NAME,
        }


def load_version(
    version: ModelVersion, warming: Callable[[], None] = lambda: None
) -> LoadedVersion:
    """Check a version's weights, load and warm them up.

    Args:
        version: which one.
        warming: called when it is loaded and yet to be warmed up.

    Raises:
        InferenceError: with a sentence for the operator.
    """
    family = version.model.family
    predictor = _load(version, family)
    warming()
    # Engines prepare themselves for each batch size, at most for each power of two.
    batch_size = count = batch_size_for(version, predictor.engine)
    while count:
        predictor.predict([grey_frame(640, 480)] * count)
        count //= 2
    return LoadedVersion(
        version_id=version.pk,
        stamp=version.stamp,
        name=version.model.name,
        version=version.version,
        family=family,
        predictor=predictor,
        batch_size=batch_size,
    )


def check(loaded: LoadedVersion, version: ModelVersion) -> dict[str, Any]:
    """Hold what it answers here against what it answered when it was verified.

    Returns:
        What was found out. Of what was verified before golden answers were kept, it is
        only found out that it answers.

    Raises:
        VerificationError: it answers otherwise, and how.
    """
    figures: dict[str, Any] = {"engine": loaded.predictor.engine}
    if version.golden:
        examined = cast(Examined, loaded.predictor)
        return figures | golden.check(examined, version.golden)
    for frame in golden.golden_frames():
        loaded.predictor.predict([frame])
    return figures | {"pictures": golden.PICTURES, "compared": "none: verify it anew"}


def _load(version: ModelVersion, family: str) -> Predictor:
    if family not in settings.PREDICTOR_FAMILIES:
        raise InferenceError(f"No predictor knows the model family {family!r}.")
    weights.verify(version.path, version.sha256)
    module = importlib.import_module(settings.PREDICTOR_FAMILIES[family])
    engine = _engine_for(version)
    try:
        return cast(Predictor, module.load(version.path, engine=engine))
    except EngineError as error:
        if engine is None or settings.ENGINE != AUTO:
            raise
        logger.warning("Another engine is taken for %s: %s", version, error)
        return cast(Predictor, module.load(version.path, engine=None))


def keeps(version: ModelVersion) -> bool:
    """Whether loading it once makes loading it again quick."""
    return (_engine_for(version) or likely_engine()) in KEEPING


def batch_size_for(version: ModelVersion, engine: str) -> int:
    """What the settings say, else what the verification has chosen for this engine.

    Where nobody has measured, a batch is as large as is usual for the engine.
    """
    if settings.BATCH_SIZE:
        return int(settings.BATCH_SIZE)
    if version.batch_size and engine == version.engine:
        return version.batch_size
    measured = version.measured_on(engine).get("batch_size")
    return measured or BATCH_SIZES.get(engine, 1)


def _engine_for(version: ModelVersion) -> str | None:
    """What the settings say, else what the version's verification has found fastest.

    It may have been verified on a machine with more engines than this one.

    Raises:
        EngineError: the settings ask for an engine that verification refused.
    """
    if settings.ENGINE != AUTO:
        if reason := version.measured_on(settings.ENGINE).get("reason"):
            raise EngineError(
                f"EMPORIUM_ENGINE asks for {settings.ENGINE}, which was refused when"
                f" this version was verified: {reason}"
            )
        return str(settings.ENGINE)
    if version.engine in available_engines():
        return version.engine
    if version.engine:
        logger.warning("%s can't run here; %s takes another", version.engine, version)
    return None
