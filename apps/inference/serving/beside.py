"""Loads a version beside those that answer, so that no live frame waits for it.

Where the network has to be built, a process of its own does so first. What could not be
loaded is remembered with the reason, and not tried again until it is forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from dataclasses import replace

from apps.inference.engines.network import nothing_built
from apps.inference.exceptions import InferenceError, NotKeptError
from apps.inference.models import ModelVersion
from apps.inference.serving import loading
from apps.inference.serving.company import Phase
from apps.inference.serving.loading import LoadedVersion, Stamp

logger = logging.getLogger(__name__)

IsOver = Callable[[], bool]
Rehearse = Callable[[ModelVersion, IsOver], None]
Tell = Callable[[Phase, str], None]


class Loader:
    """Loads versions one after the other.

    Args:
        rehearse: loads a version elsewhere, so that loading it here takes no time;
            returns early once the function says that nobody waits for it.
    """

    def __init__(self, rehearse: Rehearse) -> None:
        self._rehearse = rehearse
        self._refused: dict[Stamp, str] = {}

    def why_refused(self, version: ModelVersion) -> str:
        """Empty if it wasn't."""
        return self._refused.get(version.stamp, "")

    def forget_all_but(self, wanted: Container[Stamp]) -> None:
        self._refused = {
            stamp: why for stamp, why in self._refused.items() if stamp in wanted
        }

    def load(
        self, version: ModelVersion, *, is_alone: bool, is_over: IsOver
    ) -> LoadedVersion | None:
        """None if it is refused, or if it is over before it is loaded.

        Args:
            version: which one.
            is_alone: whether nothing answers here that would wait.
            is_over: whether nobody wants it any more.
        """
        return self._tried(
            version, lambda: self._load(version, is_alone, is_over, _tell_nobody)
        )

    def load_checked(
        self, version: ModelVersion, *, is_alone: bool, is_over: IsOver, tell: Tell
    ) -> LoadedVersion | None:
        """The same, told step by step, and held against its golden answers."""

        def load_and_check() -> LoadedVersion | None:
            loaded = self._load(version, is_alone, is_over, tell)
            if loaded is None or is_over():
                return None
            tell(Phase.CHECKING, "Held against its golden answers.")
            return replace(loaded, check=loading.check(loaded, version))

        return self._tried(version, load_and_check)

    def _tried(
        self, version: ModelVersion, load: Callable[[], LoadedVersion | None]
    ) -> LoadedVersion | None:
        if version.stamp in self._refused:
            return None
        logger.info("Loading %s", version)
        try:
            return load()
        except InferenceError as error:
            self._refuse(version, str(error))
        except Exception:
            logger.exception("%s could not be loaded", version)
            self._refuse(version, "Loading it failed; the worker's log says why.")
        return None

    def _load(
        self, version: ModelVersion, is_alone: bool, is_over: IsOver, tell: Tell
    ) -> LoadedVersion | None:
        def warming() -> None:
            tell(Phase.WARMING, "Warmed up with batches of every size.")

        tell(Phase.LOADING, "Loaded by the worker.")
        if not is_alone and loading.keeps(version):
            try:
                with nothing_built():
                    return loading.load_version(version, warming)
            except NotKeptError:
                tell(
                    Phase.LOADING,
                    "Loaded in a process of its own, beside the one that answers.",
                )
                self._rehearse(version, is_over)
            if is_over():
                return None
            tell(Phase.LOADING, "Loaded by the worker.")
        return loading.load_version(version, warming)

    def _refuse(self, version: ModelVersion, reason: str) -> None:
        logger.error("%s stays out: %s", version, reason)
        # Replaced, for another thread may be forgetting some just now.
        self._refused = {**self._refused, version.stamp: reason}


def _tell_nobody(phase: Phase, step: str) -> None:
    pass
