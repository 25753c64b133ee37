from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.inference import sources
from apps.inference.exceptions import InferenceError, SourceError, SourceTextError


@pytest.mark.parametrize(
    "text",
    [
        "hub:microsoft/resnet-50",
        "hub:PekingU/rtdetr_r18vd@main",
        "hub:owner/name@refs/pr/3",
        f"hub:owner/na.me_2@{'0a' * 20}",
        "file:/models/yolov5s.pt",
        "https://example.org/yolov5s.pt",
        "https://example.org:8443/a/b.onnx?version=2",
        "http://127.0.0.1:8000/yolov5s.pt",
        "http://127.9.9.9/yolov5s.pt",
        "http://localhost/yolov5s.pt",
        "http://[::1]/yolov5s.pt",
    ],
)
def test_a_source_is_again_what_was_written(text):
    assert str(sources.parse(f" {text}\n")) == text
    assert sources.parse(text) == sources.parse(str(sources.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "resnet-50",
        "microsoft/resnet-50",
        "/models/a.pt",
        "https:",
        "hub:",
        "file:",
        "ftp://x/y",
        "s3://bucket/key",
        "git+https://x/y",
        "file:a\0b",
        "hub:owner/name\n@x",
    ],
)
def test_another_text_is_told_the_three_ways(text):
    with pytest.raises(
        SourceTextError, match=r"hub:OWNER/NAME, from file:PATH or from an https://"
    ):
        sources.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/models/a.pt", "file:/models/a.pt"),
        ("best.onnx", "file:best.onnx"),
        ("~/models/mine", "file:~/models/mine"),
        ("microsoft/resnet-50", "hub:microsoft/resnet-50"),
    ],
)
def test_a_text_without_its_kind_is_guessed(text, meant):
    with pytest.raises(SourceTextError, match=f" Perhaps {meant} is meant\\?$"):
        sources.parse(text)


@pytest.mark.parametrize(
    "name",
    [
        "resnet-50",
        "a/b/c",
        "a/../b",
        "../b",
        "-a/b",
        "a/b.",
        "a/b--c",
        "a/b.git",
        "a/b c",
    ],
)
def test_a_name_that_the_hub_gives_nobody_is_refused(name):
    with pytest.raises(SourceTextError, match="is named OWNER/NAME"):
        sources.parse(f"hub:{name}")


@pytest.mark.parametrize("revision", ["", "../x", "/x", "-x", "a b", "a..b", "a?b"])
def test_a_revision_that_no_git_has_is_refused(revision):
    with pytest.raises(SourceTextError, match="branch, a tag or a commit"):
        sources.parse(f"hub:owner/name@{revision}")


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a.pt", "http://10.0.0.1/a.pt", "http://127.0.0.1.x/a.pt"],
)
def test_plain_http_is_for_the_loopback_only(url):
    with pytest.raises(SourceTextError, match="only https:// is taken"):
        sources.parse(url)


@pytest.mark.parametrize("url", ["https://", "https:///a.pt", "https:a.pt"])
def test_an_address_names_a_host(url):
    with pytest.raises(SourceTextError, match="names no host"):
        sources.parse(url)


@pytest.mark.parametrize("url", ["https://x:port/a.pt", "https://[::1/a.pt"])
def test_an_address_is_one(url):
    with pytest.raises(SourceTextError, match="isn't an address"):
        sources.parse(url)


def test_a_path_means_the_same_everywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(sources.parse("file:best.onnx")) == f"file:{tmp_path}/best.onnx"
    assert str(sources.parse("file:~/best.onnx")) == "file:/home/somebody/best.onnx"


def test_nobodys_home_is_refused():
    with pytest.raises(SourceTextError, match="names nobody's folder"):
        sources.parse("file:~no-such-user/best.onnx")


@pytest.mark.parametrize("sha256", ["abc", "g" * 64, "0" * 63, "0" * 65])
def test_a_checksum_that_is_none_is_refused(sha256):
    with pytest.raises(SourceTextError, match="64 hexadecimal digits"):
        sources.checksum(sha256)


@pytest.mark.parametrize(("text", "sha256"), [("", ""), (f" {'AB' * 32}\n", "ab" * 32)])
def test_a_checksum_may_be_written_large_or_not_at_all(text, sha256):
    assert sources.checksum(text) == sha256


def test_every_refusal_is_an_inference_error():
    assert issubclass(SourceTextError, SourceError)
    assert issubclass(SourceError, InferenceError)


def test_sources_bring_no_torch_and_no_django_and_tell_nobody():
    code = (
        "import sys, apps.inference.sources\n"
        "from huggingface_hub import constants\n"
        "assert constants.HF_HUB_DISABLE_TELEMETRY\n"
        "assert not {'torch', 'transformers', 'django'} & sys.modules.keys()"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "HF_HUB_DISABLE_TELEMETRY": "0"},
    )
