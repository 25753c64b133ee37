"""What the queues of frames are called: `gpu`, and `gpu-large` and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable

DEFAULT_QUEUE = "gpu"
QUEUE_PATTERN = r"^gpu(-[a-z0-9]+)*$"


def frame_queues(names: Iterable[str]) -> list[str]:
    """Those of a worker's queues on which it answers frames."""
    return sorted(name for name in names if re.fullmatch(QUEUE_PATTERN, name))
