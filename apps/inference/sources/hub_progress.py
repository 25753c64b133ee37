"""Progress of a download from the hub, out of what its library tells progress bars."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from apps.inference.sources.types import Progress


class Count:
    """The bytes of several files, told as those of one."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._finished = 0
        self._current = 0

    def finish(self, size: int) -> None:
        """A file is here, if only because it was before."""
        self._finished += size
        self._current = 0
        self._progress(self._finished, self._total)

    def add(self, count: int) -> None:
        self._current += count
        self._progress(self._finished + self._current, self._total)

    def bar(self) -> type[tqdm[Any]]:
        """What huggingface_hub takes for a progress bar; it shows nothing."""
        add = self.add

        class Bar(tqdm):  # type: ignore[type-arg]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n: float | None = 1) -> None:
                add(int(n or 0))

            def update_transfer(self, n: float | None = 1) -> None:
                """Pass over bytes of the network: `update` has them once unpacked."""

            def set_transfer_postfix_str(self, *args: object) -> None:
                pass

        return Bar
