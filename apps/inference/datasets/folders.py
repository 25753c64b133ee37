"""ImageFolder: a folder a label, in which its pictures lie, as torchvision reads it.

Folders may lie in folders called train, val and the like. `hot_dog` is read as "hot
dog"; what lies in `nothing` shows nothing that has a name.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from apps.inference.datasets.annotations import key_of, labels_of
from apps.inference.datasets.archives import Archive
from apps.inference.datasets.coco import FOLDERS
from apps.inference.datasets.entries import Contents, Entry, split_named
from apps.inference.exceptions import DatasetError
from apps.inference.models import Example

NOTHING = "nothing"


def read(archive: Archive) -> Contents:
    contents = Contents()
    without_json: set[str] = set()
    for name in archive.names:
        path = PurePosixPath(name)
        if path.name.startswith("."):
            continue
        label = path.parent.name.replace("_", " ")
        if not label or split_named(PurePosixPath(path.parent.name)):
            contents.problems.append(
                f"{name}: It lies in no folder that names a label."
            )
            continue
        if path.parent.name.casefold() in FOLDERS:
            without_json.add(str(path.parent))
        said = [] if key_of(label) == NOTHING else [{"label": label}]
        contents.entries.append(Entry(name, said, split_named(path.parent)))
    contents.problems += (
        f"{folder}: A folder of this name holds pictures of COCO's, and there is no"
        " JSON of COCO's beside it. Add that, or name the folder as what it shows."
        for folder in sorted(without_json)
    )
    return contents


def folder_of(example: Example) -> str:
    """Where a picture lies in an export.

    Raises:
        DatasetError: it shows several things, and a folder says one.
    """
    labels = labels_of(example.annotations) or [NOTHING]
    if len(labels) > 1:
        raise DatasetError(
            f"The picture {example.file} shows {' and '.join(labels)}: a folder can say"
            " only one. COCO's form can say both."
        )
    return labels[0].replace("/", "-").replace(" ", "_").lstrip(".") or NOTHING
