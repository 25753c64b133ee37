"""`Tuning`: what each deployment asks of its answers, as its row said a second ago.

Read by a thread of its own: `Follower` may be loading a model for minutes.
"""

from __future__ import annotations

import logging
import threading

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from apps.inference.hotdog import AS_USUAL, Thresholds
from apps.inference.models import Deployment

logger = logging.getLogger(__name__)

READ_INTERVAL_S = 1.0


class Tuning:
    """One a worker. Until it has been read, all is as the settings and models say."""

    def __init__(self) -> None:
        self._thresholds: dict[str, Thresholds] = {}
        self._age_budgets_ms: dict[str, int | None] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_reading, name="tuning", daemon=True
        )

    def start(self) -> None:
        self.read()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def thresholds(self, deployment: str) -> Thresholds:
        return self._thresholds.get(deployment, AS_USUAL)

    def age_budget_ms(self, deployment: str) -> int:
        """How old a frame may be when it is taken."""
        return self._age_budgets_ms.get(deployment) or settings.AGE_BUDGET_MS

    def read(self) -> None:
        """Read the rows; what can't be read stays as it was."""
        try:
            deployments = list(
                Deployment.objects.only(
                    "name", "min_score", "hot_dog_score", "age_budget_ms"
                )
            )
        except DatabaseError as error:
            logger.warning("The deployments' thresholds could not be read: %s", error)
            return
        self._thresholds = {
            each.name: Thresholds(each.min_score, each.hot_dog_score)
            for each in deployments
        }
        self._age_budgets_ms = {each.name: each.age_budget_ms for each in deployments}

    def _keep_reading(self) -> None:
        while not self._stopping.wait(READ_INTERVAL_S):
            close_old_connections()
            self.read()
        connection.close()
