"""How a job of several parts tells how far it is, and hears that it is to stop."""

from __future__ import annotations

from apps.inference.jobs import CancelledError, Progress


class StoppedError(BaseException):
    """The job isn't wanted any more: no failure that anybody on the way may catch."""


class Heard:
    """A progress whose `CancelledError` comes through, as a `StoppedError`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def tell(self, share: float, words: str) -> None:
        try:
            self._progress.tell(share, words)
        except CancelledError as error:
            raise StoppedError from error


class Part:
    """From `begin` to `end`, as shares of the whole."""

    def __init__(self, whole: Progress, begin: float, end: float) -> None:
        self._whole, self._begin, self._end = whole, begin, end

    def tell(self, share: float, words: str) -> None:
        self._whole.tell(self._begin + (self._end - self._begin) * share, words)
