"""`PictureAssembly`: packets in any order become encoded pictures in theirs.

A picture is released by the packet that completes it, which its sender marks. What
comes behind a missing packet waits for it, but not longer than `PATIENCE_S`. It is told
the time, and has no sockets, threads or decoders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PATIENCE_S = 0.25
# How far packets may lie apart that still wait for each other: more than a second of
# what the page's camera may send, and the bound of what a session can make us keep.
CAPACITY = 1024
# So long an answer is waited for before a missing packet is asked for again.
REMINDER_S = 0.05


@dataclass(slots=True)
class Fragment:
    """One packet of a picture.

    `number` and `timestamp` are those of the packet, of 16 and 32 bits; `is_last` is
    its marker bit. `data` is what a decoder takes, empty in a packet of padding.
    """

    number: int
    timestamp: int
    is_first: bool
    is_last: bool
    data: bytes


@dataclass(slots=True)
class EncodedPicture:
    """A whole picture; `timestamp` goes on where the 32 bits begin again from 0."""

    data: bytes
    timestamp: int


class Counter:
    """Goes on where a number of so many bits begins again from 0."""

    def __init__(self, bits: int) -> None:
        self._half = 1 << (bits - 1)
        self._last: int | None = None

    def extend(self, value: int) -> int:
        """The number next to the last one, on either side, that ends in these bits."""
        if self._last is None:
            self._last = value
        ahead = (value - self._last + self._half) % (2 * self._half) - self._half
        self._last += ahead
        return self._last


class PictureAssembly:
    """Puts the pictures of one stream together.

    `is_damaged` becomes true when one is lost, for those after it refer to it. It stays
    so until somebody who knows better sets it.
    """

    def __init__(self) -> None:
        self.is_damaged = False
        self._numbers = Counter(16)
        self._timestamps = Counter(32)
        # The next packet in order, and those that wait for it with their arrival.
        self._expected: int | None = None
        self._waiting: dict[int, tuple[Fragment, float]] = {}
        self._asked_at: dict[int, float] = {}
        # The picture that is being put together, and whether its beginning was seen.
        self._picture: list[bytes] = []
        self._timestamp: int | None = None
        self._is_aligned = False

    def add(self, fragment: Fragment, now: float) -> Iterator[EncodedPicture]:
        """Take a packet; gives every picture that is complete now, in order.

        What has come before, or comes too late, changes nothing.
        """
        number = self._numbers.extend(fragment.number)
        if self._expected is None:
            self._expected = number
        if number >= self._expected:
            self._waiting.setdefault(number, (fragment, now))
            yield from self._go_on()
        while self._waiting and self._is_hopeless(now):
            self._pass_over()
            yield from self._go_on()
        if not self._waiting:
            self._asked_at.clear()

    def missing(self, now: float) -> list[int]:
        """What to ask the sender for, newly missed or due again; sorted, of 16 bits."""
        if self._expected is None or not self._waiting:
            return []
        due = [
            number
            for number in range(self._expected, max(self._waiting))
            if number not in self._waiting
            and now - self._asked_at.get(number, -REMINDER_S) >= REMINDER_S
        ]
        self._asked_at.update(dict.fromkeys(due, now))
        return sorted(number & 0xFFFF for number in due)

    def _go_on(self) -> Iterator[EncodedPicture]:
        while self._expected in self._waiting:
            fragment, _ = self._waiting.pop(self._expected)
            self._expected += 1
            yield from self._append(fragment)

    def _append(self, fragment: Fragment) -> Iterator[EncodedPicture]:
        if fragment.timestamp != self._timestamp:
            # Not every sender marks the last packet of a picture.
            yield from self._release()
            self._is_aligned |= self._timestamp is not None
            self._timestamp = fragment.timestamp
        self._is_aligned |= fragment.is_first
        if not self._is_aligned:
            self.is_damaged = True
        elif fragment.data:
            self._picture.append(fragment.data)
        if len(self._picture) > CAPACITY:
            self._lose_picture()
        if fragment.is_last:
            yield from self._release()
            self._is_aligned = True

    def _release(self) -> Iterator[EncodedPicture]:
        if self._picture and self._timestamp is not None:
            data = b"".join(self._picture)
            self._picture.clear()
            yield EncodedPicture(data, self._timestamps.extend(self._timestamp))

    def _is_hopeless(self, now: float) -> bool:
        """The first packet that waits, whatever its number, has waited the longest."""
        _, arrived_at = next(iter(self._waiting.values()))
        return (
            now - arrived_at >= PATIENCE_S
            or max(self._waiting) - (self._expected or 0) >= CAPACITY
        )

    def _pass_over(self) -> None:
        """Go on behind what is missing, which may have been the end of the picture."""
        self._lose_picture()
        self._timestamp = None
        self._expected = min(self._waiting)

    def _lose_picture(self) -> None:
        self.is_damaged = True
        self._is_aligned = False
        self._picture.clear()
