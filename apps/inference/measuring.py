"""How long a version takes for batches of every size, and which size pays.

Knows predictors and time, not what is answered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from apps.inference.engines import TENSORRT, TORCH_CUDA
from apps.inference.types import Frame, Predictor

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


@dataclass(frozen=True, slots=True)
class BatchTime:
    """What one batch takes from I420 bytes to predictions, in ms.

    The least of many times: whatever else the machine does only ever adds to it.
    """

    size: int
    batch_ms: float
    forward_ms: float

    @property
    def images_per_second(self) -> float:
        return 1000 * self.size / self.batch_ms


def choose_batch(batches: Sequence[BatchTime]) -> BatchTime:
    """The largest batch that still pays and keeps nobody waiting."""
    chosen = batches[0]
    for batch in batches[1:]:
        gain = batch.images_per_second / chosen.images_per_second
        if gain >= _WORTHWHILE and batch.batch_ms <= LONGEST_BATCH_MS:
            chosen = batch
    return chosen


def measure(predictor: Predictor, frames: Sequence[Frame]) -> list[BatchTime]:
    """The curve, as far as the memory of the device goes.

    The sizes take turns, so that a while in which the machine is busy with something
    else falls on all of them, and leaves each a round outside of it.
    """
    alike = [frame for frame in frames if not frame.rotation]
    batches = _answerable(predictor, alike)
    times: dict[int, list[BatchTime]] = {len(batch): [] for batch in batches}
    started = time.perf_counter()
    for number in range(1, _MOST_ROUNDS + 1):
        for batch in batches:
            times[len(batch)].append(_time(predictor, batch))
        is_late = time.perf_counter() - started >= _MEASURING_S
        if is_late and number >= _FEWEST_ROUNDS:
            break
    return [min(each, key=lambda one: one.batch_ms) for each in times.values()]


def _answerable(predictor: Predictor, frames: Sequence[Frame]) -> list[list[Frame]]:
    """Batches of every size that the device's memory holds, each answered once."""
    is_on_gpu = predictor.engine in {TORCH_CUDA, TENSORRT}
    batches: list[list[Frame]] = []
    for size in _BATCH_SIZES_ON_GPU if is_on_gpu else _BATCH_SIZES:
        batch = [frames[number % len(frames)] for number in range(size)]
        try:
            predictor.predict(batch)
        except RuntimeError:  # of torch, as its lack of memory is
            if not batches:
                raise
            logger.warning("%s can't answer %d at once", predictor.engine, size)
            break
        batches.append(batch)
    return batches


def _time(predictor: Predictor, batch: Sequence[Frame]) -> BatchTime:
    started = time.perf_counter()
    predictions = predictor.predict(batch)
    batch_ms = (time.perf_counter() - started) * 1000
    forward_ms = sum(each.timings.forward_ms for each in predictions)
    return BatchTime(len(batch), round(batch_ms, 3), round(forward_ms, 3))
