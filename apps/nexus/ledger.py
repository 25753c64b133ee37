"""Every frame of a run is accounted for: received = inferred + dropped + pending.

Pure accounting. A frame is pending from its receipt until its one outcome; a frame that
was given up as lost and is answered soon after counts as inferred.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Literal

# Whose answer may still come; what is older stays lost.
_LOST_AND_REMEMBERED = 64

DropReason = Literal["superseded", "expired", "throttled", "failed", "lost"]


class FrameLedger:
    def __init__(self) -> None:
        self.received = 0
        self.inferred = 0
        self.dropped: Counter[DropReason] = Counter()
        self._pending: set[int] = set()
        self._lost: deque[int] = deque(maxlen=_LOST_AND_REMEMBERED)

    @property
    def pending(self) -> int:
        return len(self._pending)

    def receive(self, seq: int) -> None:
        self.received += 1
        self._pending.add(seq)

    def infer(self, seq: int) -> bool:
        """Book an answer; False when the frame isn't one of this ledger's."""
        if seq in self._lost:
            self._lost.remove(seq)
            self.dropped["lost"] -= 1
        elif seq in self._pending:
            self._pending.discard(seq)
        else:
            return False
        self.inferred += 1
        return True

    def drop(self, seq: int, reason: DropReason) -> bool:
        """Book a drop; False when the frame has its outcome already."""
        if seq not in self._pending:
            return False
        self._pending.discard(seq)
        self.dropped[reason] += 1
        if reason == "lost":
            self._lost.append(seq)
        return True

    def hand_over(self, successor: FrameLedger) -> None:
        """Give the frames that have no outcome yet to another run's ledger."""
        self.received -= len(self._pending)
        successor.received += len(self._pending)
        successor._pending |= self._pending
        self._pending = set()
