from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from apps.inference.conversion import torch_pickle
from apps.inference.conversion.yolov5_checkpoint import convert
from apps.inference.engines import TORCH_CPU
from apps.inference.exceptions import (
    CorruptWeightsError,
    ForeignFileError,
    MissingFileError,
    UntrustedPickleError,
)
from apps.inference.predictors import yolov5

from .official import LABELS, checkpoint, official, official_class, refused, save, tiny


class Calls:
    """Pickles as a call that loading makes."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def write_archive(path: Path, data: bytes, **parts: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some/data.pkl", data)
        archive.writestr("some/version", "3\n")
        for name, part in parts.items():
            archive.writestr(f"some/{name}", part)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("write", [write_archive, Path.write_bytes])
def test_a_pickle_that_runs_a_command_is_refused_by_name(write, protocol, path, target):
    marker = target.parent / "pwned"
    call = Calls(os.system, f"touch {marker}")
    data = pickle.dumps(checkpoint(None, extra=call), protocol)
    if write is Path.write_bytes and protocol < 2:
        data = b"\x80\x02" + data  # else it isn't told from text
    write(path, data)
    refused(UntrustedPickleError, r"asks for `posix\.system`", path, target)
    assert not marker.exists()


@pytest.mark.parametrize(
    "function",
    [eval, bytearray, __import__, getattr, torch.load, torch.hub.load, np.fromfile],
)
def test_only_what_networks_need_may_be_asked_for(function, path, target):
    save(path, checkpoint(official(tiny(), LABELS), extra=Calls(function, "1")))
    name = f"{function.__module__}.{function.__name__}"
    refused(UntrustedPickleError, f"asks for `{name}`", path, target)


def test_an_official_name_runs_nothing(path, target):
    """A module called `utils` may well lie on the path of whoever loads."""
    network = official(tiny(), LABELS)
    network.extra = Calls(official_class("utils.loss.Run"), "rm")  # type: ignore[assignment]
    save(path, checkpoint(network))
    convert(path, target)
    yolov5.load(target, engine=TORCH_CPU)


def test_a_refused_name_is_shown_readably(path, target):
    write_archive(path, b"\x80\x02c\x1b[2Jos\n\x07name" + b"x" * 999 + b"\n.")
    refused(UntrustedPickleError, r"`'\\x1b\[2Jos\.[^\x1b]{,80}`, which", path, target)


def test_several_refused_names_are_counted(path, target):
    calls = [Calls(eval, "1"), Calls(os.system, "true"), Calls(exec, "1")]
    save(path, checkpoint(None, extra=calls))
    refused(UntrustedPickleError, r"`builtins\.eval` and 2 more", path, target)


def test_nested_tuples_do_not_crash_the_loader(path, target):
    key = b")" + b"\x85" * 1_000_000
    write_archive(path, b"\x80\x02}" + key + b"Ns.")
    refused(UntrustedPickleError, "nests its contents deeper", path, target)


def test_tuples_nested_through_the_memo_do_not_either(path, target):
    key = b")q\x00" + b"h\x00\x85q\x00" * 100_000
    write_archive(path, b"\x80\x02}" + key + b"h\x00Ns.")
    refused(UntrustedPickleError, "nests its contents deeper", path, target)


def test_encoding_may_not_multiply(path, target):
    write_archive(
        path,
        b"\x80\x02c_codecs\nencode\nq\x00X\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R"
        + b"q\x01h\x00h\x01X\x03\x00\x00\x00hex\x86Rq\x01" * 50
        + b".",
    )
    refused(UntrustedPickleError, "fill the memory", path, target)


def test_a_huge_pickle_is_refused(path, target):
    write_archive(path, b"\x80\x02" + b"]" * torch_pickle.LARGEST_PICKLE + b".")
    refused(UntrustedPickleError, "more objects than any", path, target)


def test_a_compressed_bomb_is_refused(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("some/data/bomb", bytes(10_000_000))
    refused(UntrustedPickleError, "unpack to more than it is", path, target)


def test_overlapping_parts_are_refused(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    with zipfile.ZipFile(path, "a") as archive:
        for entry in archive.infolist()[:]:
            if entry.file_size > 10_000:
                twin = zipfile.ZipInfo(f"{entry.filename}0")
                for field in ("header_offset", "CRC", "compress_size", "file_size"):
                    setattr(twin, field, getattr(entry, field))
                archive.filelist.append(twin)
        archive._didModify = True  # type: ignore[attr-defined]
    refused(UntrustedPickleError, "unpack to more than it is", path, target)


def test_tensors_must_lie_inside_their_storage(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    parts = parts_of(path)
    [pickled] = [name for name in parts if name.endswith("data.pkl")]
    # A count of elements, after the device: "cpu" and its memo, then BININT.
    before = parts[pickled]
    place = before.index(b"X\x03\x00\x00\x00cpu") + 8
    place = before.index(b"M", place)
    parts[pickled] = before[:place] + b"M\xff\xff" + before[place + 3 :]
    write_parts(path, parts)
    refused(CorruptWeightsError, "can't make sense of its contents", path, target)


def parts_of(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_parts(path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def test_protocols_that_the_loader_does_not_know_are_refused(path, target):
    with pytest.warns(UserWarning, match="protocol 4"):
        refused(
            CorruptWeightsError,
            "can't make sense of its contents",
            write_archive(path, pickle.dumps({"model": [1]}, 4)),
            target,
        )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02}",
        b"\x80\x02\xfe.",
        b"\x80\x02h\x09.",
        b"\x80\x02s.",
    ],
    ids=["empty", "nothing", "no end", "no opcode", "no memo", "no stack"],
)
def test_a_pickle_that_is_none_is_refused(data, path, target):
    write_archive(path, data)
    refused(CorruptWeightsError, "table of contents is damaged", path, target)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(share, path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(CorruptWeightsError, "cut short or damaged", path, target)


def test_a_flipped_bit_is_found(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(CorruptWeightsError, "don't match its checksums", path, target)


def test_a_part_may_be_there_but_once(path, target):
    save(path, checkpoint(official(tiny(), LABELS)))
    name = next(name for name in parts_of(path) if name.endswith("data.pkl"))
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(path, "a") as archive,
    ):
        archive.writestr(name, b"\x80\x02N.")
    refused(CorruptWeightsError, "the same part twice", path, target)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Sign in</html>", "is a web page"),
        (b"\xef\xbb\xbf\n <html>", "is a web page"),
        (b"not a model", "isn't one that PyTorch saved"),
        (struct.pack("<Q", 2) + b"{}", "isn't one that PyTorch saved"),
        (pickle.dumps({"model": 1}, 2), "PyTorch before 1.6"),
    ],
)
def test_files_of_other_kinds_are_told_apart(content, match, path, target):
    path.write_bytes(content)
    refused(ForeignFileError, match, path, target)


def test_the_format_before_zip_is_refused(path, target):
    torch.save({"model": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    refused(ForeignFileError, "PyTorch before 1.6", path, target)


def test_other_archives_are_told_apart(path, target):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    refused(ForeignFileError, "not one of PyTorch's", path, target)
    write_archive(path, b"\x80\x02N.", **{"constants.pkl": b"\x80\x02)."})
    refused(ForeignFileError, "a TorchScript export", path, target)


def test_a_missing_file_is_named(path, target):
    refused(MissingFileError, r"There is no file some\.pt", path, target)


def test_an_unreadable_file_is_named(path, target, monkeypatch):
    path.write_bytes(b"PK")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(MissingFileError, r"some\.pt can't be read: Permission", path, target)
