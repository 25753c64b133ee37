"""A disk without room for all: told in a sentence, and nothing is half done.

In processes of their own whose files may not grow, which the system says in the place
of a full disk.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from django.db import connection
from PIL import Image

from .dataset_files import folder

MOST_BYTES = 2 * 2**20
ROOT = Path(__file__).parents[3]
Run = Callable[..., subprocess.CompletedProcess[str]]

WRITE = (
    "import sys, datetime, django; django.setup()\n"
    "from apps.sessions import capture_files\n"
    "try:\n"
    "    capture_files.write(bytes(int(sys.argv[1])), datetime.datetime(2026, 5, 1))\n"
    "except capture_files.CaptureError as error:\n"
    "    print(error)\n"
)

STORE = (
    "import sys, torch\n"
    "from pathlib import Path\n"
    "from apps.inference.starter.training import store\n"
    "count, size = map(int, sys.argv[2:])\n"
    "try:\n"
    "    store({n: torch.ones(size) for n in range(count)}, Path(sys.argv[1]))\n"
    "except OSError as error:\n"
    "    print(error.strerror)\n"
)


def noise(side: int, seed: int) -> bytes:
    """A PNG that nothing makes smaller: three bytes a pixel."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    written = BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "EMPORIUM_TEST_DIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
        )

    return start


@pytest.fixture
def datasets(db: None, run: Run, tmp_path: Path) -> Run:
    """The command, on an empty database of its own."""
    with (
        sqlite3.connect(connection.settings_dict["NAME"]) as ours,
        sqlite3.connect(tmp_path / "emporium.sqlite3") as theirs,
    ):
        ours.backup(theirs)
    return lambda *arguments: run("manage.py", "datasets", *arguments)


def left(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_an_import_that_has_no_room(datasets: Run, tmp_path: Path):
    pictures: dict[str, bytes | dict[str, object]] = {
        "cup/small.png": noise(100, 1),
        "cup/large.png": noise(1000, 2),
    }
    path = folder(tmp_path / "import", pictures)
    said = datasets("import", "kitchen", "--from", str(path))
    assert said.returncode == 1
    assert "Nothing was imported. The disk refused: File too large." in said.stderr
    assert "Traceback" not in said.stderr
    assert "kitchen" not in datasets("list").stdout
    assert left(tmp_path / "datasets") == []


def test_an_export_that_has_no_room(datasets: Run, tmp_path: Path):
    pictures: dict[str, bytes | dict[str, object]] = {
        f"cup/{seed}.png": noise(600, seed) for seed in range(3)
    }
    path = folder(tmp_path / "import", pictures)
    assert datasets("import", "kitchen", "--from", str(path)).returncode == 0
    to = tmp_path / "out" / "kitchen.zip"
    to.parent.mkdir()
    said = datasets("export", "kitchen", "--to", str(to))
    assert said.returncode == 1
    assert f"{to} can't be written: File too large." in said.stderr
    assert "Traceback" not in said.stderr
    assert left(to.parent) == []


def test_a_capture_that_has_no_room(run: Run, tmp_path: Path):
    said = run("-c", WRITE, str(MOST_BYTES + 1))
    assert said.stdout == "The picture could not be kept: the disk is full.\n"
    assert left(tmp_path / "captures") == []
    assert run("-c", WRITE, "9").stdout == ""
    assert len(left(tmp_path / "captures")) == 1


@pytest.mark.parametrize(("count", "size"), [(1, 2**20), (3000, 2**8)])
def test_a_checkpoint_that_has_no_room(run: Run, tmp_path: Path, count: int, size: int):
    path = tmp_path / "checkpoint.pt"
    said = run("-c", STORE, str(path), str(count), str(size))
    assert said.stdout == "File too large\n", said.stderr
    assert not path.exists()
    assert run("-c", STORE, str(path), "1", "9").stdout == ""
    assert path.exists()
