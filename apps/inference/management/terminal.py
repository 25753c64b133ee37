"""How versions, their figures and what is done to them look on a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from apps.inference.models import ModelVersion
from apps.inference.registering import uploads
from apps.inference.registering.contents import SHIPPED, contents

NOTHING = "-"
COLUMNS = ("version", "state", "active in", "family", "engine", "licence")


class Progress(tqdm):  # type: ignore[type-arg]
    """What is being done and how far it is: one line on a terminal, else one a step."""

    def __init__(self) -> None:
        self._told = (0.0, "")
        super().__init__(
            total=100,
            file=sys.stderr,
            disable=None,
            leave=False,
            # Some terminals don't say how wide they are, and would be shown nothing.
            ncols=shutil.get_terminal_size().columns,
            bar_format="{percentage:3.0f} % {desc}",
        )

    def tell(self, share: float, step: str) -> None:
        last_share, last_step = self._told
        if step == last_step and abs(share - last_share) < 0.01:
            return
        self._told = (share, step)
        if not self.disable:
            self.set_description_str(step, refresh=False)
            self.n = 100 * share
            self.refresh()
        elif step != last_step:
            sys.stderr.write(f"{100 * share:3.0f} % {step}\n")


def table(versions: Iterable[ModelVersion]) -> list[str]:
    """A line a version, under a heading."""
    return aligned([COLUMNS, *map(_row, versions)])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each column as wide as it must be; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _row(version: ModelVersion) -> tuple[str, ...]:
    return (
        str(version),
        version.state,
        _answers_for(version),
        version.model.family or NOTHING,
        version.engine or NOTHING,
        version.card.get("licence") or "unknown",
    )


def facts(version: ModelVersion) -> list[str]:
    """All that is known of a version but its figures."""
    return [f"{name + ':':<13}{value}" for name, value in _facts(version) if value]


def _facts(version: ModelVersion) -> Iterator[tuple[str, Any]]:
    yield "version", version
    yield "state", version.state
    yield "reason", version.reason
    yield "active in", _answers_for(version)
    yield "family", version.model.family
    yield "source", uploads.shown(version.source)
    yield "directory", version.directory
    yield "SHA-256", version.sha256
    yield "licence", version.card.get("licence") or "unknown"
    if version.sha256:
        said = contents(version)
        yield "labels", said.labels
        yield "input size", said.input_size
    if version.engine:
        yield "engine", f"{version.engine}, {version.batch_size} at a time"
    if version.state == ModelVersion.State.VERIFIED:
        at = version.verified_at
        yield "verified", f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else SHIPPED


def figures(measured: dict[str, Any]) -> list[str]:
    """The batch curve of every engine, the chosen row marked, or why it was refused."""
    lines = [f"{'engine':<14}{'batch':>6}{'ms':>9}{'images/s':>10}"]
    chosen = (measured.get("engine"), measured.get("batch_size"))
    for engine in measured["engines"]:
        name = engine["engine"]
        if engine["reason"]:
            lines.append(f"{name:<14}{engine['reason']}")
        for batch in engine["batches"]:
            size, took_ms = batch["size"], batch["batch_ms"]
            mark = "  chosen" if (name, size) == chosen else ""
            rate = _rate(batch, "batch_ms")
            lines.append(
                f"{name:<14}{size:>6}{took_ms:>9.1f}{rate:>10.1f}"
                f"{_beside_bare(batch)}{mark}"
            )
        if limit := engine.get("limit"):  # which older figures don't say
            lines.append(f"{name:<14}{limit}")
    return lines


def _beside_bare(batch: dict[str, Any]) -> str:
    """What a bench on a GPU adds."""
    if batch.get("bare_ms") is None:
        return ""
    return (
        f"{_rate(batch, 'overlapped_ms'):>10.1f} overlapped,"
        f"{_rate(batch, 'bare_ms'):>10.1f} bare:"
        f"{batch['bare_ms'] / batch['overlapped_ms']:>6.0%}"
    )


def _rate(batch: dict[str, Any], name: str) -> float:
    """In images a second."""
    return float(1000 * batch["size"] / batch[name])


def _answers_for(version: ModelVersion) -> str:
    return ", ".join(each.name for each in version.deployments.all()) or NOTHING
