"""What the bench asks of the product's database and models.

Each function is for `Product.inside`, in a process that has the product's settings:
models are imported only there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from apps.inference.types import Frame
from bench.clip import EncodedClip, decode
from bench.figures import Spread, spread

PATIENCE_S = 20.0
# As many different frames as fit into a little memory.
BARE_FRAMES = 100


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of a run's frames."""

    received: int
    inferred: int
    superseded: int
    expired: int
    throttled: int
    failed: int
    lost: int
    pending: int
    adds_up: bool


@dataclass(frozen=True, slots=True)
class BarePredictor:
    """The model alone, one frame at a time, in a process that does nothing else."""

    model: str
    engine: str
    threads: int
    results_per_second: float
    predict_ms: Spread


def deploy_starters() -> None:
    # Not all of `provision`, which writes a password into this checkout.
    from apps.inference.registering.registry import register_starters

    register_starters()


def deploy(
    directory: Path,
    family: str,
    name: str | None = None,
    *,
    deployment_name: str = "default",
    queue: str = "gpu",
) -> None:
    """Have the model in `directory` answer, as an operator would who activates it."""
    from apps.inference import services
    from apps.inference.models import Deployment
    from apps.inference.registering import registry

    version = registry.register_version(
        name=name or directory.name, family=family, directory=directory
    )
    deployment, _ = Deployment.objects.get_or_create(
        name=deployment_name, defaults={"active_version": version, "queue": queue}
    )
    services.activate(deployment, version)


def try_beside(directory: Path, family: str, kind: str, share: float) -> int:
    """Have the model in `directory` tried beside what answers; gives the trial's id."""
    from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment
    from apps.inference.registering import registry
    from apps.inference.trials import services

    version = registry.register_version(
        name=directory.name, family=family, directory=directory
    )
    deployment = Deployment.objects.get(name=DEFAULT_DEPLOYMENT)
    return services.start(deployment, version, kind, share).pk


def register_second_detector() -> None:
    """The starter's own files under another name: another version, as large."""
    from apps.inference.models import ModelVersion, RegisteredModel

    starter = ModelVersion.objects.get(model__name="starter-detector")
    second = RegisteredModel.objects.create(
        name="second-detector", family=starter.model.family
    )
    starter.pk, starter.model = None, second
    starter._state.adding = True
    starter.save()


def shadow_all(name: str) -> int:
    """Shadow all frames with a registered model; back when it is compared."""
    from apps.inference.finding import find_deployment, find_version
    from apps.inference.models import DEFAULT_DEPLOYMENT, Trial
    from apps.inference.trials import services

    deployment = find_deployment(DEFAULT_DEPLOYMENT)
    trial = services.start(deployment, find_version(name), Trial.Kind.SHADOW, 1.0)
    deadline = time.monotonic() + 3 * PATIENCE_S
    while not trial.figures:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The shadow answers nothing. {trial.reason}")
        time.sleep(0.5)
        trial.refresh_from_db()
    return trial.pk


def alternate_share(
    trial_id: int, shares: Sequence[float], hold_s: float
) -> list[float]:
    """Have the shadow shown other shares of the frames, without loading it anew.

    Returns:
        When each began, of `time.monotonic`.
    """
    from apps.inference.models import Trial

    began = []
    for share in shares:
        Trial.objects.filter(pk=trial_id).update(share=share)
        began.append(time.monotonic())
        time.sleep(hold_s)
    return began


def compared_by_shadow(trial_id: int) -> int:
    from apps.inference.models import Trial

    figures = Trial.objects.get(pk=trial_id).figures
    return int(figures.get("agreement", {}).get("compared", 0))


def deploy_written(directory: Path, family: str, config: dict[str, Any]) -> None:
    """Deploy a model that is nothing but its config; write it to `directory`."""
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"family": family, **config}))
    # Its bytes are only what the checksum is taken of.
    (directory / "model.safetensors").write_bytes(b"nothing")
    deploy(directory, family)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an activation; `asked_at` is a time of the clock."""

    version: str
    state: str
    reason: str
    asked_at: float
    took_s: float


def activate(model: str, at: float) -> Outcome:
    """Click at a time, and wait until it is decided."""
    from apps.inference import services
    from apps.inference.finding import find_deployment, find_version
    from apps.inference.models import DEFAULT_DEPLOYMENT

    deployment, version = find_deployment(DEFAULT_DEPLOYMENT), find_version(model)
    time.sleep(max(0.0, at - time.time()))
    asked_at = time.time()
    activation = services.activate(deployment, version)
    if activation is None:
        raise RuntimeError(f"{version} is active already.")
    while activation.is_under_way:
        time.sleep(0.1)
        activation.refresh_from_db()
    return Outcome(
        version=str(version),
        state=activation.state,
        reason=activation.reason,
        asked_at=asked_at,
        took_s=round(
            (activation.changed_at - activation.requested_at).total_seconds(), 1
        ),
    )


def run_latencies() -> list[dict[str, Any]]:
    """Of every run, by stage, from what the product itself has written."""
    from apps.sessions.models import Run

    return list(Run.objects.order_by("pk").values_list("latency", flat=True))


def ledgers(session_ids: Sequence[UUID]) -> list[Ledger]:
    """The ledger of every run of these sessions, once their pages have left.

    Raises:
        TimeoutError: the product did not notice that they have.
    """
    from apps.sessions.models import CameraSession, Run

    deadline = time.monotonic() + PATIENCE_S
    sessions = CameraSession.objects.filter(pk__in=session_ids)
    while sessions.exclude(holder="").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Some sessions are still held: {session_ids}")
        time.sleep(0.1)
    return [
        Ledger(
            received=run.received,
            inferred=run.inferred,
            superseded=run.superseded,
            expired=run.expired,
            throttled=run.throttled,
            failed=run.failed,
            lost=run.lost,
            pending=run.pending,
            adds_up=run.received == run.inferred + run.dropped + run.pending,
        )
        for run in Run.objects.filter(session_id__in=session_ids).order_by("pk")
    ]


def held_sessions() -> int:
    from apps.sessions.models import CameraSession

    return CameraSession.objects.filter(ended_at=None).exclude(holder="").count()


def bare_predictor(clip: EncodedClip, seconds: float) -> BarePredictor:
    """Predict the clip's frames again and again, loaded as a worker loads the model."""
    import torch

    from apps.inference.models import DEFAULT_DEPLOYMENT, Deployment
    from apps.inference.serving.loading import load_version

    deployment = Deployment.objects.get(name=DEFAULT_DEPLOYMENT)
    loaded = load_version(deployment.active_version)
    frames = _decode(clip)
    predict_ms: list[float] = []
    began = ended = time.perf_counter()
    while ended - began < seconds:
        started = ended
        loaded.predictor.predict([frames[len(predict_ms) % len(frames)]])
        ended = time.perf_counter()
        predict_ms.append((ended - started) * 1000)
    return BarePredictor(
        model=str(deployment.active_version),
        engine=loaded.predictor.engine,
        threads=torch.get_num_threads(),
        results_per_second=len(predict_ms) / (ended - began),
        predict_ms=spread(predict_ms),
    )


def _decode(clip: EncodedClip) -> list[Frame]:
    """Frames from all over the clip, as the web process hands them to a worker."""
    from django.conf import settings

    from apps.nexus.pipeline import ReceivedFrame, to_i420

    step = -(-len(clip.packets) // BARE_FRAMES)
    return [
        to_i420(ReceivedFrame(seq, picture, 0.0), "bare", settings.FRAME_MAX_SIDE)
        for seq, picture in enumerate(decode(clip))
        if seq % step == 0
    ]
