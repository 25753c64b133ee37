"""Writes a clip with known boxes, for tests and for cameras that are none."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.inference.starter.clips import (
    CLIPS,
    LARGEST_SIDE,
    SMALLEST_SIDE,
    ClipFrame,
    check_size,
    render_clip,
    save_clip,
)


class Command(BaseCommand):
    help = (
        "Render a video clip of drawn food, and write the boxes of its frames beside "
        "it, in a .json file of the same name. Either file is replaced where it exists."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        sides = f"in pixels, even, from {SMALLEST_SIDE} to {LARGEST_SIDE}"
        parser.add_argument(
            "path",
            type=Path,
            help="where the clip goes: a name that ends in .mjpeg or .y4m, in a folder "
            "that exists",
        )
        parser.add_argument(
            "--clip",
            choices=CLIPS,
            default="tour",
            help=f"what is shown: {_clips()} (default: %(default)s)",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=0,
            help="another number draws other things (default: %(default)s)",
        )
        parser.add_argument(
            "--width", type=int, default=640, help=f"{sides} (default: %(default)s)"
        )
        parser.add_argument(
            "--height", type=int, default=480, help=f"{sides} (default: %(default)s)"
        )
        parser.add_argument(
            "--no-marker",
            action="store_true",
            help="leave out the frame's number at the bottom edge",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path, size = options["path"], (options["width"], options["height"])
        if not path.parent.is_dir():
            raise CommandError(f"There is no folder {path.parent}.")
        frames = render_clip(
            CLIPS[options["clip"]],
            seed=options["seed"],
            size=size,
            marker=not options["no_marker"],
        )
        try:
            check_size(*size)
            boxes = save_clip(_counted(frames), path)
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Wrote {path} and {boxes}.")


def _counted(frames: Iterable[ClipFrame]) -> Iterator[ClipFrame]:
    """With a bar on a terminal, which begins only when the first frame is wanted."""
    yield from tqdm(frames, unit="frame", disable=None)


def _clips() -> str:
    """Every clip by its name, what it shows, and how long it is."""
    return "; ".join(
        f"{name} ({', '.join(part.label or 'nothing' for part in parts)}: "
        f"{sum(part.seconds for part in parts):g} s)"
        for name, parts in CLIPS.items()
    )
