"""Files that `torch.save` wrote: opened without trust, loaded without their code.

Only tensors, plain values and what is left of the rest come out. Knows the file format
and which names are harmless in it, no model family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from zipfile import BadZipFile, ZipFile

import torch

from apps.inference.conversion.pickle_scan import names_in
from apps.inference.exceptions import (
    CorruptWeightsError,
    ForeignFileError,
    MissingFileError,
    UntrustedPickleError,
)

# The largest detector takes 0.2 MB, and twice that with its optimiser.
LARGEST_PICKLE = 2 << 20

# torch's own loader makes these, and none of them can do more than hold data.
_DATA = re.compile(
    r"""
    collections\.OrderedDict | builtins\.set | _codecs\.encode
    | torch\.(?:Half|BFloat16|Float|Double|Bool|Byte|Char|Short|Int|Long)Storage
    | torch\.(?:b?float16|float32|float64|bool|u?int8|int16|int32|int64)
    | torch\.(?:Size|device)
    | torch\._utils\._rebuild_(?:tensor_v2|parameter)
    | torch\.nn\.parameter\.Parameter
    """,
    re.VERBOSE,
)
# Checkpoints mention these; a `Remnant` stands in, so that no code of theirs is run.
_INERT = re.compile(
    r"""
    torch\.nn\.modules\.[\w.]+
    | numpy\.(?:_?core\.multiarray\.(?:_reconstruct|scalar)|ndarray|dtype)
    | pathlib\.(?:_local\.)?(?:Pure)?(?:Posix|Windows)?Path
    | argparse\.Namespace
    | datetime\.(?:datetime|date|time|timedelta|timezone)
    """,
    re.VERBOSE,
)

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
# What `zipfile` raises when offsets, flags or names are nonsense; an offset before the
# beginning is an OSError.
_BROKEN_ARCHIVE = (
    BadZipFile,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)

# The list of what torch's loader may build is one for the process.
_loading = Lock()


class Remnant:
    """What is left of a pickled object without its class: its name and its state."""

    pickled_name: ClassVar[str]
    state: dict[Any, Any]

    def __new__(cls, *_: object) -> Remnant:
        remnant = super().__new__(cls)
        remnant.state = {}
        return remnant

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and state:
            state = state[0]
        self.state = state if isinstance(state, dict) else {}


class TorchPickle:
    """A file that was measured and scanned, and of which nothing has been loaded."""

    def __init__(self, path: Path) -> None:
        """Raises a WeightsError for what isn't a whole file of `torch.save`."""
        self._path = path
        try:
            self._is_bare = _kind_of(path) == _PICKLE
            self.names = _names_in_a_row(path) if self._is_bare else _names_in(path)
        except OSError as error:
            raise MissingFileError(
                f"The file {path.name} can't be read: {error.strerror}."
            ) from error

    def load(self, inert: re.Pattern[str]) -> Any:
        """Plain values, tensors on the CPU, and a `Remnant` for each inert name.

        Raises:
            UntrustedPickleError: it asks for a name that is neither data nor inert.
            ForeignFileError, CorruptWeightsError
        """
        absent = {name for name in self.names if not _DATA.fullmatch(name)}
        _refuse_names(
            name
            for name in absent
            if not (_INERT.fullmatch(name) or inert.fullmatch(name))
        )
        if self._is_bare:
            raise ForeignFileError(
                "The file has the format of PyTorch before 1.6, or is a bare pickle."
                " Load it where it was made and save it again with a newer PyTorch."
            )
        stand_ins: list[Any] = [(_remnant_of(name), name) for name in absent]
        try:
            with _loading, torch.serialization.safe_globals(stand_ins):
                return torch.load(self._path, map_location="cpu", weights_only=True)
        # Whatever a twisted pickle makes of the loader, it can't be read.
        except Exception as error:
            raise CorruptWeightsError(
                "The file isn't a readable checkpoint: PyTorch can't make sense of its"
                " contents."
            ) from error


def _refuse_names(names: Iterable[str]) -> None:
    refused = sorted(names)
    if refused:
        others = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise UntrustedPickleError(
            f"The file asks for `{_shown(refused[0])}`{others}, which a model's file"
            " has no business with. It was refused, and nothing of it was run."
        )


def _shown(name: str) -> str:
    return (name if name.isprintable() else ascii(name))[:80]


def _remnant_of(name: str) -> type[Remnant]:
    return type(name.rpartition(".")[2], (Remnant,), {"pickled_name": name})


def _kind_of(path: Path) -> bytes:
    """The opening bytes that a file of `torch.save` has, of now or of long ago."""
    if not path.is_file():
        raise MissingFileError(f"There is no file {path.name}.")
    with path.open("rb") as file:
        head = file.read(64)
    for kind in (_ZIP, _PICKLE):
        if head.startswith(kind):
            return kind
    if not head:
        raise ForeignFileError("The file is empty.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise ForeignFileError(
            "The file is a web page, not a model: the address led to a page about it,"
            " or to one that asks to sign in."
        )
    raise ForeignFileError("The file isn't one that PyTorch saved.")


def _names_in_a_row(path: Path) -> frozenset[str]:
    """PyTorch before 1.6 wrote four pickles in a row, and the numbers after them."""
    names: set[str] = set()
    with path.open("rb") as file:
        stream = BytesIO(file.read(LARGEST_PICKLE))
    try:
        for _ in range(4):
            names |= names_in(stream)
    except CorruptWeightsError:
        pass  # a bare pickle has none of the others
    return frozenset(names)


def _names_in(path: Path) -> frozenset[str]:
    return names_in(BytesIO(_contents(path)))


def _contents(path: Path) -> bytes:
    """The pickle in the archive, which is refused if it lies about its size."""
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise UntrustedPickleError(
                    "The file would unpack to more than it is, which PyTorch's own"
                    " files never do."
                )
            pickle = _pickle_among(names)
            if archive.getinfo(pickle).file_size > LARGEST_PICKLE:
                raise UntrustedPickleError(
                    "The file describes more objects than any network has."
                )
            if archive.testzip() is not None:
                raise CorruptWeightsError(
                    "The file is damaged: its contents don't match its checksums."
                )
            return archive.read(pickle)
    except _BROKEN_ARCHIVE as error:
        raise CorruptWeightsError(
            "The file is cut short or damaged. Download or copy it again."
        ) from error


def _pickle_among(names: list[str]) -> str:
    top_level = {name.partition("/")[2] for name in names}
    if "constants.pkl" in top_level:
        raise ForeignFileError(
            "The file is a TorchScript export, not a checkpoint. Add it as an export:"
            " give it a name that ends in .torchscript."
        )
    pickles = [name for name in names if name.partition("/")[2] == "data.pkl"]
    if not pickles:
        raise ForeignFileError("The file is a ZIP archive, but not one of PyTorch's.")
    if len(pickles) > 1 or len(set(names)) < len(names):
        raise CorruptWeightsError("The file holds the same part twice.")
    return pickles[0]
