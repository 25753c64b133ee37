"""What can be said of files from outside without reading them as a model."""

from __future__ import annotations

from pathlib import Path

from apps.inference.exceptions import SourceChecksumError, SourceContentError
from apps.inference.weights import sha256_of

WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".torchscript", ".onnx")
_BEGINNINGS_OF_A_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml")


def is_page(beginning: bytes) -> bool:
    """Whether a browser would show it: a login page, say, or the page of a file."""
    start = beginning[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith(_BEGINNINGS_OF_A_PAGE)


def refuse_page(beginning: bytes, name: str) -> None:
    """Refuse what isn't a model but was saved by a browser.

    Raises:
        SourceContentError
    """
    if is_page(beginning):
        raise SourceContentError(f"{name} is a web page, not a model.")


def page_instead(name: str) -> str:
    return (
        f"{name} is a web page, not a model: the address of the file itself is needed."
    )


def weights_in(directory: Path, *suffixes: str) -> list[Path]:
    return sorted(
        path
        for path in directory.iterdir()
        if path.suffix.lower() in suffixes and path.is_file()
    )


def refuse_other(sha256: str | None, weights: list[Path]) -> None:
    """Refuse weights that aren't those that a checksum, if any, is of.

    Raises:
        SourceContentError, SourceChecksumError
    """
    if sha256 is None:
        return
    if len(weights) > 1:
        raise SourceContentError(
            f"A checksum is of one file, and here are {len(weights)} with weights:"
            f" {', '.join(path.name for path in weights[:3])}."
        )
    refuse_checksum(sha256, sha256_of(weights[0]), weights[0].name)


def refuse_checksum(expected: str, actual: str, name: str) -> None:
    """Refuse a file with another checksum.

    Raises:
        SourceChecksumError
    """
    if actual != expected:
        raise SourceChecksumError(
            f"{name} isn't the file that was asked for: its SHA-256 is {actual}."
        )
