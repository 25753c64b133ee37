"""Where a model's files come from: the hub, the web, or this machine's disk.

Brings the files to where they can be read, and says where they are from. Every refusal
is a `SourceError` whose text is a sentence for the operator. Must not know what the
files mean: no torch, no transformers, no Django.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

from apps.inference.exceptions import SourceTextError
from apps.inference.sources.content import WEIGHTS_SUFFIXES
from apps.inference.sources.https import HttpsSource
from apps.inference.sources.hub import HubSource
from apps.inference.sources.local import LocalSource
from apps.inference.sources.types import Fetched, Progress, Source

__all__ = ["Fetched", "Progress", "Source", "checksum", "fetch", "origin", "parse"]


def parse(text: str) -> Source:
    """Read what an operator wrote; `str` of the source is it again, with a full path.

    Raises:
        SourceTextError
    """
    text = text.strip()
    kind, _, rest = text.partition(":")
    if rest and text.isprintable():
        match kind.lower():
            case "hub":
                return HubSource.parse(rest)
            case "file":
                return LocalSource.parse(rest)
            case "https" | "http":
                return HttpsSource.parse(text)
    raise SourceTextError(
        "A model comes from hub:OWNER/NAME, from file:PATH or from an https:// address,"
        f" not from {text!r}.{_guess(text)}"
    )


def _guess(text: str) -> str:
    """What may have been meant by a text without a kind, if anything."""
    is_path = text.startswith(("/", "./", "../", "~")) or text.endswith(
        WEIGHTS_SUFFIXES
    )
    if text.isprintable() and is_path and ":" not in text:
        return f" Perhaps file:{text} is meant?"
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        return f" Perhaps hub:{text} is meant?"
    return ""


def origin(text: str) -> str:
    """As much of what an operator wrote as anybody may see."""
    try:
        return parse(text).origin
    except SourceTextError:  # it names none, so there is nothing to hide
        return text


def checksum(text: str) -> str:
    """Read the SHA-256 checksum that an operator wrote, if any, in small letters.

    Raises:
        SourceTextError
    """
    text = text.strip().lower()
    if text and not re.fullmatch("[0-9a-f]{64}", text):
        raise SourceTextError(
            f"A SHA-256 checksum has 64 hexadecimal digits, unlike {text!r}."
        )
    return text


def fetch(
    source: Source, downloads: Path, *, sha256: str | None, progress: Progress
) -> AbstractContextManager[Fetched]:
    """Bring the files of a source here, and hold them until the exit of the `with`.

    Who fetches the same file from the web meanwhile waits: it may be removed once read.

    Args:
        source: what `parse` has read.
        downloads: a folder of our own, where files from the web come to lie. They stay
            until somebody removes them.
        sha256: what the checksum of the file must be, or of the only weights file where
            the source is a folder; as `checksum` has read it.
        progress: called after every few kB; the hub's files may call it from another
            thread.

    Raises:
        SourceError
    """
    return source.fetch(downloads, sha256=sha256, progress=progress)
