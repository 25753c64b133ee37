"""`ModelHost`: the model versions that a worker has loaded, and which one answers.

Whoever answers frames asks here, between two batches, and waits for nobody: a version
takes over by the change of one reference. What is loaded, and what answers, is decided
in `following.py`; this knows no database.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Container
from typing import Any

from apps.inference.exceptions import NoModelError
from apps.inference.serving.loading import LoadedVersion, Stamp
from apps.inference.serving.passes import Passes
from apps.inference.serving.tuning import Tuning
from apps.inference.trials.canary import Canary

logger = logging.getLogger(__name__)

# Web processes hear of another queue within a second, and a frame lives for two.
PARTING_S = 4.0


class ModelHost:
    """One a worker. Deployments go by their names."""

    def __init__(self) -> None:
        self.tuning = Tuning()
        self.passes = Passes()
        # By the deployment; never changed, only replaced.
        self.canaries: dict[str, Canary] = {}
        self._serving: dict[str, LoadedVersion] = {}
        # By the deployment: what answers, what is about to, and what did just before.
        self._loaded: defaultdict[str, dict[Stamp, LoadedVersion]] = defaultdict(dict)
        # Deployments that are answered here, but by their rows shouldn't be.
        self._gone_since: dict[str, float] = {}

    # --- for whoever answers ----------------------------------------------------------

    @property
    def batch_size(self) -> int:
        """How many frames to take at once."""
        serving = list(self._serving.values())
        return max((each.batch_size for each in serving), default=1)

    def describe(self) -> dict[str, dict[str, Any]]:
        """What answers for each deployment."""
        serving = dict(self._serving)
        return {name: loaded.describe() for name, loaded in serving.items()}

    def version_for(self, deployment: str) -> LoadedVersion:
        """The deployment's version of this moment, which answers whole batches.

        Raises:
            NoModelError: none is loaded.
        """
        loaded = self._serving.get(deployment)
        if loaded is None:
            raise NoModelError(f"No model is loaded for deployment {deployment!r}.")
        return loaded

    def is_answering(self, loaded: LoadedVersion) -> bool:
        """Whether it would be given frames just now."""
        canaries = (canary.loaded for canary in self.canaries.values())
        return any(each is loaded for each in (*self._serving.values(), *canaries))

    # --- for whoever decides what answers ---------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether nothing answers here that would wait for a model to be loaded."""
        return not self._serving

    def loaded(self, deployment: str, stamp: Stamp) -> LoadedVersion | None:
        return self._loaded[deployment].get(stamp)

    def keep(self, deployment: str, loaded: LoadedVersion) -> None:
        """Have it ready to answer."""
        self._loaded[deployment][loaded.stamp] = loaded

    def change_over(self, deployment: str, loaded: LoadedVersion) -> None:
        """Have a version answer from the next batch on."""
        loaded.tally.take()
        self._serving[deployment] = loaded
        logger.info("%s %s answers for %s", loaded.name, loaded.version, deployment)

    def answer_share(self, deployment: str, canary: Canary) -> None:
        """Have a canary answer its sessions, from the next batch on."""
        self.canaries = {**self.canaries, deployment: canary}

    def answer_all(self, deployment: str) -> None:
        """Answer the canary's sessions again, too."""
        self.canaries = {
            name: canary for name, canary in self.canaries.items() if name != deployment
        }

    def part_from_others(self, ours: Container[str]) -> None:
        """Forget what has gone to another queue, once no frame of it can come here."""
        now = time.monotonic()
        gone = [name for name in list(self._serving) if name not in ours]
        self._gone_since = {name: self._gone_since.get(name, now) for name in gone}
        for name, since in self._gone_since.items():
            if now - since > PARTING_S:
                del self._serving[name]
                logger.info("%s isn't answered here any more", name)

    def let_go_of_all_but(self, wanted: Container[tuple[str, Stamp]]) -> None:
        """Keep loaded what is wanted, by the deployment, and what answers."""
        for name, loaded in list(self._loaded.items()):
            serving = self._serving.get(name)
            for stamp in list(loaded):
                if (name, stamp) not in wanted and loaded[stamp] is not serving:
                    del loaded[stamp]
