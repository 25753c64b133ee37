"""Checks that a version can be trusted to answer, and finds out how it answers fastest.

Loads the version on every engine of this machine and holds each against the reference,
the plainest in fp32. Knows predictors and pictures, no database; it may take a minute,
and a process of its own gives the memory back.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import psutil

from apps.inference.comparison import (
    Agreement,
    Bounds,
    Candidates,
    are_finite,
    compare,
    difference,
)
from apps.inference.engines import ENGINES_OF_MODULES, TENSORRT
from apps.inference.engines.choice import available_engines
from apps.inference.exceptions import InferenceError, VerificationError
from apps.inference.serving.golden import golden_frames, recorded
from apps.inference.types import Frame
from apps.inference.verifying.measuring import (
    BatchTime,
    Curve,
    Measurable,
    choose_batch,
    measure,
)

logger = logging.getLogger(__name__)

Report = Callable[[float, str], None]


class Examinable(Measurable, Protocol):
    """A predictor that also says what it selects from."""

    def examine(self, frames: Sequence[Frame]) -> list[Candidates]: ...


Measure = Callable[[Examinable, Sequence[Frame]], Curve]


class Family(Protocol):
    """A module of `predictors`."""

    def load(self, directory: Path, *, engine: str | None = None) -> Examinable: ...


@dataclass(slots=True)
class EngineFigures:
    """What one engine made of the version; `reason` says why it was refused.

    `memory_mb` is by how much the process grew while it loaded the engine, after
    others: less than the engine holds where it was given what those had let go, and
    without what lies on a GPU.
    """

    engine: str
    reason: str = ""
    load_s: float = 0.0
    memory_mb: float = 0.0
    agreement: Agreement | None = None
    batches: list[BatchTime] = field(default_factory=list)
    limit: str = ""  # why there are no larger batches
    batch_size: int | None = None

    @property
    def best_batch(self) -> BatchTime:
        return choose_batch(self.batches)


@dataclass(frozen=True, slots=True)
class Verification:
    """Which engine and batch size were chosen, and every figure behind it.

    `golden` is what the reference answers to the golden pictures.
    """

    engine: str
    batch_size: int
    bounds: Bounds
    engines: list[EngineFigures]
    golden: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        figures = asdict(self)
        del figures["golden"]
        return figures


def engines_to_try(
    asked_for: str, possible: Sequence[str] = ENGINES_OF_MODULES
) -> list[str]:
    """Of the engines that could run a version, this machine's; the reference first.

    TensorRT takes minutes for every batch size, so it is tried where it is asked for.
    """
    reference = possible[0]
    others = [
        name
        for name in available_engines()
        if name in possible
        and name != reference
        and (name != TENSORRT or asked_for == TENSORRT)
    ]
    return [reference, *others]


def verify(
    directory: Path,
    module_name: str,
    engines: Sequence[str],
    report: Report = lambda share, words: None,
    measure: Measure = measure,
) -> Verification:
    """Load a version on every engine, compare and measure.

    Args:
        directory: the version's files.
        module_name: the predictor's module.
        engines: their names, the reference first.
        report: told how far it is (0..1) and what is being done.
        measure: how the curve of an engine is measured.

    Raises:
        InferenceError: the version can't be loaded, or what it answers is no answer.
    """
    family = cast(Family, importlib.import_module(module_name))
    trial = _Trial(family, directory, golden_frames(), Bounds(), measure)
    try:
        first = trial.run(engines[0], _part(report, 0, len(engines)))
    except InferenceError:
        raise
    except Exception as error:
        logger.exception("%s fails on %s", engines[0], directory)
        raise VerificationError(
            f"The engine {engines[0]} fails to answer; the log says how."
        ) from error
    figures = [first]
    for number, name in enumerate(engines[1:], start=1):
        try:
            figures.append(trial.run(name, _part(report, number, len(engines))))
        except InferenceError as error:
            figures.append(EngineFigures(name, reason=str(error)))
        except Exception:
            logger.exception("%s fails on %s", name, directory)
            figures.append(EngineFigures(name, reason="It fails; the log says how."))
    passed = [each for each in figures if not each.reason]
    chosen = max(passed, key=lambda each: each.best_batch.images_per_second)
    return Verification(
        engine=chosen.engine,
        batch_size=chosen.best_batch.size,
        bounds=trial.bounds,
        engines=figures,
        golden=recorded(trial.reference or ()),
    )


def _part(report: Report, number: int, count: int) -> Report:
    """Report on one of several things that are done one after the other."""
    return lambda share, words: report((number + share) / count, words)


@dataclass(slots=True)
class _Trial:
    """One version on engine after engine; the first is the reference of the others."""

    family: Family
    directory: Path
    frames: Sequence[Frame]
    bounds: Bounds
    measure: Measure
    reference: list[Candidates] | None = None

    def run(self, engine: str, report: Report) -> EngineFigures:
        """Load, examine and measure; what answers otherwise needn't be measured."""
        report(0, f"Loading it on {engine}.")
        process = psutil.Process()
        memory, started = process.memory_info().rss, time.perf_counter()
        predictor = self.family.load(self.directory, engine=engine)
        predictor.predict(self.frames[:1])
        figures = EngineFigures(
            engine,
            load_s=round(time.perf_counter() - started, 2),
            memory_mb=round((process.memory_info().rss - memory) / 1e6, 1),
        )
        report(0.4, f"Examining what {engine} answers.")
        answers = self._examine(predictor)
        if self.reference is None:
            self.reference = answers
        else:
            figures.agreement = compare(self.reference, answers, self.bounds)
            if not figures.agreement.keeps(self.bounds):
                figures.reason = (
                    "It doesn't answer as the reference does:"
                    f" {difference(figures.agreement)}."
                )
                return figures
        report(0.6, f"Measuring {engine}.")
        curve = self.measure(predictor, self.frames)
        figures.batches, figures.limit = curve.batches, curve.limit
        figures.batch_size = figures.best_batch.size
        return figures

    def _examine(self, predictor: Examinable) -> list[Candidates]:
        """Answer the pictures alone and together, which must come to the same."""
        alone = [predictor.examine([frame])[0] for frame in self.frames]
        if not are_finite(alone):
            raise VerificationError("It answers with NaN or infinite numbers.")
        together = predictor.examine(self.frames)
        if not compare(alone, together, self.bounds).keeps(self.bounds):
            raise VerificationError(
                "It answers otherwise when it is shown several pictures at once."
            )
        return alone
