"""Writes a dataset as a ZIP file that `importing` and others' tools read.

As a stream, so that a large one needs neither memory nor a second place on the disk.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

from apps.inference.datasets import coco, folders, looking
from apps.inference.datasets.looking import Who
from apps.inference.exceptions import DatasetError
from apps.inference.models import Dataset, Example
from apps.inference.words import counted

COCO, FOLDERS = "coco", "folders"
FORMATS = (COCO, FOLDERS)
# One moment for all entries: the same dataset is the same file.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def stream(dataset: Dataset, form: str, user: Who) -> Generator[bytes, None, None]:
    """The ZIP file, piece by piece, for a user or, without one, for a command.

    What can't be exported is said before the first piece.

    Raises:
        DatasetError
    """
    examples = list(dataset.examples.order_by("sha256"))
    if not examples:
        raise DatasetError(f"{dataset} has no pictures yet.")
    gone = [example for example in examples if not _path(dataset, example).is_file()]
    if gone:
        raise DatasetError(
            f"Of {dataset} {counted(len(gone), 'file')} can't be found:"
            f" {gone[0].file} is the first."
        )
    contents = _coco(examples) if form == COCO else _folders(examples)
    looking.exported.send(Dataset, examples=dataset.examples.all(), user=user)
    return _zipped(dataset, contents)


Content = Example | bytes


def _coco(examples: list[Example]) -> list[tuple[str, Content]]:
    """A JSON file a split, beside one folder of pictures."""
    by_split: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_split[example.split].append(example)
    contents: list[tuple[str, Content]] = []
    for split, group in sorted(by_split.items()):
        said = json.dumps(coco.document(group, f"{coco.FOLDER}/{split}"), indent=1)
        contents.append((f"{split}.json", said.encode()))
        contents += [
            (f"{coco.FOLDER}/{split}/{Path(each.file).name}", each) for each in group
        ]
    return contents


def _folders(examples: list[Example]) -> list[tuple[str, Content]]:
    return [
        (f"{each.split}/{folders.folder_of(each)}/{Path(each.file).name}", each)
        for each in examples
    ]


def _zipped(
    dataset: Dataset, contents: list[tuple[str, Content]]
) -> Generator[bytes, None, None]:
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as file:
        for name, content in contents:
            if isinstance(content, Example):
                content = _path(dataset, content).read_bytes()
            file.writestr(zipfile.ZipInfo(name, _EPOCH), content)
            yield pieces.taken()
    yield pieces.taken()


def _path(dataset: Dataset, example: Example) -> Path:
    return dataset.directory / example.file


class _Pieces(io.RawIOBase):
    """What has been written since somebody took it; nobody can seek in it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, some: Any, /) -> int:
        self._written += some
        return len(some)

    def taken(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken
