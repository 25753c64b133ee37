"""A network of transformers on an engine, fed with pictures as its recipe has them.

Knows recipes, engines and tensors, not what the network answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from apps.inference.engines.choice import compile_module
from apps.inference.exceptions import ArchitectureError
from apps.inference.predictors.recipe import RECIPE_NAME, Recipe
from apps.inference.preprocessing import Featurize
from apps.inference.types import Frame


class CompiledNetwork:
    def __init__(self, network: nn.Module, recipe: Recipe, engine: str | None) -> None:
        [(_, example)] = recipe.batches([_grey_frame(640, 480)])
        self._engine = compile_module(
            nn.Sequential(Featurize(recipe.mean, recipe.std), network),
            example,
            engine,
            is_resizable=recipe.is_resizable,
        )
        self.engine = self._engine.name

    def answer(self, batches: Sequence[tuple[list[int], Tensor]]) -> Tensor:
        """What the network says of `Recipe.batches`: float32, in the frames' order."""
        answers = [
            # Copied, for the next batch may overwrite the answer to this one.
            self._engine(pictures).to(torch.float32, copy=True)
            for _, pictures in batches
        ]
        numbers = [number for numbers, _ in batches for number in numbers]
        order = torch.tensor(numbers, device=answers[0].device).argsort()
        return torch.cat(answers)[order]


@torch.inference_mode()
def refuse_unanswering(network: nn.Module, recipe: Recipe) -> None:
    """Show the network grey frames of two shapes, as its recipe prepares them.

    What a recipe and a network say of sizes is never compared by anyone else.

    Raises:
        ArchitectureError: it can't answer one.
    """
    featurize = Featurize(recipe.mean, recipe.std)
    landscape, portrait = _grey_frame(640, 480), _grey_frame(480, 640)
    for _, pictures in recipe.batches([landscape, portrait]):
        try:
            network.eval()(featurize(pictures[:1]))
        except Exception as error:  # as many kinds as there are networks
            height, width = pictures.shape[1:3]
            raise ArchitectureError(
                f"The network can't answer a picture of {width} x {height} pixels, as"
                f" {RECIPE_NAME} prepares it."
            ) from error


def _grey_frame(width: int, height: int) -> Frame:
    return Frame("grey", 0, width, height, b"\x80" * (width * height * 3 // 2))
