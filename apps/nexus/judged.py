"""`JudgedFrames`: the frames that a page may still point at, with what was answered.

A frame is held from its way to the model until a later one has been drawn: a few in
all, in memory alone. With consent some that came before are held as well, for a
challenger answers later than who is live. It knows no socket and no disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.inference.types import Frame

# One in the mailbox, one with a worker, three on their way to the page, the drawn one.
HELD = 6
HELD_WITH_CONSENT = 12


@dataclass(slots=True)
class Judged:
    """`message` is its `inference.result`, as soon as there is one."""

    frame: Frame
    message: dict[str, Any] | None = None


class JudgedFrames:
    def __init__(self) -> None:
        self.is_allowed = False
        # By number, in the order in which they were offered.
        self._frames: dict[int, Judged] = {}
        self._pinned: Judged | None = None

    def offer(self, frame: Frame) -> None:
        """A frame is on its way to the model."""
        self._frames[frame.seq] = Judged(frame)
        room = HELD_WITH_CONSENT if self.is_allowed else HELD
        for seq in list(self._frames)[:-room]:
            del self._frames[seq]

    def drop(self, seq: int) -> None:
        """A frame will have no answer."""
        self._frames.pop(seq, None)

    def answer(self, message: dict[str, Any]) -> Judged | None:
        """A frame has its answer; gives both, if it is still held."""
        judged = self._frames.get(message["seq"])
        if judged is not None:
            judged.message = message
        return judged

    def draw(self, seq: int) -> None:
        """The page shows the answer to a frame: it has done with those before."""
        if not self.is_allowed:
            for older in [each for each in self._frames if each < seq]:
                del self._frames[older]

    def pin(self, seq: int) -> Judged | None:
        """Hold a frame until another is pinned, or `unpin`; gives it if it is there."""
        self._pinned = self.find(seq)
        return self._pinned

    def unpin(self) -> None:
        self._pinned = None

    def find(self, seq: int) -> Judged | None:
        """A frame that has been answered."""
        for judged in (self._pinned, self._frames.get(seq)):
            if judged and judged.message and judged.frame.seq == seq:
                return judged
        return None
