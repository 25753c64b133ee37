"""An impossible value stops a process with a sentence that names it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from apps.inference.engines import AUTO, ENGINES


def engine_of(value: str) -> tuple[str, str]:
    """What a process says that is started with that engine, and its complaint."""
    done = subprocess.run(
        [sys.executable, "-c", "from emporium import settings; print(settings.ENGINE)"],
        env={**os.environ, "EMPORIUM_ENGINE": value},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip(), (done.stderr.strip() or "\n").splitlines()[-1]


@pytest.mark.parametrize("name", [AUTO, *ENGINES])
def test_an_engine_is_taken_by_its_name(name: str) -> None:
    assert engine_of(name) == (name, "")


@pytest.mark.parametrize("name", ["onnx", "", "OpenVINO"])
def test_an_engine_that_is_none_is_refused_in_one_sentence(name: str) -> None:
    said, complaint = engine_of(name)
    assert said == ""
    assert complaint.endswith(
        "EMPORIUM_ENGINE must be auto, torch-cuda, tensorrt, openvino, openvino-f32 or"
        f" torch-cpu, not {name!r}."
    )
