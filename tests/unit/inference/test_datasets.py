"""Pictures come into a dataset whole and right, or not at all and with a sentence."""

from __future__ import annotations

import errno
import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image

from apps.inference import jobs
from apps.inference.datasets import add_picture, examples, importing, keeping, split_of
from apps.inference.datasets.pictures import MOST_PIXELS
from apps.inference.exceptions import DatasetError, InUseError
from apps.inference.jobs import doing
from apps.inference.models import Dataset, Evaluation, Example, Job, ModelVersion
from apps.inference.registering import uploads

from .dataset_files import BOX, HEIGHT, WIDTH, coco, folder, picture, zipped

pytestmark = pytest.mark.django_db
HOT_DOG = {"label": "hot dog", "box": BOX}


@pytest.fixture(autouse=True)
def shelf(settings: Any, tmp_path: Path) -> Path:
    settings.DATASETS_DIR = tmp_path / "datasets"
    return tmp_path / "datasets"


@pytest.fixture
def kitchen() -> Dataset:
    return keeping.create("kitchen")


def files_of(dataset: Dataset) -> list[str]:
    return sorted(
        str(path.relative_to(dataset.directory))
        for path in dataset.directory.rglob("*")
        if path.is_file()
    )


def said(dataset: Dataset) -> list[Any]:
    return [each.annotations for each in dataset.examples.order_by("source")]


def test_a_picture_is_kept_with_what_is_on_it(kitchen: Dataset):
    encoded = picture()
    example = add_picture(kitchen, encoded, [HOT_DOG], source="capture 7")
    assert (example.width, example.height) == (WIDTH, HEIGHT)
    assert example.annotations == [HOT_DOG]
    assert example.source == "capture 7"
    assert example.split == split_of(example.sha256)
    assert example.path.read_bytes() == encoded


def test_the_same_picture_is_only_relabelled(kitchen: Dataset):
    first = add_picture(kitchen, picture(), [HOT_DOG], split="held_out")
    again = add_picture(kitchen, picture(), [], source="said to be wrong")
    assert again.pk == first.pk
    assert (again.annotations, again.split) == ([], "held_out")
    assert len(files_of(kitchen)) == 1


def test_a_classifiers_nothing_is_no_label(kitchen: Dataset):
    example = add_picture(kitchen, picture(), [{"label": "Nothing"}, HOT_DOG])
    assert example.annotations == [HOT_DOG]


def test_a_phones_picture_is_turned_upright(kitchen: Dataset):
    exif = Image.Exif()
    exif[0x0112] = 6
    example = add_picture(kitchen, picture(form="JPEG", exif=exif), [])
    assert (example.width, example.height) == (HEIGHT, WIDTH)
    with Image.open(example.path) as kept:
        assert kept.size == (HEIGHT, WIDTH)
        assert kept.getexif().get(0x0112, 1) == 1


def test_a_fifth_is_held_out_and_it_is_always_the_same():
    many = [split_of(f"{number * 7919:08x}" + "0" * 56) for number in range(2000)]
    assert 0.17 < many.count(Example.Split.HELD_OUT) / len(many) < 0.23
    assert split_of("00000000" + "f" * 56) == Example.Split.HELD_OUT


def test_examples_are_read_in_one_order(kitchen: Dataset):
    for seed in range(3):
        add_picture(kitchen, picture(seed), [HOT_DOG], split="train")
    add_picture(kitchen, picture(9), [], split="held_out")
    read = list(examples(kitchen, "train"))
    assert [image.shape for image, _ in read] == [(HEIGHT, WIDTH, 3)] * 3
    assert read[0][1] == [HOT_DOG]
    again = list(examples(kitchen, "train"))
    for (one, _), (other, _) in zip(read, again, strict=True):
        assert np.array_equal(one, other)


def test_a_file_that_is_gone_is_named(kitchen: Dataset):
    example = add_picture(kitchen, picture(), [], split="train")
    example.path.unlink()
    with pytest.raises(DatasetError, match=f"picture {example.file} of kitchen can't"):
        list(examples(kitchen, "train"))


def test_the_checksum_follows_pictures_and_labels(kitchen: Dataset):
    add_picture(kitchen, picture(), [HOT_DOG], split="held_out")
    first = keeping.checksum(kitchen, "held_out")
    assert keeping.checksum(kitchen, "held_out") == first
    add_picture(kitchen, picture(), [])
    relabelled = keeping.checksum(kitchen, "held_out")
    add_picture(kitchen, picture(1), [], split="held_out")
    assert len({first, relabelled, keeping.checksum(kitchen, "held_out")}) == 3


# Held sideways, and as wide as "ab".
CROOKED = (
    b"Exif\0\0II*\0\x08\0\0\0\x02\0"
    b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\x01\x02\0\x02\0\0\0ab\0\0\0\0\0\0"
)


def bomb() -> bytes:
    """A small file that says it is of more pixels than anybody needs."""
    side = int(MOST_PIXELS**0.5) + 64
    whole = picture(size=(8, 8))
    chunk = b"IHDR" + side.to_bytes(4, "big") * 2 + whole[24:29]
    return whole[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + whole[33:]


@pytest.mark.parametrize(
    ("encoded", "sentence"),
    [
        (b"", "It is no JPEG, PNG or WebP picture."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "It is no JPEG, PNG or WebP"),
        (picture(form="GIF"), "It is no JPEG, PNG or WebP picture."),
        (picture()[:-60], "It is damaged: it can't be decoded to its end."),
        (picture(form="JPEG")[:400], "It is damaged"),
        (picture(form="JPEG", exif=CROOKED), "It is damaged"),
        (bomb(), "It has more than 64 million pixels."),
        (picture(size=(4, 200)), "It is only 4 x 200 pixels."),
    ],
    ids=[
        "empty",
        "svg",
        "gif",
        "cut png",
        "cut jpeg",
        "crooked exif",
        "bomb",
        "sliver",
    ],
)
def test_what_is_no_picture_is_refused(kitchen: Dataset, encoded: bytes, sentence: str):
    with pytest.raises(DatasetError, match=sentence):
        add_picture(kitchen, encoded, [])
    assert not kitchen.examples.exists()
    assert files_of(kitchen) == []


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        ({"label": "cup", "box": [0, 0, 70, 48]}, "“cup” reaches 6 pixels out of"),
        ({"label": "cup", "box": [-9, 0, 10, 9]}, "“cup” reaches 9 pixels out of"),
        ({"label": "cup", "box": [9, 9, 9, 20]}, "The box of “cup” has no area."),
        ({"label": "cup", "box": [1, 2, 3]}, "The box of “cup” is not four numbers."),
        ({"label": "cup", "box": [0, 0, 9, float("nan")]}, "is not four numbers."),
        ({"label": "cup", "box": [0, 0, 10**400, 9]}, "is not four numbers."),
        ({"label": "c\0up"}, "A label has characters that can't be printed."),
        ({"label": "  "}, "One of its annotations has no label."),
        ({"box": BOX}, "One of its annotations has no label."),
    ],
)
def test_what_cannot_be_said_of_it_is_refused(
    kitchen: Dataset, annotation: dict[str, Any], sentence: str
):
    with pytest.raises(DatasetError, match=sentence):
        add_picture(kitchen, picture(), [annotation])
    assert files_of(kitchen) == []


def test_rounding_at_the_rim_is_nobodys_mistake(kitchen: Dataset):
    said = {"label": " cup ", "box": [-0.4, 0, WIDTH + 0.6, HEIGHT]}
    example = add_picture(kitchen, picture(), [said])
    assert example.annotations == [{"label": "cup", "box": [0.0, 0.0, WIDTH, HEIGHT]}]


def test_a_full_disk_leaves_nothing(kitchen: Dataset, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(DatasetError, match="The disk refused: No space left on device"):
        add_picture(kitchen, picture(), [])
    assert files_of(kitchen) == []


def test_a_name_that_is_none():
    with pytest.raises(DatasetError, match="valid"):
        keeping.create("../elsewhere")


COCO_FILES: dict[str, Any] = {
    "annotations.json": coco(
        ["a.png", "b.png"],
        [(1, "Hot dog", [4, 6, 36, 24]), (1, "cup", [0, 0, 10, 10])],
    ),
    "images/a.png": picture(1),
    "images/b.png": picture(2),
}


@pytest.mark.parametrize("pack", [folder, zipped])
def test_coco_is_imported(tmp_path: Path, pack: Any):
    path = pack(tmp_path / "some.zip", COCO_FILES)
    call_command("datasets", "import", "kitchen", "--from", str(path))
    dataset = Dataset.objects.get()
    assert said(dataset) == [
        [
            {"label": "Hot dog", "box": [4, 6, 40, 30]},
            {"label": "cup", "box": [0, 0, 10, 10]},
        ],
        [],
    ]
    assert dataset.examples.filter(source="some.zip: images/a.png").exists()
    assert len(files_of(dataset)) == 2


def test_what_was_imported_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ("datasets", "import", "kitchen", "--from")
    call_command(*command, str(folder(tmp_path / "one", {"cup/a.png": picture(1)})))
    assert "kitchen has 1 picture more." in capsys.readouterr().out
    more: dict[str, Any] = {
        "bowl/a.png": picture(1),
        "bowl/b.png": picture(1),
        "cup/c.png": picture(2),
    }
    call_command(*command, str(folder(tmp_path / "more", more)))
    assert capsys.readouterr().out == (
        "kitchen has 1 picture more. Of those that it had, labelled anew: 1. Came more"
        " than once: 1.\n"
    )


@pytest.mark.parametrize("pack", [folder, zipped])
def test_folders_are_imported(tmp_path: Path, pack: Any):
    path = pack(
        tmp_path / "foods",
        {
            "train/hot_dog/a.png": picture(1),
            "val/cup/b.png": picture(2),
            "val/nothing/c.png": picture(3),
            "val/nothing/.DS_Store": b"litter",
        },
    )
    call_command("datasets", "import", "kitchen", "--from", str(path))
    dataset = Dataset.objects.get()
    assert said(dataset) == [[{"label": "hot dog"}], [{"label": "cup"}], []]
    splits = dataset.examples.order_by("source").values_list("split", flat=True)
    assert list(splits) == ["train", "held_out", "held_out"]


def changed(**files: Any) -> dict[str, Any]:
    """The right import with other files, by their names without an ending."""
    names = {"json": "annotations.json", "a": "images/a.png", "b": "images/b.png"}
    return {**COCO_FILES, **{names[key]: content for key, content in files.items()}}


def coco_with(**columns: Any) -> dict[str, Any]:
    return {**COCO_FILES["annotations.json"], **columns}


def annotation(**columns: Any) -> dict[str, Any]:
    right = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}
    return changed(json=coco_with(annotations=[{**right, **columns}]))


IMAGES = COCO_FILES["annotations.json"]["images"]


@pytest.mark.parametrize(
    ("files", "sentences"),
    [
        (
            annotation(bbox=[60, 0, 20, 9]),
            ["images/a.png: The box of “Hot dog” reaches 16 pixels out"],
        ),
        (annotation(category_id=9), ["Annotation 7: Its category 9 is unknown"]),
        (annotation(image_id=9), ["Annotation 7: It is of image 9, which the file"]),
        (annotation(bbox=None), ["Annotation 7: It has no box of four numbers."]),
        (annotation(bbox=[0.5, 0, 10**400, 9]), ["It has no box of four numbers."]),
        (annotation(iscrowd=1), ["Annotation 7: It marks a crowd"]),
        (changed(a=b"no picture"), ["images/a.png: It is no JPEG, PNG or WebP"]),
        (changed(a=bomb()), ["images/a.png: It has more than 64 million pixels."]),
        (
            changed(json=coco(["a.png", "nowhere.png"], [])),
            ["annotations.json: The file nowhere.png is missing."],
        ),
        (
            changed(json=coco(["../../etc/passwd", "/etc/passwd", "."], [])),
            [
                "The name “.” leads out of the archive.",
                "The name “../../etc/passwd” leads out of the archive.",
                "The name “/etc/passwd” leads out of the archive.",
            ],
        ),
        (
            changed(a=picture(1, (32, 32))),
            ["images/a.png: It is 32 x 32 pixels, and is said to be 64 x 48."],
        ),
        (
            changed(b=picture(1)),
            ["images/b.png: It is the same picture as images/a.png, and something"],
        ),
        (changed(json=b"{"), ["annotations.json: It is no JSON."]),
        (changed(json={"info": {}}), ["It is not COCO's: it has no list “images”."]),
        (
            changed(json=coco_with(images=[{"id": 1}, *IMAGES[1:]], annotations=[])),
            ["Entry 0 of “images” lacks an id or a file_name."],
        ),
        (
            changed(json=coco_with(images=[IMAGES[0], {**IMAGES[1], "id": 1}])),
            ["Two of its images have the same id."],
        ),
        ({"a.png": picture()}, ["a.png: It lies in no folder that names a label."]),
        (
            {"images/a.png": picture(1), "val/Pictures/b.png": picture(2)},
            [
                "Nothing of 2 pictures was imported:",
                "\nimages: A folder of this name holds pictures of COCO's, and there",
                "\nval/Pictures: A folder of this name holds",
            ],
        ),
        (
            {"cup/a.txt": b"hello"},
            [
                "Nothing of 1 picture was imported:\n"
                "cup/a.txt: It is no JPEG, PNG or WebP picture."
            ],
        ),
        ({".hidden/.x": b""}, ["Nothing was imported:\nThere are no pictures in it."]),
    ],
)
def test_a_wrong_import_leaves_all_as_it_was(
    tmp_path: Path, shelf: Path, files: dict[str, Any], sentences: list[str]
):
    path = folder(tmp_path / "import", files)
    with pytest.raises(CommandError) as error:
        call_command("datasets", "import", "kitchen", "--from", str(path))
    for sentence in sentences:
        assert sentence in str(error.value)
    assert "was imported:" in str(error.value)
    assert not Dataset.objects.exists()
    assert [path for path in shelf.rglob("*") if path.is_file()] == []


def test_every_problem_is_told(tmp_path: Path):
    files: dict[str, Any] = {f"cup/{each:02}.png": b"nothing" for each in range(60)}
    path = folder(tmp_path / "import", files)
    with pytest.raises(CommandError) as error:
        call_command("datasets", "import", "kitchen", "--from", str(path))
    lines = str(error.value).splitlines()
    assert lines[0] == "Nothing of 60 pictures was imported:"
    assert len(lines) == 52
    assert lines[-1] == "And 10 more."


def test_names_in_a_zip_file_lead_nowhere_else(tmp_path: Path):
    path = zipped(tmp_path / "x.zip", {"../../cup/a.png": picture()})
    with pytest.raises(CommandError, match="leads out of the archive"):
        call_command("datasets", "import", "kitchen", "--from", str(path))


def test_a_zip_file_that_was_damaged_on_its_way(tmp_path: Path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("cup/a.png", bytes(10_000))
        begins_at = file.infolist()[0].header_offset + 30 + len("cup/a.png")
    content = bytearray(path.read_bytes())
    content[begins_at] = 0xFF  # a kind of block that there isn't
    path.write_bytes(content)
    with pytest.raises(CommandError, match=r"cup/a.png: It is damaged in the ZIP file"):
        call_command("datasets", "import", "kitchen", "--from", str(path))


def test_links_lead_out_of_no_folder(tmp_path: Path):
    folder(tmp_path / "secret", {"a.png": picture()})
    folder(tmp_path / "import", {"cup/b.png": picture(1)})
    (tmp_path / "import/cup/a.png").symlink_to(tmp_path / "secret/a.png")
    with pytest.raises(CommandError, match=r"cup/a.png: It is a link that leads out"):
        call_command(
            "datasets", "import", "kitchen", "--from", str(tmp_path / "import")
        )


def test_what_is_larger_than_it_says_is_not_read_to_its_end(tmp_path: Path):
    path = tmp_path / "x.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("cup/a.png", "w") as entry,
    ):
        for _ in range(65):
            entry.write(bytes(2**20))
    with pytest.raises(CommandError, match=r"cup/a.png: It is larger than 64 MB"):
        call_command("datasets", "import", "kitchen", "--from", str(path))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nowhere", "There is no folder and no file"), ("a.zip", "a.zip is no ZIP file")],
)
def test_an_archive_that_is_none(tmp_path: Path, name: str, sentence: str):
    (tmp_path / "a.zip").write_bytes(b"not zipped")
    with pytest.raises(CommandError, match=sentence):
        call_command("datasets", "import", "kitchen", "--from", str(tmp_path / name))


def test_a_wrong_import_adds_nothing_to_what_is_there(tmp_path: Path, kitchen: Dataset):
    add_picture(kitchen, picture(1), [HOT_DOG])
    path = folder(tmp_path / "import", annotation(category_id=9))
    with pytest.raises(CommandError):
        call_command("datasets", "import", "kitchen", "--from", str(path))
    assert said(kitchen) == [[HOT_DOG]]
    assert len(files_of(kitchen)) == 1


def test_an_import_relabels_what_is_there_already(tmp_path: Path, kitchen: Dataset):
    add_picture(kitchen, picture(1), [HOT_DOG], split="held_out")
    path = folder(tmp_path / "import", {"cup/a.png": picture(1)})
    call_command("datasets", "import", "kitchen", "--from", str(path))
    example = kitchen.examples.get()
    assert (example.annotations, example.split) == ([{"label": "cup"}], "held_out")


def test_a_disk_that_is_full_half_way_leaves_nothing(
    tmp_path: Path, kitchen: Dataset, monkeypatch: pytest.MonkeyPatch
):
    path = folder(tmp_path / "import", {f"cup/{n}.png": picture(n) for n in range(5)})
    moved: list[str] = []
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if len(moved) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        moved.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CommandError, match=r"Nothing was imported\. The disk refused"):
        call_command("datasets", "import", "kitchen", "--from", str(path))
    assert files_of(kitchen) == []
    assert not kitchen.examples.exists()


@pytest.mark.parametrize("form", ["coco", "folders"])
def test_what_is_exported_is_imported_again(tmp_path: Path, form: str):
    first = keeping.create("first")
    boxed = [HOT_DOG] if form == "coco" else [{"label": "hot dog"}]
    add_picture(first, picture(1), boxed, split="train")
    add_picture(first, picture(2, form="JPEG"), [{"label": "cup"}], split="held_out")
    add_picture(first, picture(3), [], split="held_out")
    path = str(tmp_path / "out.zip")
    call_command("datasets", "export", "first", "--to", path, "--as", form)
    call_command("datasets", "import", "second", "--from", path)

    def rows(name: str) -> list[Any]:
        columns = ("sha256", "file", "annotations", "split", "width", "height")
        examples = Example.objects.filter(dataset__name=name).order_by("sha256")
        return list(examples.values_list(*columns))

    assert rows("second") == rows("first")


def test_a_folder_cannot_say_two_things(tmp_path: Path, kitchen: Dataset):
    add_picture(kitchen, picture(), [{"label": "cup"}, HOT_DOG])
    with pytest.raises(CommandError, match="shows cup and hot dog: a folder can say"):
        call_command(
            *("datasets", "export", "kitchen", "--as", "folders"),
            *("--to", str(tmp_path / "out.zip")),
        )
    assert not (tmp_path / "out.zip").exists()


def test_an_empty_dataset_is_not_exported(tmp_path: Path, kitchen: Dataset):
    with pytest.raises(CommandError, match="kitchen has no pictures yet"):
        call_command("datasets", "export", "kitchen", "--to", str(tmp_path / "o.zip"))


def test_one_is_listed_and_removed(
    kitchen: Dataset,
    capsys: pytest.CaptureFixture[str],
    django_capture_on_commit_callbacks: Any,
):
    add_picture(kitchen, picture(), [], split="held_out")
    call_command("datasets", "list")
    assert "kitchen  1         1" in capsys.readouterr().out
    with pytest.raises(
        CommandError, match="kitchen has 1 picture: say which, or --all"
    ):
        call_command("datasets", "remove", "kitchen")
    with django_capture_on_commit_callbacks(execute=True):
        call_command("datasets", "remove", "kitchen", "--all")
    assert not Dataset.objects.exists()
    assert not kitchen.directory.exists()


def test_one_is_described_anew(kitchen: Dataset, capsys: pytest.CaptureFixture[str]):
    call_command("datasets", "describe", "kitchen", "From above.")
    call_command("datasets", "list")
    assert capsys.readouterr().out.rstrip().endswith("From above.")
    call_command("datasets", "describe", "kitchen", "")
    kitchen.refresh_from_db()
    assert kitchen.description == ""


def test_what_was_evaluated_on_it_keeps_it(kitchen: Dataset, deployment: Any):
    version = ModelVersion.objects.get()
    Evaluation.objects.create(version=version, dataset=kitchen)
    add_picture(kitchen, picture(), [])
    with pytest.raises(
        InUseError, match="kitchen stays: versions were evaluated on it, 1 times"
    ):
        keeping.remove(kitchen)
    assert len(files_of(kitchen)) == 1


@pytest.mark.parametrize("state", sorted(Job.UNDER_WAY))
@pytest.mark.parametrize("kind", ["import", "evaluate"])
def test_a_job_that_needs_it_keeps_it(kitchen: Dataset, kind: str, state: str):
    named = kitchen.name if kind == "import" else kitchen.pk
    job = Job.objects.create(kind=kind, state=state, parameters={"dataset": named})
    with pytest.raises(InUseError, match=f"kitchen stays: it is needed by {job}. Wait"):
        keeping.remove(kitchen)
    Job.objects.update(state=Job.State.DONE)
    keeping.remove(kitchen)
    assert not Dataset.objects.exists()


def test_a_job_that_needs_another_dataset_keeps_nothing(kitchen: Dataset):
    # It may well be called by the number of ours.
    for named in (str(kitchen.pk), kitchen.pk + 1, None):
        Job.objects.create(kind="import", parameters={"dataset": named})
    keeping.remove(kitchen)
    assert not Dataset.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_that_is_removed_meanwhile_takes_no_import(
    kitchen: Dataset, tmp_path: Path
):
    class Removing:
        def tell(self, share: float, words: str) -> None:
            if words == "Taking them over.":
                Dataset.objects.all().delete()

    path = folder(tmp_path / "import", {"cup/a.png": picture()})
    with pytest.raises(
        DatasetError, match=r"^The dataset has been removed meanwhile.$"
    ):
        importing.import_archive(kitchen, path, Removing())
    assert files_of(kitchen) == []


@pytest.fixture
def upload(
    settings: Any, tmp_path: Path, kitchen: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A picture of a cup, which a job is to import into the kitchen."""
    settings.MODELS_DIR = tmp_path / "models"
    monkeypatch.setattr(jobs, "ring", lambda: None)
    archive = zipped(tmp_path / "x.zip", {"cup/a.png": picture()})
    source = uploads.store(SimpleUploadedFile("x.zip", archive.read_bytes()))
    jobs.request("import", {"dataset": "kitchen", "source": source})
    return Path(source.removeprefix("file:"))


def taken() -> Job:
    job = jobs.take_next()
    assert job
    return job


@pytest.mark.django_db(transaction=True)
def test_an_import_that_was_thought_lost_leaves_its_upload_to_the_next(upload: Path):
    first = taken()
    Job.objects.update(last_seen_at=timezone.now() - 2 * jobs.LOST_AFTER)
    assert jobs.revive_lost() == 1
    second = taken()
    doing.do(first)
    assert upload.exists()
    doing.do(second)
    second.refresh_from_db()
    assert (second.state, second.result["added"]) == (Job.State.DONE, 1)
    assert not upload.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("begins", [False, True])
def test_the_upload_of_an_import_that_is_cancelled_goes(upload: Path, begins: bool):
    job = taken() if begins else Job.objects.get()
    jobs.cancel(job)
    if begins:
        doing.do(job)
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert not upload.exists()


def test_pictures_are_for_nobody_else_on_the_machine(tmp_path: Path, shelf: Path):
    path = folder(tmp_path / "import", {"cup/a.png": picture()})
    call_command("datasets", "import", "kitchen", "--from", str(path))
    add_picture(keeping.create("other"), picture(), [])
    for name in ("kitchen", "other", ".staging"):
        assert stat.S_IMODE((shelf / name).stat().st_mode) == 0o700, name


@pytest.mark.django_db(transaction=True)
def test_one_picture_is_shown_and_taken_out(
    kitchen: Dataset, capsys: pytest.CaptureFixture[str]
):
    wrong = add_picture(kitchen, picture(1), [HOT_DOG], split="train", source="web")
    right = add_picture(kitchen, picture(2), [], split="held_out")
    call_command("datasets", "show", "kitchen")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["picture", "split", "labels", "source"],
        [str(wrong.pk), "train", "hot", "dog", "web"],
        [str(right.pk), "held_out", "(nothing)"],
    ]
    call_command("datasets", "show", "kitchen", "--split", "held_out")
    assert str(wrong.pk) not in capsys.readouterr().out.split()
    call_command("datasets", "remove", "kitchen", str(wrong.pk))
    assert "kitchen has 1 picture less." in capsys.readouterr().out
    assert list(kitchen.examples.all()) == [right]
    assert files_of(kitchen) == [right.file]


def test_what_is_not_in_the_dataset_is_not_taken_out(kitchen: Dataset):
    here = add_picture(kitchen, picture(1), [])
    elsewhere = add_picture(keeping.create("other"), picture(2), [])
    with pytest.raises(CommandError, match=f"kitchen has no picture {elsewhere.pk}"):
        call_command("datasets", "remove", "kitchen", str(here.pk), str(elsewhere.pk))
    assert Example.objects.count() == 2


def test_a_dataset_that_is_not_there():
    for arguments in (("remove", "x"), ("describe", "x", "")):
        with pytest.raises(CommandError, match="No dataset is called 'x'"):
            call_command("datasets", *arguments)
