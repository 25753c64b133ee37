"""An engine that is fed with pictures as a recipe of transformers has them.

Knows recipes, engines and tensors, not what the network answers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from apps.inference import weights
from apps.inference.engines.choice import compile_network
from apps.inference.engines.engine import Engine
from apps.inference.engines.network import Network
from apps.inference.exceptions import ArchitectureError
from apps.inference.predictors.recipe import RECIPE_NAME, Batches, Recipe
from apps.inference.preprocessing import Featurize, grey_frame


def compile_with(
    recipe: Recipe, build: Callable[[], nn.Module], directory: Path, engine: str | None
) -> Engine:
    """Ready the network that `build` makes of a version's directory.

    It takes features and answers with one tensor. The engine of that name is taken, or
    the likely best.

    Raises:
        WeightsError, EngineError: with a sentence for the operator.
    """

    def whole() -> nn.Module:
        network = nn.Sequential(Featurize(recipe.mean, recipe.std), build())
        _refuse_unanswering(network, recipe)
        return network

    [(_, example)] = recipe.batches([grey_frame(640, 480)])
    network = Network(
        whole, example, recipe.is_resizable, identity=weights.fingerprint(directory)
    )
    return compile_network(network, engine)


class RecipeEngine:
    """Answers what `Recipe.batches` makes of frames."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answer(self, batches: Batches) -> Tensor:
        """What the network says: float32, in the frames' order."""
        answers = [
            # Copied, for the next batch may overwrite the answer to this one.
            self._engine(pictures).to(torch.float32, copy=True)
            for _, pictures in batches
        ]
        numbers = [number for numbers, _ in batches for number in numbers]
        order = torch.tensor(numbers, device=answers[0].device).argsort()
        return torch.cat(answers)[order]


@torch.inference_mode()
def _refuse_unanswering(network: nn.Module, recipe: Recipe) -> None:
    """Show the network grey frames of two shapes, as its recipe prepares them.

    What a recipe and a network say of sizes is never compared by anyone else.

    Raises:
        ArchitectureError: it can't answer one.
    """
    landscape, portrait = grey_frame(640, 480), grey_frame(480, 640)
    for _, pictures in recipe.batches([landscape, portrait]):
        try:
            network.eval()(pictures[:1])
        except Exception as error:  # as many kinds as there are networks
            height, width = pictures.shape[1:3]
            raise ArchitectureError(
                f"The network can't answer a picture of {width} x {height} pixels, as"
                f" {RECIPE_NAME} prepares it."
            ) from error
