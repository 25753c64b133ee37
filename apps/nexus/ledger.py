"""Every frame of a run is accounted for: received = inferred + dropped + pending.

Pure accounting. A frame is pending from its receipt until its one outcome; a frame that
was given up and is answered soon after counts as inferred.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

# Frames whose answer may still come; what was given up before stays so.
_REMEMBERED = 64

DropReason = Literal["superseded", "expired", "throttled", "failed", "lost"]


class FrameLedger:
    def __init__(self) -> None:
        self.received = 0
        self.inferred = 0
        self.dropped: Counter[DropReason] = Counter()
        self._pending: set[int] = set()
        self._given_up: dict[int, DropReason] = {}

    @property
    def pending(self) -> int:
        return len(self._pending)

    def knows(self, seq: int) -> bool:
        """Whether an answer to this frame would be booked."""
        return seq in self._pending or seq in self._given_up

    def receive(self, seq: int) -> None:
        self.received += 1
        self._pending.add(seq)

    def infer(self, seq: int) -> bool:
        """Book an answer; False when the frame isn't one of this ledger's."""
        if not self.knows(seq):
            return False
        reason = self._given_up.pop(seq, None)
        if reason is not None:
            self.dropped[reason] -= 1
        self._pending.discard(seq)
        self.inferred += 1
        return True

    def drop(self, seq: int, reason: DropReason) -> bool:
        """Book a drop; False when the frame has its outcome already."""
        if seq not in self._pending:
            return False
        self._pending.discard(seq)
        self.dropped[reason] += 1
        return True

    def give_up(self, seq: int, reason: DropReason) -> bool:
        """Book a drop that an answer may yet correct; False as `drop`."""
        if not self.drop(seq, reason):
            return False
        self._given_up[seq] = reason
        if len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        return True

    def hand_over(self, successor: FrameLedger) -> None:
        """Give the frames that have no outcome yet to another run's ledger."""
        self.received -= len(self._pending)
        successor.received += len(self._pending)
        successor._pending |= self._pending
        self._pending = set()
