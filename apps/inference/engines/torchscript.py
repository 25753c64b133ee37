"""Networks that torch.jit.save wrote: a file in, a module that answers one tensor out.

TorchScript is a program. Whoever asks has checked that the file is the registered one.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from apps.inference import weights
from apps.inference.engines.torch import CPU
from apps.inference.exceptions import CorruptWeightsError


class TorchScript(nn.Module):
    """Takes features [B, 3, H, W]; of several tensors answers the first."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, features: Tensor) -> Tensor:
        answer = self.program(features)
        while isinstance(answer, tuple | list):
            answer = answer[0]
        if not isinstance(answer, Tensor):
            raise TypeError(f"a network answers with a tensor, not {type(answer)}")
        return answer


def load(path: Path, device: torch.device = CPU) -> TorchScript:
    """In single precision, also where it was exported in half.

    Raises:
        CorruptWeightsError, NotFiniteError
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is deprecated
        try:
            program = torch.jit.load(  # type: ignore[no-untyped-call]
                path, map_location=device
            )
        except (RuntimeError, torch.jit.Error) as error:
            raise CorruptWeightsError(
                f"{path.name} is cut short or damaged, or a newer torch exported it."
            ) from error
    weights.refuse_not_finite(program.state_dict())
    return TorchScript(program.float()).eval()
