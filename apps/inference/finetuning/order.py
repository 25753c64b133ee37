"""In which order a finetune looks at its pictures, and at scenes in between.

Everything follows from the seed and an example's number, so that training which goes on
in another process goes on as if it had never stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.inference.starter.datasets import training_seed

# As much of a picture in a batch as the starters were trained with.
_PIXELS_PER_BATCH = 16 * 320 * 256
_LEAST_BATCH, _MOST_BATCH = 4, 16


@dataclass(frozen=True, slots=True)
class Order:
    """`rehearsal` is the share of scenes, of which each is seen once."""

    seed: int
    rehearsal: float

    def random(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, index))

    def scene(self, index: int) -> int | None:
        """The seed of the scene that this example is; None if it is a picture."""
        # Evenly, so that each batch has its share.
        is_scene = int((index + 1) * self.rehearsal) > int(index * self.rehearsal)
        return training_seed(self.seed, index) if is_scene else None

    def picture(self, index: int, count: int) -> int:
        """Which of so many pictures: all of them once, in a new order, then again."""
        turn = index - int((index + 1) * self.rehearsal)  # how many pictures before it
        shuffled = np.random.default_rng((self.seed, 1, turn // count))
        return int(shuffled.permutation(count)[turn % count])


def batch_size(input_size: tuple[int, int]) -> int:
    """Fewer of larger pictures, so that memory and a step's time stay bounded."""
    width, height = input_size
    fitting = _PIXELS_PER_BATCH // (width * height)
    return min(max(fitting, _LEAST_BATCH), _MOST_BATCH)
