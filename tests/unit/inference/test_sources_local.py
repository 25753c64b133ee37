from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from apps.inference import sources
from apps.inference.exceptions import (
    SourceChecksumError,
    SourceContentError,
    SourceMissingError,
    SourceRefusedError,
)
from apps.inference.sources import Fetched

MUSTARD = hashlib.sha256(b"mustard").hexdigest()


@pytest.fixture
def fetch(tmp_path):
    def fetch(path, sha256=None, progress=lambda done, total: None) -> Fetched:
        with sources.fetch(
            sources.parse(f"file:{path}"),
            tmp_path / "downloads",
            sha256=sha256,
            progress=progress,
        ) as fetched:
            return fetched

    return fetch


@pytest.fixture
def without_privileges() -> Iterator[None]:
    """Root may read everything; these tests are of everyone else."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_file_is_read_where_it_lies(tmp_path, fetch):
    path = tmp_path / "best.torchscript"
    path.write_bytes(b"mustard")
    told = []
    fetched = fetch(path, MUSTARD, lambda *args: told.append(args))
    assert fetched == Fetched(path=path, origin=f"file:{path}", licence="")
    assert told == [(7, 7)]
    assert not (tmp_path / "downloads").exists()


def test_a_folder_is_read_where_it_lies(tmp_path, fetch):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"mustard")
    told = []
    fetched = fetch(tmp_path, MUSTARD, lambda *args: told.append(args))
    assert fetched.path == tmp_path
    assert told == [(7, 7)]


def test_what_is_missing_is_named(tmp_path, fetch):
    with pytest.raises(SourceMissingError, match=r"no file or folder .*/best\.pt"):
        fetch(tmp_path / "best.pt")


@pytest.mark.parametrize("name", ["config.json", "pytorch_model.bin", "notes.txt"])
def test_a_folder_without_weights_is_refused(tmp_path, fetch, name):
    (tmp_path / name).write_bytes(b"mustard")
    (tmp_path / "a-folder.pt").mkdir()
    with pytest.raises(SourceContentError, match=r"no weights: no file ends in \.safe"):
        fetch(tmp_path)


def test_an_empty_file_is_refused(tmp_path, fetch):
    (tmp_path / "best.pt").touch()
    with pytest.raises(SourceContentError, match=r"best\.pt is empty"):
        fetch(tmp_path)


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html>...", b"\n <html>", b"\xef\xbb\xbf<?xml version"]
)
def test_a_saved_page_is_refused(tmp_path, fetch, content):
    (tmp_path / "best.pt").write_bytes(content)
    with pytest.raises(SourceContentError, match="is a web page, not a model"):
        fetch(tmp_path / "best.pt")


def test_what_is_no_file_is_refused(tmp_path, fetch):
    os.mkfifo(tmp_path / "best.pt")
    with pytest.raises(SourceContentError, match="is no file"):
        fetch(tmp_path / "best.pt")


def test_a_file_of_others_is_refused(tmp_path, fetch, without_privileges):
    path = tmp_path / "best.pt"
    os.seteuid(os.getuid())
    path.write_bytes(b"mustard")
    path.chmod(0)
    os.seteuid(65534 if os.getuid() == 0 else os.getuid())
    with pytest.raises(SourceRefusedError, match="can't be read: Permission denied"):
        fetch(path)


def test_a_name_too_long_for_the_disk_is_refused(tmp_path, fetch):
    with pytest.raises(SourceRefusedError, match="can't be read: File name too long"):
        fetch(tmp_path / ("a" * 300))


@pytest.mark.parametrize("folder", [False, True])
def test_another_checksum_is_refused(tmp_path, fetch, folder):
    path = tmp_path / "best.pt"
    path.write_bytes(b"ketchup")
    with pytest.raises(SourceChecksumError, match=r"best\.pt isn't the file"):
        fetch(tmp_path if folder else path, MUSTARD)
    assert path.read_bytes() == b"ketchup"


def test_a_checksum_is_of_one_file(tmp_path, fetch):
    for name in ("a.pt", "b.onnx"):
        (tmp_path / name).write_bytes(b"mustard")
    with pytest.raises(SourceContentError, match=r"of one file, .* a\.pt, b\.onnx"):
        fetch(tmp_path, MUSTARD)
