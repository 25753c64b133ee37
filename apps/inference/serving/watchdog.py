"""Gets a worker out of a pass that never ends, which nothing else could.

The thread that answers frames is in the midst of it, and a thread can't be ended from
outside: the process begins anew.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable

from apps.inference.serving import first_minute
from apps.inference.serving.company import Company
from apps.inference.serving.host import ModelHost

logger = logging.getLogger(__name__)

LOOKS_EVERY_S = 1.0
# What hangs in its first minute, or as a canary, is taken back before. This is for what
# has answered well so far, and is what the worker would begin anew with.
ANSWERS_STUCK_AFTER_S = 60.0

BeginAnew = Callable[[], None]


def begin_anew() -> None:
    """Put a fresh worker in the place of this one, with the same number.

    So it needs no supervisor: honcho would end all that runs when one process ends.
    """
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class Watchdog:
    """Looks from `start` to `stop`.

    Args:
        host: what may be stuck.
        company: the other workers.
        begin_anew: what is done about it.
    """

    def __init__(
        self, host: ModelHost, company: Company, begin_anew: BeginAnew = begin_anew
    ) -> None:
        self._host = host
        self._company = company
        self._begin_anew = begin_anew
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_looking, name="watchdog", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for nothing, so that a signal may call it."""
        self._stopping.set()

    def look(self) -> None:
        for each in self._host.passes.now():
            answers = self._host.is_answering(each.loaded)
            limit_s = ANSWERS_STUCK_AFTER_S if answers else first_minute.STUCK_AFTER_S
            if each.under_way_s >= limit_s:
                logger.critical(
                    "%s has been at a batch of frames for %.0f s%s: this worker begins"
                    " anew.",
                    each.loaded.name,
                    each.under_way_s,
                    "" if answers else " and answers no more",
                )
                self._company.leave()
                self._begin_anew()

    def _keep_looking(self) -> None:
        while not self._stopping.wait(LOOKS_EVERY_S):
            self.look()
