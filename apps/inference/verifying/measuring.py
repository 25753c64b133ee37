"""How long a version takes for batches of every size, and which size pays.

Knows predictors and time, not what is answered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from apps.inference.engines import TENSORRT, TORCH_CUDA
from apps.inference.types import Frame, Prediction, Predictor

logger = logging.getLogger(__name__)

# One batch may not make its first frame wait longer than this for its last.
LONGEST_BATCH_MS = 100.0
# What a larger batch must win, or it is only later.
_WORTHWHILE = 1.2
# All batch sizes take their turn in each round; slow ones get fewer rounds.
_FEWEST_ROUNDS, _MOST_ROUNDS = 3, 15
_MEASURING_S = 3.0
_BATCH_SIZES = (1, 2, 4)
_BATCH_SIZES_ON_GPU = (*_BATCH_SIZES, 8, 16, 32, 64)
# Batches whose steps overlap, beside a bare loop.
_IN_A_ROW = 20


@dataclass(frozen=True, slots=True)
class BatchTime:
    """What one batch takes from I420 bytes to predictions, in ms.

    The least of many times: whatever else the machine does only ever adds to it.
    `overlapped_ms` is what it takes among many whose steps overlap as in a worker, and
    `bare_ms` what torch alone takes for the forward pass; see `measure_beside_bare`.
    """

    size: int
    batch_ms: float
    forward_ms: float
    overlapped_ms: float | None = None
    bare_ms: float | None = None

    @property
    def images_per_second(self) -> float:
        return 1000 * self.size / self.batch_ms


@dataclass(frozen=True, slots=True)
class Curve:
    """The time of every batch size, and in a sentence why there are no larger ones."""

    batches: list[BatchTime]
    limit: str = ""


class Measurable(Predictor, Protocol):
    """A predictor that also has what its engine is held against on a GPU.

    `bare` takes a batch size and answers with the ms that a forward pass takes there.
    """

    @property
    def bare(self) -> Callable[[int], float] | None: ...


def choose_batch(batches: Sequence[BatchTime]) -> BatchTime:
    """The largest batch that still pays and keeps nobody waiting."""
    chosen = batches[0]
    for batch in batches[1:]:
        gain = batch.images_per_second / chosen.images_per_second
        if gain >= _WORTHWHILE and batch.batch_ms <= LONGEST_BATCH_MS:
            chosen = batch
    return chosen


def measure(predictor: Predictor, frames: Sequence[Frame]) -> Curve:
    """The curve, as far as the memory of the device goes.

    The sizes take turns, so that a while in which the machine is busy with something
    else falls on all of them, and leaves each a round outside of it.
    """
    batches, limit = _answerable(predictor, frames)
    times: dict[int, list[BatchTime]] = {len(batch): [] for batch in batches}
    started = time.perf_counter()
    for number in range(1, _MOST_ROUNDS + 1):
        for batch in batches:
            times[len(batch)].append(_time(predictor, batch))
        is_late = time.perf_counter() - started >= _MEASURING_S
        if is_late and number >= _FEWEST_ROUNDS:
            break
    least = [min(each, key=lambda one: one.batch_ms) for each in times.values()]
    return Curve(least, limit)


def measure_beside_bare(predictor: Measurable, frames: Sequence[Frame]) -> Curve:
    """The same, and on a GPU how near to a bare loop of torch a worker comes."""
    curve = measure(predictor, frames)
    batches = [_beside_bare(predictor, frames, each) for each in curve.batches]
    return replace(curve, batches=batches)


def _answerable(
    predictor: Predictor, frames: Sequence[Frame]
) -> tuple[list[list[Frame]], str]:
    """Batches of every size that the device's memory holds, each answered once."""
    is_on_gpu = predictor.engine in {TORCH_CUDA, TENSORRT}
    batches: list[list[Frame]] = []
    for size in _BATCH_SIZES_ON_GPU if is_on_gpu else _BATCH_SIZES:
        batch = _batch_of(frames, size)
        try:
            predictor.predict(batch)
        except RuntimeError as error:  # of torch, as its lack of memory is
            if not batches:
                raise
            logger.warning(
                "%s can't answer %d at once", predictor.engine, size, exc_info=True
            )
            return batches, _limit(size, error)
        batches.append(batch)
    return batches, ""


def _limit(size: int, error: RuntimeError) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return f"The device's memory doesn't hold {size} at once."
    return f"It can't answer {size} at once; the log says why."


def _batch_of(frames: Sequence[Frame], size: int) -> list[Frame]:
    """So many frames of one shape."""
    alike = [frame for frame in frames if not frame.rotation]
    return [alike[number % len(alike)] for number in range(size)]


def _beside_bare(
    predictor: Measurable, frames: Sequence[Frame], alone: BatchTime
) -> BatchTime:
    if predictor.bare is None:
        return alone
    try:
        overlapped_ms = _overlapped_ms(predictor, _batch_of(frames, alone.size))
        bare_ms = predictor.bare(alone.size)
    except torch.OutOfMemoryError:
        logger.warning("No memory for a bare loop with %d at once", alone.size)
        return alone
    return replace(
        alone, overlapped_ms=round(overlapped_ms, 3), bare_ms=round(bare_ms, 3)
    )


def _overlapped_ms(predictor: Predictor, batch: Sequence[Frame]) -> float:
    """What a batch takes among others, each step of which has a thread as in a worker.

    From when the first has been decoded, so that all three are busy throughout.
    """
    moments: list[float] = []
    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(1) as behind:
        decoding: Future[list[Prediction]] | None = None
        preparing = ahead.submit(predictor.prepare, batch)
        for _ in range(_IN_A_ROW):
            infer = preparing.result()
            preparing = ahead.submit(predictor.prepare, batch)
            decode = infer()
            if decoding is not None:
                decoding.result()
                moments.append(time.perf_counter())
            decoding = behind.submit(decode)
    return (moments[-1] - moments[0]) * 1000 / (len(moments) - 1)


def _time(predictor: Predictor, batch: Sequence[Frame]) -> BatchTime:
    started = time.perf_counter()
    predictions = predictor.predict(batch)
    batch_ms = (time.perf_counter() - started) * 1000
    forward_ms = sum(each.timings.forward_ms for each in predictions)
    return BatchTime(len(batch), round(batch_ms, 3), round(forward_ms, 3))
