"""Bringing versions in: what is asked for is verified, or failed with a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from django.conf import settings as django_settings
from pytest_django import Settings
from safetensors.torch import load_file, save_file

from apps.inference import jobs
from apps.inference.conversion import convert
from apps.inference.engines import OPENVINO, TORCH_CPU
from apps.inference.exceptions import InferenceError
from apps.inference.jobs import doing
from apps.inference.models import Activation, Deployment, Job, ModelVersion
from apps.inference.registering import adding, asking
from apps.inference.registering.registry import STARTER_MODELS
from apps.inference.verifying import verification

from .official import LABELS, checkpoint, official, save, tiny
from .versions import write_classifier, write_json

pytestmark = pytest.mark.django_db
State = ModelVersion.State
Add = Callable[..., ModelVersion]


@pytest.fixture
def models_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    return tmp_path / "models"


@pytest.fixture
def reference_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines are tested elsewhere."""
    monkeypatch.setattr(verification, "engines_to_try", lambda *_: [TORCH_CPU])


@pytest.fixture
def work(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> Callable[[], Job]:
    """Do the job that waits, as its process does."""
    monkeypatch.setattr(jobs, "ring", lambda: None)

    def do() -> Job:
        job = jobs.take_next()
        assert job
        with django_capture_on_commit_callbacks(execute=True):
            doing.do(job)
        job.refresh_from_db()
        return job

    return do


@pytest.fixture
def add(
    models_dir: Path,
    deployment: Deployment,
    reference_alone: None,
    work: Callable[[], Job],
) -> Add:
    """Have a job bring a version in; why it failed is raised."""

    def bring(source: Path, *, name: str = "mine", sha256: str = "") -> ModelVersion:
        version = asking.request_version(name, f"file:{source}", sha256=sha256)
        asking.add(version)
        job = work()
        before = deployment.active_version_id
        deployment.refresh_from_db()
        assert deployment.active_version_id == before
        assert not Activation.objects.exists()
        version = ModelVersion.objects.get(pk=version.pk)
        assert (version.state == State.VERIFIED) is (job.state == Job.State.DONE)
        if job.state == Job.State.FAILED:
            assert version.state == State.FAILED
            raise InferenceError(version.reason)
        return version

    return bring


@pytest.fixture
def refuse(add: Add, models_dir: Path) -> Callable[..., ModelVersion]:
    """Fail to bring a version in, and leave no trace but the sentence."""

    def fail(source: Path, why: str, **options: str) -> ModelVersion:
        before = files_in(models_dir)
        with pytest.raises(InferenceError, match=why) as caught:
            add(source, **options)
        version = ModelVersion.objects.latest("id")
        assert version.state == State.FAILED
        assert version.reason == str(caught.value)
        assert version.reason.endswith(".")
        assert "\n" not in version.reason
        assert files_in(models_dir) == before
        return version

    return fail


def files_in(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()}


def checkpoint_file(path: Path) -> Path:
    return save(path, checkpoint(official(tiny(), LABELS)))


def folder(directory: Path) -> Path:
    """A version's files, as another machine might have them."""
    convert(checkpoint_file(directory.with_suffix(".pt")), make(directory))
    return directory


@pytest.mark.parametrize(
    ("name", "family"),
    [("starter-detector", "yolov5"), ("starter-classifier", "classifier")],
)
def test_the_folder_of_a_model_is_brought_in_and_verified(
    models_dir: Path, name: str, family: str
):
    source = Path(django_settings.BASE_DIR) / STARTER_MODELS / name
    told: list[float] = []
    version = asking.request_version("again", f"file:{source}")

    adding.bring_in(version, lambda share, step: told.append(share))

    version = ModelVersion.objects.get(pk=version.pk)
    assert version.state == State.VERIFIED
    assert version.model.family == family
    assert version.version == version.sha256[:8]
    assert version.path == models_dir / "again" / version.version
    assert version.card["labels"]
    assert version.engine.startswith(OPENVINO)
    assert version.batch_size
    assert version.verified_at is not None
    assert {each["engine"] for each in version.verification["engines"]} >= {
        TORCH_CPU,
        OPENVINO,
    }
    assert told == sorted(told)
    assert told[-1] == 1
    assert {path.parent for path in files_in(models_dir)} == {version.path}


def test_an_official_checkpoint_is_brought_in(add: Add, tmp_path: Path):
    version = add(checkpoint_file(tmp_path / "yolov5n.pt"))
    assert version.state == State.VERIFIED
    assert version.card["licence"] == "AGPL-3.0"
    assert {path.name for path in version.path.iterdir()} == {
        "config.json",
        "model.safetensors",
    }


def test_a_truncated_file_is_refused(refuse: Add, tmp_path: Path):
    path = checkpoint_file(tmp_path / "yolov5n.pt")
    path.write_bytes(path.read_bytes()[:5000])
    refuse(path, "cut short or damaged")


def test_a_page_instead_of_weights_is_refused(refuse: Add, tmp_path: Path):
    path = tmp_path / "yolov5n.pt"
    path.write_text("<!DOCTYPE html><html><body>Not found</body></html>")
    refuse(path, "page|HTML")


def test_another_checksum_is_refused(refuse: Add, tmp_path: Path):
    refuse(
        checkpoint_file(tmp_path / "a.pt"),
        "its SHA-256 is [0-9a-f]{64}",
        sha256="ab" * 32,
    )


def test_what_is_no_checksum_is_not_even_asked_for():
    with pytest.raises(InferenceError, match="64 hexadecimal"):
        asking.request_version("mine", "file:/a.pt", sha256="abc" * 30)
    assert not ModelVersion.objects.exists()


def test_an_unknown_architecture_is_refused(refuse: Add, tmp_path: Path):
    source = tmp_path / "source"
    folder(source)
    write_json(source / "config.json", {"architectures": ["LlamaForCausalLM"]})
    refuse(source, "neither classifies pictures nor detects objects")


def test_weights_that_are_no_numbers_are_refused(refuse: Add, tmp_path: Path):
    source = folder(tmp_path / "source")
    tensors = load_file(source / "model.safetensors")
    tensors["model.0.conv.weight"][0] = torch.nan
    save_file(tensors, source / "model.safetensors")
    refuse(source, "NaN")


def test_what_is_not_there_is_refused(refuse: Add, tmp_path: Path):
    refuse(tmp_path / "nowhere", "nowhere")


def test_the_same_weights_are_not_registered_twice(
    add: Add, refuse: Add, tmp_path: Path
):
    source = folder(tmp_path / "source")
    first = add(source)
    refuse(source, f"registered already, as {first.version}")
    first.refresh_from_db()
    assert first.state == State.VERIFIED


def test_other_weights_under_the_same_name_are_another_version(
    add: Add, tmp_path: Path
):
    first = add(folder(tmp_path / "source"))
    second = add(checkpoint_file(tmp_path / "a.pt"))
    assert first.model == second.model
    assert first.version != second.version


def test_a_name_stays_with_its_family(add: Add, refuse: Add, tmp_path: Path):
    add(folder(tmp_path / "source"))
    classifier = write_classifier(make(tmp_path / "other"))
    refuse(classifier, "mine is a yolov5 model and this one is classifier")


def test_of_two_families_at_once_the_second_is_refused(
    add: Add, refuse: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The first is registered while the second is being verified."""
    detector = folder(tmp_path / "source")
    classifier = write_classifier(make(tmp_path / "other"))
    verify = verification.verify

    def add_another_first(*arguments: Any) -> verification.Verification:
        monkeypatch.setattr(verification, "verify", verify)
        added.append(add(detector))
        return verify(*arguments)

    added: list[ModelVersion] = []
    monkeypatch.setattr(verification, "verify", add_another_first)
    with pytest.raises(InferenceError, match="mine is a yolov5 model and this one is"):
        add(classifier)
    [first] = added
    first.model.refresh_from_db()
    assert first.model.family == "yolov5"


def test_a_version_that_fails_may_be_added_again(add: Add, refuse: Add, tmp_path: Path):
    source = folder(tmp_path / "source")
    whole = (source / "model.safetensors").read_bytes()
    (source / "model.safetensors").write_bytes(whole[:5000])
    refuse(source, "model.safetensors")
    (source / "model.safetensors").write_bytes(whole)
    assert add(source).state == State.VERIFIED


def test_an_upload_is_removed_once_it_has_been_read(
    add: Add, refuse: Add, models_dir: Path
):
    upload = make(models_dir / "uploads" / "f00")
    version = add(checkpoint_file(upload / "a.pt"))
    assert {path.parent for path in files_in(models_dir)} == {version.path}
    other = make(models_dir / "uploads" / "f01") / "a.pt"
    other.write_text("no checkpoint")
    with pytest.raises(InferenceError):
        add(other)
    assert {path.parent for path in files_in(models_dir)} == {version.path}


@pytest.mark.parametrize("place", ["uploads", "downloads"])
def test_no_path_leads_out_of_the_uploads(
    add: Add, models_dir: Path, tmp_path: Path, place: str
):
    """What is registered stays, whatever is called an upload."""
    registered = add(folder(tmp_path / "source"))
    make(models_dir / place)
    detour = models_dir / place / ".." / registered.model.name / registered.version
    with pytest.raises(InferenceError, match="registered already"):
        add(detour)
    assert (registered.path / "model.safetensors").exists()


def test_an_upload_that_is_refused_unread_is_removed_too(add: Add, models_dir: Path):
    upload = checkpoint_file(make(models_dir / "uploads" / "f00") / "a.pt")
    with pytest.raises(InferenceError, match="SHA-256"):
        add(upload, sha256="ab" * 32)
    assert files_in(models_dir) == set()


def test_an_upload_that_is_gone_is_said_to_be(add: Add, models_dir: Path):
    upload = make(models_dir / "uploads" / "f00") / "a.pt"
    for _ in range(2):
        upload.parent.mkdir(exist_ok=True)
        upload.write_text("no checkpoint")
        with pytest.raises(InferenceError, match="isn't one that PyTorch saved"):
            add(upload)
    with pytest.raises(InferenceError, match="upload it anew"):
        add(upload)


def test_a_family_is_a_models_own_only_once_a_version_is_there(
    add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise InferenceError("It can't be verified.")

    with monkeypatch.context() as patch:
        patch.setattr(verification, "verify", fail)
        with pytest.raises(InferenceError):
            add(write_classifier(make(tmp_path / "classifier")))
    assert add(folder(tmp_path / "source")).model.family == "yolov5"


def test_what_is_interrupted_is_failed_and_may_be_added_again(
    add: Add, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    source = folder(tmp_path / "source")
    version = asking.request_version("mine", f"file:{source}")
    with monkeypatch.context() as patch:
        patch.setattr(verification, "verify", interrupt)
        with pytest.raises(KeyboardInterrupt):
            adding.bring_in(version)
    version.refresh_from_db()
    assert (version.state, version.sha256) == (State.FAILED, "")
    assert version.reason == "It is being added in a terminal, or was stopped there."
    assert not [*models_dir.glob("staging/*")]
    assert add(source).state == State.VERIFIED


def test_a_secret_in_an_address_is_kept_no_longer_than_it_is_needed(
    models_dir: Path, work: Callable[[], Job]
):
    version = asking.request_version(
        "mine", "https://user:hunter2@127.0.0.1:1/a.pt?token=s3cret"
    )
    asking.add(version)
    version.refresh_from_db()
    assert "s3cret" in version.source  # a worker that dies leaves it to the next
    assert work().state == Job.State.FAILED
    version.refresh_from_db()
    assert version.source == "https://127.0.0.1:1/a.pt?…"


@pytest.mark.parametrize("name", ["uploads", "a" * 81, "a b"])
def test_a_name_that_cannot_be_one(name: str):
    with pytest.raises(InferenceError, match="name"):
        asking.request_version(name, "hub:microsoft/resnet-50")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (KeyError("a bug"), "nobody foresaw"),
    ],
)
def test_whatever_goes_wrong_is_written_down(
    refuse: Add,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
):
    def copy(*_: object) -> None:
        raise error

    monkeypatch.setattr(shutil, "copyfile", copy)
    refuse(folder(tmp_path / "source"), reason)


def test_a_version_is_verified_anew(add: Add, tmp_path: Path, work: Callable[[], Job]):
    version = add(folder(tmp_path / "source"))
    first = version.verified_at
    asking.verify(version)
    assert work().result["version"] == version.pk
    version.refresh_from_db()
    assert (version.state, version.reason) == (State.VERIFIED, "")
    assert first is not None
    assert version.verified_at is not None
    assert version.verified_at > first


def test_a_version_whose_weights_have_changed_fails_when_it_is_verified_anew(
    add: Add, tmp_path: Path, work: Callable[[], Job]
):
    version = add(folder(tmp_path / "source"))
    with (version.path / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    asking.verify(version)
    job = work()
    version.refresh_from_db()
    assert version.state == State.FAILED
    assert "checksum" in version.reason
    assert job.reason == version.reason


def make(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
