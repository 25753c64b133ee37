"""What runs models is imported by who runs them: the other processes stay light."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"torch", "transformers", "openvino", "cv2", "torchvision", "onnxruntime"}
# Rings a doorbell too, since Celery imports tasks when it feels like it. No Redis is
# asked: the broker of this process is its own memory.
SCRIPT = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import emporium.asgi
from celery import current_app
from django.urls import get_resolver
get_resolver().url_patterns
from apps.inference import client
current_app.conf.broker_url = "memory://"
client.ring("gpu")
print(json.dumps(sorted(sys.modules)))
"""
WORKER_SCRIPT = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from emporium.celery import app
app.loader.init_worker()
print(json.dumps(sorted(sys.modules)))
"""


def imported_by(script: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_worker_of_jobs_or_housekeeping_imports_nothing_that_runs_models():
    modules = imported_by(WORKER_SCRIPT)
    assert HEAVY & modules == set()
    assert {"apps.inference.tasks", "apps.sessions.tasks"} <= modules


def test_the_web_process_imports_nothing_that_runs_models():
    modules = imported_by(SCRIPT)
    assert HEAVY & modules == set()
    assert not any(name.startswith("apps.inference.predictors.") for name in modules)
    # It is the whole web process that was looked at.
    assert {"apps.nexus.consumers", "apps.sessions.views", "aiortc"} <= modules
