"""Writes a clip with known boxes, for tests and for cameras that are none."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.inference.starter.clips import CLIPS, render_clip, save_clip


class Command(BaseCommand):
    help = "Render a video clip (.mjpeg or .y4m) and its boxes (.json) beside it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--clip", choices=CLIPS, default="tour")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--width", type=int, default=640)
        parser.add_argument("--height", type=int, default=480)
        parser.add_argument(
            "--no-marker",
            action="store_true",
            help="leave out the frame's number at the bottom edge",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        frames = render_clip(
            CLIPS[options["clip"]],
            seed=options["seed"],
            size=(options["width"], options["height"]),
            marker=not options["no_marker"],
        )
        try:
            boxes = save_clip(tqdm(frames, unit="frame"), options["path"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Wrote {options['path']} and {boxes}.")
