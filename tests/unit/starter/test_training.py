from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command, load_command_class
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from apps.inference import weights
from apps.inference.management.commands import train_starter
from apps.inference.starter import publishing
from apps.inference.starter.training import Trainer, schedule


class Numbers(Dataset[int]):
    def __getitem__(self, index: int) -> int:
        return index


class LineTask:
    """Learns to double a number: small enough to train in no time."""

    name, description, evaluation = "line", "A line.", "One number."
    labels: tuple[str, ...] = ("y",)
    steps, batch_size, learning_rate = 40, 4, 0.05

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.seed = seed
        self.network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
        self.seen: list[int] = []

    def examples(self) -> Dataset[int]:
        return Numbers()

    def collate(self, examples: list[int]) -> tuple[Tensor, Tensor]:
        self.seen += examples
        images = torch.tensor(examples, dtype=torch.float32).view(-1, 1, 1, 1) % 7
        return images, 2 * images

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        doubled: Tensor = self.network(images)
        return (doubled - targets).square().mean()

    def save(self, network: nn.Module, directory: Path) -> None:
        save_file(network.state_dict(), directory / weights.WEIGHTS_NAME)

    def evaluate(self, directory: Path, scenes: int) -> dict[str, Any]:
        return {"scenes": scenes, "rate": 0.98765}


def trained(trainer: Trainer, steps: int) -> list[float]:
    run = trainer.run(workers=0)
    return [next(run) for _ in range(steps)]


def test_training_goes_through_its_examples_once_and_in_order():
    task = LineTask(0)
    trainer = Trainer(task, steps=5)

    losses = list(trainer.run(workers=0))

    assert len(losses) == trainer.step == 5
    assert task.seen == list(range(20))


def test_the_loss_falls():
    losses = list(Trainer(LineTask(0), steps=150).run(workers=0))

    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_the_same_seed_trains_the_same_network():
    states = []
    for seed in (3, 3, 4):
        trainer = Trainer(LineTask(seed), steps=6)
        list(trainer.run(workers=0))
        states.append(torch.cat([v.flatten() for v in trainer.average.parameters()]))

    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_a_resumed_run_ends_as_one_that_was_never_stopped(tmp_path):
    whole = Trainer(LineTask(3), steps=12)
    list(whole.run(workers=0))

    first = Trainer(LineTask(3), steps=12)
    trained(first, 5)
    first.save(tmp_path / "line.pt")
    task = LineTask(8)
    resumed = Trainer(task, steps=99)
    resumed.load(tmp_path / "line.pt")
    list(resumed.run(workers=0))

    assert task.seed == 3
    assert task.seen == list(range(20, 48))
    for part in ("network", "average"):
        for name, tensor in whole.state()[part].items():
            assert torch.equal(tensor, resumed.state()[part][name])


def test_a_jump_of_the_network_moves_the_average_a_little():
    task = LineTask(0)
    trainer = Trainer(task, steps=10_000)
    trained(trainer, 600)
    before = trainer.state()["average"]["0.weight"].clone()

    task.learning_rate = 0.0
    nn.init.constant_(next(task.network.parameters()), 1000.0)
    trained(trainer, 1)

    share = (trainer.state()["average"]["0.weight"] - before) / (1000 - before)
    assert 0.05 < share.min() <= share.max() < 0.3


def test_the_learning_rate_rises_then_falls():
    rates = [schedule(share / 100) for share in range(101)]

    assert rates[0] < 0.1
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates.index(max(rates)) in range(3, 7)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.05


@pytest.fixture
def line_command(monkeypatch, tmp_path, settings):
    """The command with the small task in place of the detector, and no subprocess."""
    settings.BASE_DIR = tmp_path
    monkeypatch.setitem(train_starter._TASKS, "detector", LineTask)
    # What no family can load has no answers to be written down.
    monkeypatch.setattr(publishing, "write_golden", lambda directory: None)
    run = Trainer.run
    monkeypatch.setattr(Trainer, "run", lambda self: run(self, workers=0))
    return tmp_path


def test_the_command_publishes_weights_and_a_card_of_what_was_measured(line_command):
    call_command("train_starter", "detector", "--steps=3", "--seed=5")

    directory = line_command / "apps/inference/starter/models/line"
    card = weights.read_config(directory, weights.CARD_NAME)
    assert card["sha256"] == weights.sha256_of(directory / weights.WEIGHTS_NAME)
    assert card["figures"] == {"scenes": publishing.HELD_OUT_SCENES, "rate": 0.98765}
    assert card["parameters"] == 2 * 2 + 2 * 2
    assert card["command"].endswith("train_starter detector --steps 3 --seed 5")
    text = (directory / "card.md").read_text()
    assert card["sha256"] in text
    assert "0.9877" in text
    assert "photographs" in text


def test_ctrl_c_stops_after_a_step_and_resume_goes_on(line_command, monkeypatch):
    straight = Trainer(LineTask(5), steps=6)
    list(Trainer.run(straight))
    advance = Trainer.advance

    def interrupted(self, *batch):
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(self, *batch)

    monkeypatch.setattr(Trainer, "advance", interrupted)
    with pytest.raises(CommandError, match=r"step 3 of 6.*detector --resume"):
        call_command("train_starter", "detector", "--steps=6", "--seed=5")
    output = line_command / "elsewhere"
    call_command("train_starter", "detector", "--resume", f"--output={output}")

    published = load_file(output / weights.WEIGHTS_NAME)
    for name, tensor in straight.average.state_dict().items():
        assert torch.equal(tensor, published[name])


def test_ctrl_c_means_what_it_meant_once_the_command_is_over(line_command):
    before = signal.getsignal(signal.SIGINT)
    call_command("train_starter", "detector", "--steps=1")

    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("somebody_looks", [True, False])
def test_only_a_terminal_sees_a_bar(line_command, monkeypatch, capsys, somebody_looks):
    if somebody_looks:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    call_command("train_starter", "detector", "--steps=1")

    assert bool(capsys.readouterr().err) is somebody_looks


@pytest.mark.parametrize("steps", [0, -3])
def test_less_than_a_step_trains_nothing_and_replaces_nothing(line_command, steps):
    with pytest.raises(CommandError, match=f"no training in {steps} steps"):
        call_command("train_starter", "detector", f"--steps={steps}")

    assert list(line_command.iterdir()) == []


def test_help_tells_how_long_it_takes_and_what_is_replaced(capsys):
    with pytest.raises(SystemExit):
        load_command_class("apps.inference", "train_starter").run_from_argv(
            ["manage.py", "train_starter", "--help"]
        )

    told = " ".join(capsys.readouterr().out.split())
    assert "default: 5000 for detector, 4500 for classifier" in told
    assert "Without --output the model in the tree is replaced" in told


def test_resume_without_a_checkpoint_says_so(line_command):
    with pytest.raises(CommandError, match="nothing to resume"):
        call_command("train_starter", "detector", "--resume")
