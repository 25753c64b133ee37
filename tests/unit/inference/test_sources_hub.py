from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download

from apps.inference import sources
from apps.inference.exceptions import (
    SourceChecksumError,
    SourceContentError,
    SourceDiskError,
    SourceMissingError,
    SourceRefusedError,
    SourceUnreachableError,
)
from apps.inference.sources import Fetched, hub
from bench.processes import free_port
from tests.unit.inference.loopback_site import Page, Site, serving

COMMIT = "0a" * 20
NEWER = "1b" * 20
WEIGHTS = bytes(range(256)) * 100
FILES = {
    "README.md": b"---\nlicense: apache-2.0\ntags: [vision]\n---\n# A model\n",
    "config.json": b'{"model_type": "resnet"}',
    "preprocessor_config.json": b"{}",
    "labels.txt": b"hot dog\nnot hot dog\n",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"pickle",
    "tf_model.h5": b"weights of another library",
    "modeling_odd.py": b"import os",
    "onnx/model.json": b"{}",
    "fp16/model.safetensors": WEIGHTS,
}
WANTED = set(list(FILES)[:5])


class Hub:
    """Plays the API and the files of the hub, as huggingface_hub asks for them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.publish(COMMIT, FILES)

    def publish(self, commit: str, files: dict[str, bytes], *names: str) -> None:
        info = {
            "id": "owner/name",
            "sha": commit,
            "siblings": [
                {"rfilename": name, "size": len(body), "blobId": "b"}
                for name, body in files.items()
            ],
        }
        page = Page(json.dumps(info).encode())
        self.site.pages["/api/models/owner/name"] = page
        for revision in (commit, "main", *names):
            self.site.pages[f"/api/models/owner/name/revision/{revision}"] = page
        for name, body in files.items():
            headers = {
                "ETag": f'"{hashlib.sha256(body).hexdigest()}"',
                "X-Repo-Commit": commit,
            }
            self.site.pages[f"/owner/name/resolve/{commit}/{name}"] = Page(
                body, headers=headers
            )

    def refuse(self, path: str, status: int, code: str = "", message: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        self.site.pages[path] = Page(status=status, headers=headers)

    @property
    def fetched(self) -> set[str]:
        return {
            path.rpartition("/")[2]
            for method, path, _ in self.site.requests
            if method == "GET" and "/resolve/" in path
        }


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def played(cache, monkeypatch) -> Iterator[Hub]:
    with serving() as site:
        monkeypatch.setattr(constants, "ENDPOINT", site.url)
        # Made of the endpoint when the library was imported.
        files = site.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield Hub(site)


@pytest.fixture
def offline(monkeypatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def fetch(tmp_path, played) -> Callable[..., Fetched]:
    def fetch(
        text="hub:owner/name", sha256=None, progress=lambda done, total: None
    ) -> Fetched:
        with sources.fetch(
            sources.parse(text),
            tmp_path / "downloads",
            sha256=sha256,
            progress=progress,
        ) as fetched:
            return fetched

    return fetch


def test_a_model_is_held_to_its_commit(played, fetch):
    fetched = fetch()
    assert fetched.origin == f"hub:owner/name@{COMMIT}"
    assert fetched.licence == "apache-2.0"
    assert {path.name for path in fetched.path.iterdir()} == WANTED
    assert (fetched.path / "model.safetensors").read_bytes() == WEIGHTS


def test_only_what_can_run_no_code_is_fetched(played, fetch):
    fetch()
    assert played.fetched == WANTED


def test_weights_come_last(played, fetch):
    fetch()
    assert played.site.requests[-1][1].endswith("/model.safetensors")


def test_progress_is_in_bytes_of_all_files(fetch):
    told = []
    fetch(progress=lambda *args: told.append(args))
    total = sum(len(FILES[name]) for name in WANTED)
    assert told == sorted(told)
    assert told[-1] == (total, total)
    assert len(told) > len(WANTED)


def test_progress_comes_to_its_end_without_a_download(played, fetch):
    fetch()
    played.site.requests.clear()
    told = []
    fetch(progress=lambda *args: told.append(args))
    assert played.fetched == set()
    total = sum(len(FILES[name]) for name in WANTED)
    assert told[-1] == (total, total)


@pytest.mark.parametrize("revision", ["v1.0", "refs/pr/3", COMMIT])
def test_a_revision_is_resolved(played, fetch, revision):
    played.publish(COMMIT, FILES, revision.replace("/", "%2F"))
    played.publish(NEWER, FILES)
    assert fetch(f"hub:owner/name@{revision}").origin == f"hub:owner/name@{COMMIT}"


def test_files_are_those_of_the_commit_even_if_a_newer_one_appears(played, fetch):
    page = played.site.pages["/api/models/owner/name"]
    played.publish(NEWER, {"config.json": b"{}", "model.safetensors": b"newer"})
    played.site.pages["/api/models/owner/name"] = [page]
    assert (fetch().path / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (b"---\nlicense: agpl-3.0\n---\n", "agpl-3.0"),
        (b"---\nlicense:\n- mit\n- apache-2.0\n---\n", "mit, apache-2.0"),
        (b"---\ntags: [x]\n---\n", ""),
        (b"# No metadata\n", ""),
        (b"---\n{ broken: [\n---\n", ""),
        (b"---\n- a list\n---\n", ""),
        (b"\xff\xfe", ""),
        (None, ""),
    ],
)
def test_the_licence_is_that_of_the_card(played, fetch, card, licence):
    files = {name: FILES[name] for name in WANTED - {"README.md"}}
    played.publish(COMMIT, {**files, "README.md": card} if card else files)
    assert fetch().licence == licence


def test_a_model_without_safetensors_is_refused(played, fetch, cache):
    files = {name: body for name, body in FILES.items() if "safe" not in name}
    played.publish(COMMIT, {**files, "fp16/model.safetensors": WEIGHTS})
    with pytest.raises(SourceContentError, match="no weights as safetensors, and pick"):
        fetch()
    assert played.fetched == set()


def test_the_checksum_is_of_the_weights(fetch):
    assert fetch(sha256=hashlib.sha256(WEIGHTS).hexdigest())
    with pytest.raises(SourceChecksumError, match=r"model\.safetensors isn't the file"):
        fetch(sha256="0" * 64)


def test_a_checksum_of_several_files_is_refused(played, fetch):
    played.publish(COMMIT, {**FILES, "model2.safetensors": b"more"})
    with pytest.raises(SourceContentError, match="A checksum is of one file"):
        fetch(sha256="0" * 64)


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}", "@v1.0"])
def test_what_was_fetched_is_found_offline(played, fetch, offline, revision):
    played.publish(COMMIT, FILES, "v1.0")
    first = fetch(f"hub:owner/name{revision}")
    played.publish(NEWER, FILES, "v1.0")
    played.site.requests.clear()
    offline()
    told = []
    text = f"hub:owner/name{revision}"
    assert fetch(text, progress=lambda *args: told.append(args)) == first
    assert played.site.requests == []
    assert told == [(len(WEIGHTS), len(WEIGHTS))]


@pytest.mark.parametrize("text", ["hub:owner/name@v2", "hub:owner/other"])
def test_what_was_not_fetched_is_missed_offline(fetch, offline, text):
    fetch()
    offline()
    with pytest.raises(SourceMissingError, match="HF_HUB_OFFLINE forbids to fetch it"):
        fetch(text)


def test_half_a_copy_is_not_taken_offline(fetch, offline):
    (fetch().path / "model.safetensors").unlink()
    offline()
    with pytest.raises(SourceContentError, match="no complete copy"):
        fetch()


def test_a_name_that_does_not_exist_is_told(played, fetch):
    message = "Invalid username or password."
    played.refuse("/api/models/owner/name", 401, "RepoNotFound", message)
    with pytest.raises(
        SourceMissingError, match=r"127\.0\.0\.1 has no model owner/name, or it is priv"
    ):
        fetch()


def test_a_name_that_is_not_for_this_token_is_told(played, fetch):
    played.refuse("/api/models/owner/name", 404, "RepoNotFound")
    with pytest.raises(SourceMissingError, match="no model owner/name"):
        fetch()


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model_is_told(played, fetch, status):
    path = f"/owner/name/resolve/{COMMIT}/config.json"
    played.refuse(path, status, "GatedRepo", "Access is restricted.")
    with pytest.raises(
        SourceRefusedError,
        match=r"accepted its terms at http://.*/owner/name: .* HF_TOK",
    ):
        fetch()


def test_a_disabled_model_is_told(played, fetch):
    message = "Access to this resource is disabled."
    played.refuse("/api/models/owner/name", 403, "", message)
    with pytest.raises(SourceRefusedError, match="has disabled owner/name"):
        fetch()


def test_a_token_that_is_refused_is_told(played, fetch):
    message = "Invalid credentials in Authorization header"
    played.refuse("/api/models/owner/name", 401, "", message)
    with pytest.raises(SourceRefusedError, match="doesn't let this HF_TOKEN read"):
        fetch()


def test_a_revision_that_does_not_exist_is_told(played, fetch):
    played.refuse("/api/models/owner/name/revision/v9", 404, "RevisionNotFound")
    with pytest.raises(SourceMissingError, match="no branch, tag or commit 'v9'"):
        fetch("hub:owner/name@v9")


@pytest.mark.parametrize("status", [429, 503])
def test_a_bad_day_of_the_hub_is_told(played, fetch, status):
    played.refuse("/api/models/owner/name", status)
    with pytest.raises(SourceUnreachableError, match=rf"\(HTTP {status}\)"):
        fetch()


def test_no_network_is_told(fetch, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SourceUnreachableError, match=r"is the network up\?$"):
        fetch()


def test_without_a_network_what_was_fetched_before_is_pointed_to(fetch, monkeypatch):
    fetch()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SourceUnreachableError, match="found with HF_HUB_OFFLINE=1"):
        fetch()


def test_a_hub_that_says_nothing_is_left(played, fetch, monkeypatch):
    monkeypatch.setattr(hub, "TIMEOUT_S", 0.05)
    played.site.pages["/api/models/owner/name"] = Page(waits_for=played.site.closing)
    with pytest.raises(SourceUnreachableError, match="can't be reached, or stopped"):
        fetch()


def test_a_page_in_place_of_the_hub_is_told(played, fetch):
    played.site.pages["/api/models/owner/name"] = Page(b"<html>Sign in</html>")
    with pytest.raises(SourceUnreachableError, match="can't be reached, or stopped"):
        fetch()


def test_a_commit_that_is_none_is_not_believed(played, fetch):
    played.publish("../../outside", FILES)
    with pytest.raises(SourceUnreachableError):
        fetch()
    assert len(played.site.requests) == 1


def test_a_connection_that_is_lost_for_good_is_told(played, fetch, cache, monkeypatch):
    # The library tries again, a second apart.
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    page = played.site.pages[f"/owner/name/resolve/{COMMIT}/model.safetensors"]
    page.cut_after = 0
    with pytest.raises(SourceUnreachableError, match="can't be reached, or stopped"):
        fetch()
    page.cut_after = None
    assert (fetch().path / "model.safetensors").read_bytes() == WEIGHTS
    assert not list(cache.rglob("*.incomplete"))


def test_a_store_behind_the_hub_that_is_away_is_told(played, fetch, cache, monkeypatch):
    """The hub keeps large files elsewhere, and hf_xet takes minutes to give that up."""

    def give_up(**arguments):
        raise RuntimeError("Task error: File reconstruction error: CAS Client Error")

    monkeypatch.setattr(file_download, "xet_get", give_up)
    path = f"/owner/name/resolve/{COMMIT}/model.safetensors"
    played.site.pages[path].headers.update(
        {"X-Xet-Hash": "a" * 64, "X-Xet-Refresh-Route": f"{played.site.url}/xet"}
    )
    with pytest.raises(SourceUnreachableError, match="can't be reached, or stopped"):
        fetch()
    assert not list(cache.rglob("*.incomplete"))


Usage = namedtuple("Usage", "total used free")


def test_too_small_a_disk_is_told_before(played, fetch, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 9))
    with pytest.raises(
        SourceDiskError, match=r"owner/name needs 26 kB .* 9 bytes left"
    ):
        fetch()
    assert played.fetched == set()


def test_what_is_there_needs_no_room(fetch, monkeypatch):
    fetch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 0))
    assert fetch()


def test_a_disk_that_runs_full_is_told_and_cleared(fetch, cache):
    def raise_no_space(done, total):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SourceDiskError, match="ran full while owner/name came in"):
        fetch(progress=raise_no_space)
    assert not list(cache.rglob("*.incomplete"))
    assert not list(cache.rglob("model.safetensors"))


def test_a_cache_that_cannot_be_made_is_named(fetch, cache):
    cache.touch()
    with pytest.raises(SourceDiskError, match="can't be written to: Not a directory"):
        fetch()


def test_the_environment_is_obeyed_and_nobody_told_more(played, tmp_path, cache):
    """As a process of the product would: first with the network, then without."""
    code = (
        "import sys, pathlib; from apps.inference import sources\n"
        "with sources.fetch(sources.parse('hub:owner/name'), pathlib.Path('x'),"
        " sha256=None, progress=lambda done, total: None) as fetched:\n"
        "    print(fetched.origin)"
    )

    def origin(**environment: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
            env={
                **os.environ,
                "HF_ENDPOINT": played.site.url,
                "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_CACHE": str(cache),
                **environment,
            },
        ).stdout.strip()

    assert origin() == f"hub:owner/name@{COMMIT}"
    assert not any("torch" in agent for agent in played.site.sent("User-Agent"))
    assert played.site.sent("Authorization") == [""] * 6
    played.site.requests.clear()
    assert origin(HF_HUB_OFFLINE="1") == f"hub:owner/name@{COMMIT}"
    assert played.site.requests == []
