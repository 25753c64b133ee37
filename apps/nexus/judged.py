"""`JudgedFrames`: the frames that a page may still point at, with what was answered.

A frame whose answer is on its way to the page, or is shown there, is held until a later
one has been drawn, however long a busy page takes; of the others the newest few, in
memory alone. With consent some older ones are held as well, for a challenger answers
later than who is live. It knows no socket and no disk.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.inference.types import Frame

# One in the mailbox, one with a worker, three on their way to the page, the drawn one.
HELD = 6
HELD_WITH_CONSENT = 12
# Of these, a page that takes its time has no more than the last four in front of it.
SHOWN = 4
# Beyond these, now and then one: for as long as a challenger takes on a busy machine.
OLDER_S = 3.0
OLDER_APART_S = 0.2


@dataclass(slots=True)
class Judged:
    """`message` is its `inference.result`, as soon as there is one; it `is_shown` from
    the moment when that is sent to the page. It `is_given` if its person had allowed
    pictures by then, and has not taken that back since.
    """

    frame: Frame
    offered_at: float
    is_given: bool
    message: dict[str, Any] | None = None
    is_shown: bool = False


class JudgedFrames:
    """Args: clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.is_allowed = False
        # By number, in the order in which they were offered.
        self._frames: dict[int, Judged] = {}
        self._older: deque[Judged] = deque()
        self._pinned: Judged | None = None

    def allow(self, is_allowed: bool) -> None:
        """What is held for a challenger alone goes with the consent, at once."""
        self.is_allowed = is_allowed
        if not is_allowed:
            self._older.clear()
            for judged in self._frames.values():
                judged.is_given = False

    def offer(self, frame: Frame) -> None:
        """A frame is on its way to the model."""
        self._frames[frame.seq] = Judged(frame, self._clock(), self.is_allowed)
        surplus = len(self._frames) - (HELD_WITH_CONSENT if self.is_allowed else HELD)
        others = [seq for seq, each in self._frames.items() if not each.is_shown]
        for seq in others[: max(0, surplus)]:
            self._part_with(self._frames.pop(seq))

    def drop(self, seq: int) -> None:
        """A frame will have no answer."""
        self._frames.pop(seq, None)

    def answer(self, message: dict[str, Any]) -> Judged | None:
        """A frame has its answer; gives both, if it is still held."""
        judged = self._frames.get(message["seq"])
        if judged is not None:
            judged.message = message
        return judged

    def show(self, seq: int) -> None:
        """The answer to a frame is on its way to the page."""
        if seq in self._frames:
            self._frames[seq].is_shown = True
        shown = [each for each in self._frames.values() if each.is_shown]
        for each in shown[:-SHOWN]:
            each.is_shown = False

    def draw(self, seq: int) -> None:
        """The page shows the answer to a frame: it has done with those before."""
        for older in [each for each in self._frames if each < seq]:
            if self.is_allowed:
                self._frames[older].is_shown = False
            else:
                del self._frames[older]

    def pin(self, seq: int) -> Judged | None:
        """Hold a frame until another is pinned, or `unpin`; gives it if it is there."""
        self._pinned = self.find(seq)
        return self._pinned

    def unpin(self) -> None:
        self._pinned = None

    def find(self, seq: int) -> Judged | None:
        """A frame that has been answered."""
        for judged in (self._pinned, self._frames.get(seq), *self._older):
            if judged and judged.message and judged.frame.seq == seq:
                return judged
        return None

    def _part_with(self, judged: Judged) -> None:
        """Hold it a little longer, if its person allows it and none like it is held."""
        now = self._clock()
        while self._older and now - self._older[0].offered_at > OLDER_S:
            self._older.popleft()
        is_apart = not self._older or (
            judged.offered_at - self._older[-1].offered_at >= OLDER_APART_S
        )
        if self.is_allowed and judged.message and is_apart:
            self._older.append(judged)
