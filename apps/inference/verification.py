"""Checks that a version can be trusted to answer, and finds out how it answers fastest.

Loads the version on every engine of this machine and holds each against the reference,
torch in fp32. Knows predictors and pictures, no database; it may take a minute, and a
process of its own gives the memory back.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol, cast

import cv2
import psutil

from apps.inference import engines
from apps.inference.comparison import (
    Agreement,
    Bounds,
    Candidates,
    are_finite,
    compare,
)
from apps.inference.exceptions import InferenceError, VerificationError
from apps.inference.starter.datasets import held_out_seed
from apps.inference.starter.scenes import render_scene
from apps.inference.types import Frame, Predictor

logger = logging.getLogger(__name__)

PICTURES = 4
# One batch may not make its first frame wait longer than this for its last.
LONGEST_BATCH_MS = 100.0
# What a larger batch must win, or it is only later.
_WORTHWHILE = 1.05
_ROUNDS = 5
_BATCH_SIZES = {"cpu": (1, 2, 4), "cuda": (1, 2, 4, 8, 16, 32, 64)}

Report = Callable[[float, str], None]


class Examinable(Predictor, Protocol):
    """A predictor that also says what it selects from."""

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]: ...


class Family(Protocol):
    """A module of `predictors`."""

    def load(self, directory: Path, *, engine: str | None = None) -> Examinable: ...


@dataclass(frozen=True, slots=True)
class BatchTime:
    """Medians of one batch, from I420 bytes to predictions, in ms."""

    size: int
    batch_ms: float
    forward_ms: float

    @property
    def images_per_second(self) -> float:
        return 1000 * self.size / self.batch_ms


@dataclass(slots=True)
class EngineFigures:
    """What one engine made of the version; `reason` says why it was refused."""

    engine: str
    reason: str = ""
    load_s: float = 0.0
    memory_mb: float = 0.0
    agreement: Agreement | None = None
    batches: list[BatchTime] = field(default_factory=list)

    @property
    def best_batch(self) -> BatchTime:
        return choose_batch(self.batches)


@dataclass(frozen=True, slots=True)
class Verification:
    """Which engine and batch size were chosen, and every figure behind it."""

    engine: str
    batch_size: int
    bounds: Bounds
    engines: list[EngineFigures]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def verify(
    directory: Path, module_name: str, report: Report = lambda share, words: None
) -> Verification:
    """Load a version on every engine, compare and measure.

    Args:
        directory: the version's files.
        module_name: the predictor's module.
        report: told how far it is (0..1) and what is being done.

    Raises:
        InferenceError: the version can't be loaded, or what it answers is no answer.
    """
    family = cast(Family, importlib.import_module(module_name))
    frames = golden_frames()
    names = engines.available()
    bounds = Bounds()
    figures = []
    reference: list[Candidates] = []
    for number, name in enumerate(names):
        report(number / len(names), f"Trying {name}.")
        if name == engines.REFERENCE:
            predictor, tried = _load(family, directory, name)
            reference = _examine(predictor, frames, bounds)
        else:
            try:
                predictor, tried = _load(family, directory, name)
                answers = _examine(predictor, frames, bounds)
                tried.agreement = compare(reference, answers, bounds)
            except InferenceError as error:
                figures.append(EngineFigures(name, reason=str(error)))
                continue
            except Exception:
                logger.exception("%s fails on %s", name, directory)
                figures.append(EngineFigures(name, reason="It fails; see the log."))
                continue
            if not tried.agreement.keeps(bounds):
                tried.reason = "It doesn't answer as the reference does."
        tried.batches = _measure(predictor, frames)
        figures.append(tried)
    passed = [each for each in figures if not each.reason]
    chosen = max(passed, key=lambda each: each.best_batch.images_per_second)
    return Verification(chosen.engine, chosen.best_batch.size, bounds, figures)


def golden_frames() -> list[Frame]:
    """Pictures that every machine draws alike, as a camera would send them."""
    frames = []
    for number in range(PICTURES):
        image = render_scene(held_out_seed(number), 640, 480).image
        height, width = image.shape[:2]
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes()
        frames.append(Frame("golden", number, width, height, pixels))
    return frames


def choose_batch(batches: Sequence[BatchTime]) -> BatchTime:
    """The largest batch that still pays and keeps nobody waiting."""
    chosen = batches[0]
    for batch in batches[1:]:
        gain = batch.images_per_second / chosen.images_per_second
        if gain >= _WORTHWHILE and batch.batch_ms <= LONGEST_BATCH_MS:
            chosen = batch
    return chosen


def _load(
    family: Family, directory: Path, engine: str
) -> tuple[Examinable, EngineFigures]:
    process = psutil.Process()
    memory, started = process.memory_info().rss, time.perf_counter()
    predictor = family.load(directory, engine=engine)
    predictor.predict(golden_frames()[:1])
    return predictor, EngineFigures(
        engine,
        load_s=round(time.perf_counter() - started, 2),
        memory_mb=round((process.memory_info().rss - memory) / 1e6, 1),
    )


def _examine(
    predictor: Examinable, frames: Sequence[Frame], bounds: Bounds
) -> list[Candidates]:
    """Answer the pictures alone and together, which must come to the same."""
    alone = [predictor.examine([frame])[0] for frame in frames]
    if not are_finite(alone):
        raise VerificationError("It answers with numbers that are none (NaN).")
    together = predictor.examine(frames)
    if not compare(alone, together, bounds).keeps(bounds):
        raise VerificationError(
            "It answers otherwise when it is shown several pictures at once."
        )
    return alone


def _measure(predictor: Predictor, frames: Sequence[Frame]) -> list[BatchTime]:
    device = "cpu" if predictor.engine in engines.ON_CPU else "cuda"
    return [_time(predictor, frames, size) for size in _BATCH_SIZES[device]]


def _time(predictor: Predictor, frames: Sequence[Frame], size: int) -> BatchTime:
    batch = [frames[number % len(frames)] for number in range(size)]
    predictor.predict(batch)
    batches_ms, forwards_ms = [], []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        predictions = predictor.predict(batch)
        batches_ms.append((time.perf_counter() - started) * 1000)
        forwards_ms.append(sum(each.timings.forward_ms for each in predictions))
    return BatchTime(size, round(median(batches_ms), 3), round(median(forwards_ms), 3))
