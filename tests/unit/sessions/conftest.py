from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from apps.inference.models import Deployment
from apps.inference.types import Frame
from apps.nexus.stills import still_of
from apps.sessions import captures, services
from apps.sessions.captures import Occasion, Still
from apps.sessions.models import CameraSession, Capture

ANSWER: dict[str, Any] = {
    "is_hot_dog": True,
    "detections": [{"label": "hot dog", "score": 0.9, "box": [8, 8, 24, 20]}],
    "classifications": [],
}
KeepOne = Callable[..., Capture]


def still(level: int = 128, width: int = 64, height: int = 48) -> Still:
    """A grey picture, of another checksum for each level."""
    pixels = bytes([level]) * (width * height) + b"\x80" * (width * height // 2)
    return still_of(Frame("s", 0, width, height, pixels))


@pytest.fixture
def captures_dir(tmp_path: Path, settings: Settings) -> Path:
    settings.CAPTURES_DIR = tmp_path / "captures"
    settings.DATASETS_DIR = tmp_path / "datasets"
    return tmp_path / "captures"


@pytest.fixture
def session(captures_dir: Path, deployment: Deployment) -> CameraSession:
    """A visit that allows nothing yet."""
    return services.open_session(deployment=deployment.name, user=None, client="test")


@pytest.fixture
def keep(session: CameraSession) -> KeepOne:
    """Keep one more picture of the session, which allows it, for any reason."""
    captures.allow(session.pk, days=30)
    Deployment.objects.update(sample_share=0.1, sample_uncertain=True)
    levels = iter(range(60, 200))

    def keep_one(
        reason: Capture.Reason = Capture.Reason.WRONG,
        said: dict[str, Any] | None = None,
        predicted: dict[str, Any] = ANSWER,
        of: CameraSession = session,
    ) -> Capture:
        version_id = of.deployment.active_version_id
        occasion = Occasion(reason, version_id, predicted, said or {})
        return captures.keep_capture(of.pk, still(next(levels)), occasion)

    return keep_one


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]
