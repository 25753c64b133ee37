from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
import resource
import shutil
import ssl
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.inference import sources
from apps.inference.exceptions import (
    SourceChecksumError,
    SourceContentError,
    SourceDiskError,
    SourceMissingError,
    SourceRefusedError,
    SourceUnreachableError,
)
from apps.inference.sources import Fetched, https
from bench.processes import free_port
from tests.unit.inference.loopback_site import Page, Site, serving

WEIGHTS = bytes(range(256)) * 1200  # larger than what is read at once
OTHERS = WEIGHTS[::-1]
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
TAGGED = {"ETag": '"v1"'}
CUT = 200_000


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def fetch(tmp_path, site) -> Callable[..., Fetched]:
    def fetch(
        url="/yolov5s.pt", sha256=None, progress=lambda done, total: None
    ) -> Fetched:
        with sources.fetch(
            sources.parse(url if "://" in url else site.url + url),
            tmp_path / "downloads",
            sha256=sha256,
            progress=progress,
        ) as fetched:
            return fetched

    return fetch


@pytest.fixture
def kept(tmp_path) -> Callable[[], dict[str, bytes]]:
    """What lies in the downloads, but for the lock."""
    return lambda: {
        path.name: path.read_bytes()
        for path in (tmp_path / "downloads").rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.fixture
def cut(site, fetch, kept) -> Callable[..., None]:
    """An attempt that ends half-way, after which the page may be another."""

    def cut(**behaviour) -> None:
        site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers=TAGGED, cut_after=CUT)
        with pytest.raises(SourceUnreachableError, match="goes on from there"):
            fetch()
        assert kept()["yolov5s.pt.part"] == WEIGHTS[:CUT]
        site.pages["/yolov5s.pt"] = Page(WEIGHTS, **{"headers": TAGGED, **behaviour})
        site.requests.clear()

    return cut


def test_a_file_arrives_whole(site, fetch, kept):
    site.pages["/a/yolov5s.pt"] = Page(WEIGHTS)
    told = []
    fetched = fetch("/a/yolov5s.pt", progress=lambda *args: told.append(args))
    assert fetched.path.name == "yolov5s.pt"
    assert fetched.path.read_bytes() == WEIGHTS
    assert fetched.origin == f"{site.url}/a/yolov5s.pt"
    assert fetched.licence == ""
    assert kept() == {"yolov5s.pt": WEIGHTS}
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))


def test_nothing_is_asked_of_the_file_that_is_there(site, fetch):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    first = fetch(sha256=SHA256)
    told = []
    assert fetch(sha256=SHA256, progress=lambda *args: told.append(args)) == first
    assert len(site.requests) == 1
    assert told == [(len(WEIGHTS), len(WEIGHTS))]


def test_without_a_checksum_the_file_is_fetched_again(site, fetch):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    fetch()
    site.pages["/yolov5s.pt"] = Page(OTHERS)
    assert fetch().path.read_bytes() == OTHERS


def test_files_of_one_name_do_not_meet(site, fetch):
    site.pages = {"/a/best.pt": Page(WEIGHTS), "/b/best.pt": Page(OTHERS)}
    first, second = fetch("/a/best.pt"), fetch("/b/best.pt")
    assert first.path.read_bytes() == WEIGHTS
    assert second.path.read_bytes() == OTHERS


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "model"),
        ("/a/..%2f..%2fetc", "etc"),
        ("/.bashrc", "bashrc"),
        ("/w%C3%BCrst%20chen.pt", "w_rst_chen.pt"),
        ("/" + "a" * 300 + ".onnx", "a" * 95 + ".onnx"),
        ("/best.pt?version=2#top", "best.pt"),
    ],
)
def test_a_file_is_called_as_in_its_address(path, name):
    source = sources.parse(f"https://example.org{path}")
    assert isinstance(source, https.HttpsSource)
    assert source.name == name


def test_the_origin_keeps_no_secret(site, fetch):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    url = site.url.replace("//", "//me:secret@") + "/yolov5s.pt?token=secret#secret"
    assert fetch(url).origin == f"{site.url}/yolov5s.pt?…"
    assert site.sent("Authorization")[0].startswith("Basic ")


def test_another_checksum_is_refused_and_nothing_kept(site, fetch, kept):
    site.pages["/yolov5s.pt"] = Page(OTHERS, headers=TAGGED)
    actual = hashlib.sha256(OTHERS).hexdigest()
    with pytest.raises(
        SourceChecksumError, match=rf"yolov5s\.pt isn't the file .* SHA-256 is {actual}"
    ):
        fetch(sha256=SHA256)
    assert kept() == {}


def test_a_file_stays_when_its_successor_is_refused(site, fetch, kept):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    fetch()
    site.pages["/yolov5s.pt"] = Page(OTHERS)
    with pytest.raises(SourceChecksumError):
        fetch(sha256="0" * 64)
    assert kept() == {"yolov5s.pt": WEIGHTS}


def test_a_repeat_goes_on_where_the_connection_was_lost(site, fetch, kept, cut):
    cut()
    told = []
    assert fetch(sha256=SHA256, progress=lambda *args: told.append(args))
    assert site.sent("Range") == [f"bytes={CUT}-"]
    assert site.sent("If-Range") == ['"v1"']
    assert told[0][0] > CUT
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert kept() == {"yolov5s.pt": WEIGHTS}


def test_a_date_is_as_good_as_a_tag(site, fetch):
    headers = {"ETag": 'W/"v1"', "Last-Modified": "Wed, 25 Nov 2026 02:00:00 GMT"}
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers=headers, cut_after=CUT)
    with pytest.raises(SourceUnreachableError, match="goes on from there"):
        fetch()
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers=headers)
    assert fetch(sha256=SHA256)
    assert site.sent("If-Range") == ["", headers["Last-Modified"]]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"v1"'}], ids=["none", "weak"])
def test_what_has_no_exact_tag_starts_again(site, fetch, headers):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers=headers, cut_after=CUT)
    with pytest.raises(SourceUnreachableError, match="the next attempt starts again"):
        fetch()
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers=headers)
    assert fetch(sha256=SHA256)
    assert site.sent("Range") == ["", ""]


@pytest.mark.parametrize(
    ("behaviour", "requests"),
    [
        ({"ignores_range": True}, 1),
        ({"headers": {"ETag": '"v2"'}}, 1),
        ({"headers": {"ETag": '"v2"'}, "ignores_if_range": True}, 2),
    ],
    ids=["no ranges", "changed", "changed unnoticed"],
)
def test_what_is_not_the_rest_starts_over(site, fetch, cut, behaviour, requests):
    cut(**behaviour)
    site.pages["/yolov5s.pt"].body = OTHERS
    assert fetch().path.read_bytes() == OTHERS
    assert len(site.requests) == requests


@pytest.mark.parametrize(
    "answer",
    [
        Page(status=416),
        Page(b"12345", 206, {**TAGGED, "Content-Range": "bytes 0-4/9"}),
        Page(b"12345", 206, TAGGED),
    ],
    ids=["shorter now", "another range", "some range"],
)
def test_an_answer_that_is_not_the_rest_starts_over(site, fetch, cut, answer):
    cut()
    site.pages["/yolov5s.pt"] = [answer, Page(b"short")]
    assert fetch().path.read_bytes() == b"short"


@pytest.mark.parametrize(
    ("status", "error"), [(503, SourceUnreachableError), (404, SourceMissingError)]
)
def test_a_part_outlives_the_bad_day_of_a_server(site, fetch, kept, cut, status, error):
    cut(status=status, ignores_range=True)
    with pytest.raises(error):
        fetch()
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers=TAGGED)
    assert fetch(sha256=SHA256)
    assert site.sent("Range") == [f"bytes={CUT}-"] * 2


def test_a_part_outlives_a_page_in_place_of_the_rest(site, fetch, kept, cut):
    cut()
    site.pages["/yolov5s.pt"] = Page(b"<html>", headers={"ETag": '"page"'})
    with pytest.raises(SourceContentError):
        fetch()
    assert kept()["yolov5s.pt.part"] == WEIGHTS[:CUT]


def test_a_file_shorter_than_announced_is_not_taken(site, fetch, kept):
    page = Page(WEIGHTS, headers=TAGGED, claims_length=len(WEIGHTS) + 5)
    site.pages["/yolov5s.pt"] = page
    with pytest.raises(SourceUnreachableError, match="was lost while yolov5s"):
        fetch()
    assert "yolov5s.pt" not in kept()


def test_a_rest_shorter_than_announced_is_not_taken(site, fetch, kept, cut):
    cut(claims_length=5)
    with pytest.raises(SourceUnreachableError, match="goes on from there"):
        fetch()
    assert kept()["yolov5s.pt.part"] == WEIGHTS[: CUT + 5]


def test_a_file_of_unknown_length_arrives_too(site, fetch):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, hides_length=True)
    told = []
    assert fetch(sha256=SHA256, progress=lambda *args: told.append(args))
    assert told[-1] == (len(WEIGHTS), None)


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (404, SourceMissingError, r"127\.0\.0\.1 has no such file \(HTTP 404\)"),
        (410, SourceMissingError, "has no such file"),
        (401, SourceRefusedError, r"doesn't give yolov5s\.pt to everyone"),
        (403, SourceRefusedError, r"to everyone \(HTTP 403\)"),
        (429, SourceUnreachableError, r"\(HTTP 429\); it may later"),
        (500, SourceUnreachableError, r"\(HTTP 500\); it may later"),
        (206, SourceUnreachableError, r"\(HTTP 206\)"),
        (204, SourceUnreachableError, r"\(HTTP 204\)"),
    ],
)
def test_an_answer_without_the_file_is_a_sentence(
    site, fetch, kept, status, error, sentence
):
    site.pages["/yolov5s.pt"] = Page(b"", status=status)
    with pytest.raises(error, match=sentence):
        fetch()
    assert kept() == {}


@pytest.mark.parametrize(
    "page",
    [
        Page(WEIGHTS, headers={"Content-Type": "text/html; charset=utf-8"}),
        Page(WEIGHTS, headers={"Content-Type": "application/xhtml+xml"}),
        Page(b"<!DOCTYPE html><title>Sign in</title>"),
        Page(b"\r\n<HTML>", headers={"Content-Type": "application/octet-stream"}),
    ],
)
def test_a_page_in_place_of_weights_is_refused(site, fetch, kept, page):
    site.pages["/yolov5s.pt"] = page
    with pytest.raises(SourceContentError, match=r"yolov5s\.pt is a web page"):
        fetch()
    assert kept() == {}


def test_an_empty_file_is_refused(site, fetch, kept):
    site.pages["/yolov5s.pt"] = Page(b"")
    with pytest.raises(SourceContentError, match="is empty"):
        fetch()
    assert kept() == {}


def test_a_packed_file_is_refused(site, fetch, kept):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceContentError, match="packed"):
        fetch()
    assert site.sent("Accept-Encoding") == ["identity"]
    assert kept() == {}


def _to(location: str) -> Page:
    return Page(status=302, headers={"Location": location})


def test_a_redirect_is_followed_and_not_kept(site, fetch):
    site.pages = {"/yolov5s.pt": _to("/stored?secret=1"), "/stored": Page(WEIGHTS)}
    fetched = fetch(sha256=SHA256)
    assert fetched.path.name == "yolov5s.pt"
    assert fetched.origin == f"{site.url}/yolov5s.pt"


def test_the_rest_is_asked_for_behind_a_redirect(site, fetch):
    site.pages["/yolov5s.pt"] = _to("/stored")
    site.pages["/stored"] = Page(WEIGHTS, headers=TAGGED, cut_after=CUT)
    with pytest.raises(SourceUnreachableError):
        fetch()
    site.pages["/stored"] = Page(WEIGHTS, headers=TAGGED)
    fetch(sha256=SHA256)
    assert site.sent("Range")[-1] == f"bytes={CUT}-"


@pytest.mark.parametrize(
    "location", ["http://example.invalid/a.pt", "ftp://127.0.0.1/a.pt", "file:///a.pt"]
)
def test_a_redirect_away_from_https_is_refused(site, fetch, location):
    site.pages["/yolov5s.pt"] = _to(location)
    with pytest.raises(SourceRefusedError, match="only https:// keeps"):
        fetch()


def test_redirects_come_to_an_end(site, fetch):
    site.pages["/yolov5s.pt"] = _to("/yolov5s.pt")
    with pytest.raises(SourceUnreachableError, match="from address to address"):
        fetch()
    assert len(site.requests) == https.MAX_REDIRECTS + 1


def test_a_host_that_is_away_is_named(fetch):
    with pytest.raises(SourceUnreachableError, match=r"127\.0\.0\.1 can't be reached"):
        fetch(f"http://127.0.0.1:{free_port()}/yolov5s.pt")


def test_a_host_that_says_nothing_is_left(site, fetch, monkeypatch):
    monkeypatch.setattr(https, "TIMEOUT", httpx2.Timeout(0.05))
    site.pages["/yolov5s.pt"] = Page(waits_for=site.closing)
    with pytest.raises(SourceUnreachableError, match="doesn't answer"):
        fetch()


def test_a_host_that_falls_silent_is_left(site, fetch, kept, monkeypatch):
    monkeypatch.setattr(https, "TIMEOUT", httpx2.Timeout(0.3))
    page = Page(WEIGHTS, headers=TAGGED, cut_after=CUT, silent=True)
    site.pages["/yolov5s.pt"] = page
    with pytest.raises(SourceUnreachableError, match="goes on from there"):
        fetch()
    assert kept()["yolov5s.pt.part"] == WEIGHTS[:CUT]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1, with its key, that nobody trusts yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def safe_site(certificate) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as site:
        site.url = site.url.replace("127.0.0.1", "localhost")
        yield site


def test_a_file_arrives_by_https(fetch, safe_site, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    safe_site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    assert fetch(f"{safe_site.url}/yolov5s.pt", SHA256).path.read_bytes() == WEIGHTS


def test_a_host_that_speaks_no_tls_was_reached(fetch, site):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    with pytest.raises(
        SourceUnreachableError, match="was reached, but doesn't speak TLS"
    ):
        fetch(site.url.replace("http://", "https://") + "/yolov5s.pt")


def test_a_certificate_that_nobody_trusts_is_refused(fetch, safe_site):
    safe_site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    with pytest.raises(
        SourceUnreachableError,
        match="localhost was reached, but its certificate can't be trusted: self",
    ):
        fetch(f"{safe_site.url}/yolov5s.pt")
    assert safe_site.requests == []


def test_a_redirect_from_https_to_the_loopback_is_refused(
    site, fetch, safe_site, certificate, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    safe_site.pages["/yolov5s.pt"] = _to(f"{site.url}/yolov5s.pt")
    with pytest.raises(SourceRefusedError, match="only https:// keeps"):
        fetch(f"{safe_site.url}/yolov5s.pt")
    assert site.requests == []


Usage = namedtuple("Usage", "total used free")


def test_too_small_a_disk_is_told_before(site, fetch, kept, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: Usage(0, 0, len(WEIGHTS) - 1)
    )
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)
    with pytest.raises(SourceDiskError, match=r"yolov5s\.pt needs 307 kB more, .* 307"):
        fetch()
    assert kept().get("yolov5s.pt.part") is None


def test_only_the_rest_needs_room(site, fetch, cut, monkeypatch):
    cut()
    free = len(WEIGHTS) - CUT
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free))
    assert fetch(sha256=SHA256)


FETCH = (
    "import sys, pathlib; from apps.inference import sources\n"
    "from apps.inference.exceptions import SourceDiskError\n"
    "url, downloads = sys.argv[1:]\n"
    "try:\n"
    "    with sources.fetch(sources.parse(url), pathlib.Path(downloads),"
    " sha256=None, progress=lambda done, total: None):\n"
    "        pass\n"
    "except SourceDiskError as error:\n"
    "    print(error)\n"
)


def small_disk() -> None:
    """Files may have 4 kB, which the system says in the place of a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.parametrize("body", [WEIGHTS, WEIGHTS[:5000]], ids=["large", "small"])
def test_a_disk_that_runs_full_is_told_and_cleared(tmp_path, site, kept, body):
    site.pages["/yolov5s.pt"] = Page(body, headers=TAGGED)
    # In a process of its own: where this one writes has its limits too.
    said = subprocess.run(
        [sys.executable, "-c", FETCH, f"{site.url}/yolov5s.pt", tmp_path / "downloads"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        preexec_fn=small_disk,
    ).stdout
    assert "ran full while yolov5s.pt came in" in said
    assert kept() == {}


def test_a_folder_that_cannot_be_made_is_named(tmp_path, site, fetch):
    (tmp_path / "downloads").touch()
    with pytest.raises(SourceDiskError, match="can't be written to: Not a directory"):
        fetch()
    assert site.requests == []


def test_what_the_listener_raises_is_its_own(site, fetch, kept):
    def raise_broken_pipe(done, total):
        raise BrokenPipeError(32, "Broken pipe")

    site.pages["/yolov5s.pt"] = Page(WEIGHTS, headers=TAGGED)
    with pytest.raises(BrokenPipeError):
        fetch(progress=raise_broken_pipe)
    site.requests.clear()
    assert fetch(sha256=SHA256)
    assert site.sent("If-Range") == ['"v1"']


def test_what_is_being_read_nobody_else_fetches_or_removes(tmp_path, site):
    site.pages["/yolov5s.pt"] = Page(WEIGHTS)

    def fetch_and_remove() -> None:
        with sources.fetch(
            sources.parse(f"{site.url}/yolov5s.pt"),
            tmp_path / "downloads",
            sha256=None,
            progress=lambda done, total: None,
        ) as fetched:
            read.append(fetched.path.read_bytes())
            fetched.path.unlink()
            if len(read) == 1:
                other.start()
                site.pages["/yolov5s.pt"] = Page(OTHERS)
                with (
                    fetched.path.with_name("yolov5s.pt.lock").open("wb") as lock,
                    pytest.raises(BlockingIOError),
                ):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                assert len(site.requests) == 1

    read: list[bytes] = []
    other = Thread(target=fetch_and_remove)
    fetch_and_remove()
    other.join()
    assert read == [WEIGHTS, OTHERS]


def test_what_fails_leaves_no_trace(tmp_path, fetch):
    with pytest.raises(SourceMissingError):
        fetch("/nowhere.pt")
    assert [*(tmp_path / "downloads").iterdir()] == []


def test_two_processes_fetch_the_same_once(tmp_path, site):
    """Both have begun before the server answers; who comes second finds the file."""
    site.pages["/yolov5s.pt"] = Page(WEIGHTS, waits_for=Event())
    code = (
        "import sys, pathlib; from apps.inference import sources\n"
        "url, downloads, sha256 = sys.argv[1:]\n"
        "print('begins', flush=True)\n"
        "with sources.fetch(sources.parse(url), pathlib.Path(downloads),"
        " sha256=sha256, progress=lambda done, total: None) as fetched:\n"
        "    print(fetched.path)\n"
    )
    arguments = [f"{site.url}/yolov5s.pt", str(tmp_path / "downloads"), SHA256]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
            env=os.environ,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "begins\n"
    gate = site.pages["/yolov5s.pt"].waits_for
    assert gate
    gate.set()
    paths = {process.communicate()[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert Path(paths.pop()).read_bytes() == WEIGHTS
    assert not paths
    assert len(site.requests) == 1
