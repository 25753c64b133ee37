"""Makes, fills, shows and removes datasets: everything that the admin offers, typed."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, Q

from apps.inference.datasets import exporting, importing, keeping
from apps.inference.datasets.annotations import labels_of
from apps.inference.exceptions import InferenceError
from apps.inference.management import terminal
from apps.inference.models import Dataset, Example
from apps.inference.words import counted

COLUMNS = ("dataset", "pictures", "held out", "description")
EXAMPLE_COLUMNS = ("picture", "split", "labels", "source")


class Command(BaseCommand):
    help = "List, create, describe, import, export, show and remove datasets."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        what.add_parser("list", help="every dataset, and how large it is")
        create = what.add_parser("create", help="make an empty dataset")
        create.add_argument("name")
        create.add_argument("--description", default="")
        describe = what.add_parser("describe", help="say anew what a dataset is for")
        describe.add_argument("name")
        describe.add_argument("description", help="in words; '' for none")
        take = what.add_parser("import", help="take over labelled pictures")
        take.add_argument("name", help="of a dataset; it is made if there is none")
        take.add_argument(
            "--from",
            dest="path",
            type=Path,
            required=True,
            metavar="PATH",
            help="a folder or a ZIP file: COCO's JSON, or a folder for each label",
        )
        give = what.add_parser("export", help="write a dataset as a ZIP file")
        give.add_argument("name")
        give.add_argument("--to", dest="path", type=Path, required=True, metavar="PATH")
        give.add_argument(
            "--as", dest="form", choices=exporting.FORMATS, default=exporting.COCO
        )
        show = what.add_parser("show", help="every picture of a dataset")
        show.add_argument("name")
        show.add_argument("--split", choices=Example.Split.values)
        remove = what.add_parser("remove", help="remove a dataset, or pictures of it")
        remove.add_argument("name")
        remove.add_argument(
            "examples",
            nargs="*",
            type=int,
            metavar="EXAMPLE",
            help="a picture's number, as `show` says it",
        )
        remove.add_argument(
            "--all", action="store_true", help="the dataset with all of its pictures"
        )

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(options)
        except InferenceError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        held_out = Count("examples", Q(examples__split=Example.Split.HELD_OUT))
        counted = Dataset.objects.annotate(all=Count("examples"), held_out=held_out)
        rows = [
            (each.name, str(each.all), str(each.held_out), each.description)
            for each in counted
        ]
        self.stdout.write("\n".join(terminal.aligned([COLUMNS, *rows])))

    def _create(self, options: dict[str, Any]) -> None:
        dataset = keeping.create(options["name"], options["description"])
        self.stdout.write(f"{dataset} is made, with no pictures yet.")

    def _describe(self, options: dict[str, Any]) -> None:
        dataset = keeping.find(options["name"])
        dataset.description = options["description"]
        dataset.save(update_fields=["description"])
        self.stdout.write(f"{dataset} is described anew.")

    def _import(self, options: dict[str, Any]) -> None:
        is_new = not Dataset.objects.filter(name=options["name"]).exists()
        dataset = (keeping.create if is_new else keeping.find)(options["name"])
        try:
            with terminal.Progress() as progress:
                imported = importing.import_archive(dataset, options["path"], progress)
        except BaseException:
            if is_new:
                keeping.remove(dataset)
            raise
        self.stdout.write(
            f"{dataset} has {counted(imported.added, 'picture')} more. Of those that it"
            f" had, labelled anew: {imported.changed}. Came more than once:"
            f" {imported.repeated}."
        )

    def _export(self, options: dict[str, Any]) -> None:
        path = options["path"]
        dataset = keeping.find(options["name"])
        pieces = exporting.stream(dataset, options["form"], None)
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                file.writelines(pieces)
            part.replace(path)
        except OSError as error:
            raise InferenceError(
                f"{path} can't be written: {error.strerror}."
            ) from error
        finally:
            part.unlink(missing_ok=True)
        self.stdout.write(f"Written to {path}")

    def _show(self, options: dict[str, Any]) -> None:
        examples = keeping.find(options["name"]).examples.all()
        if options["split"]:
            examples = examples.filter(split=options["split"])
        rows = [
            (str(each.pk), each.split, _labels(each), each.source) for each in examples
        ]
        self.stdout.write("\n".join(terminal.aligned([EXAMPLE_COLUMNS, *rows])))

    def _remove(self, options: dict[str, Any]) -> None:
        dataset = keeping.find(options["name"])
        if options["examples"]:
            count = keeping.take_out(dataset, options["examples"])
            self.stdout.write(f"{dataset} has {counted(count, 'picture')} less.")
            return
        pictures = dataset.examples.count()
        if pictures and not options["all"]:
            raise InferenceError(
                f"{dataset} has {counted(pictures, 'picture')}: say which, or --all."
            )
        keeping.remove(dataset)
        self.stdout.write(f"{options['name']} is removed.")


def _labels(example: Example) -> str:
    return ", ".join(labels_of(example.annotations)) or keeping.UNLABELLED
