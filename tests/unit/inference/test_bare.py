"""The bare loop: the network alone, pass after pass, awaited at the end only."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from apps.inference.engines import bare
from apps.inference.engines.bare import LOOPS, PASSES, WARM_UPS, BareLoop
from apps.inference.engines.torch import CPU, optimise
from apps.inference.preprocessing import Featurize

PASS_MS = 3


class Watched(nn.Module):
    """A network that notes what it is shown, on a device that takes its time."""

    def __init__(self, happened: list[str]) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.happened = happened
        self.seen: list[Tensor] = []

    def forward(self, features: Tensor) -> Tensor:
        self.happened.append("pass")
        self.seen.append(features)
        answer: Tensor = self.layer(features)
        return answer


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passes and waits in their order, by a clock that the passes move on."""
    happened: list[str] = []

    def synchronize(device: torch.device) -> None:
        happened.append("wait")

    def perf_counter() -> float:
        return PASS_MS * happened.count("pass") / 1000

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(bare, "time", SimpleNamespace(perf_counter=perf_counter))
    return happened


def test_nobody_waits_between_the_passes(happened: list[str]):
    network = Watched(happened)
    loop = BareLoop(network, torch.zeros(1, 4, 6, 3, dtype=torch.uint8), CPU)
    network.layer = nn.Identity()  # type: ignore[assignment]
    assert loop(2) == pytest.approx(PASS_MS)
    expected: list[str] = []
    for passes in (WARM_UPS, *[PASSES] * LOOPS):
        expected += ["wait", *["pass"] * passes, "wait"]
    assert happened == expected


def test_the_network_is_shown_features_that_were_made_before(happened: list[str]):
    network = Watched(happened)
    module = optimise(nn.Sequential(Featurize(), network), CPU).half()
    BareLoop(module, torch.zeros(1, 4, 6, 3, dtype=torch.uint8), CPU)(8)
    assert {id(each) for each in network.seen} == {id(network.seen[0])}
    [features] = network.seen[:1]
    assert (features.shape, features.dtype) == ((8, 3, 4, 6), torch.float16)
    assert features.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= features.min() < features.max() <= 1
