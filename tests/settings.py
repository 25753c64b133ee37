"""The product's settings with a database, a Redis and a key of the tests' own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.processes import free_port

# Whatever a developer's .env says, tests bring their own; `tests/conftest.py` and the
# process fixtures hand the same values to every process they start.
TEST_DIR = Path(os.environ.setdefault("EMPORIUM_TEST_DIR", tempfile.mkdtemp()))
os.environ["ENV_FILE"] = os.devnull
os.environ["SECRET_KEY"] = "only for tests, which keep nothing"
os.environ["DEBUG"] = "false"
os.environ["DATABASE_URL"] = f"sqlite:///{TEST_DIR / 'emporium.sqlite3'}"
os.environ.setdefault("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")

from emporium.settings import *  # noqa: E402, F403
from emporium.settings import DATABASES, JOB_KINDS, PREDICTOR_FAMILIES  # noqa: E402

VAR_DIR = TEST_DIR
CAPTURES_DIR = TEST_DIR / "captures"
DATASETS_DIR = TEST_DIR / "datasets"
# Records are written by a thread of their own, which an in-memory database hides from.
DATABASES["default"]["TEST"] = {"NAME": TEST_DIR / "tests.sqlite3"}
PREDICTOR_FAMILIES["scripted"] = "tests.scripted_predictor"
PREDICTOR_FAMILIES["marked"] = "tests.marked_predictor"
PREDICTOR_FAMILIES["clock"] = "tests.clock_predictor"
PREDICTOR_FAMILIES["bright"] = "tests.bright_predictor"
for kind in (
    *("waits", "deaf", "refuses", "breaks", "dies", "fills_the_disk", "is_cut_off"),
):
    JOB_KINDS[kind] = f"tests.job_kinds:{kind}"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
