"""`manage.py models`, as somebody types it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import TestCase
from pytest_django import Settings

from apps.inference.comparison import Bounds
from apps.inference.engines import TORCH_CPU, TORCH_CUDA
from apps.inference.jobs import doing, overseeing
from apps.inference.models import Deployment, Job, ModelVersion, RegisteredModel
from apps.inference.registering import asking
from apps.inference.registering.registry import STARTER_MODELS, register_version
from apps.inference.services import replace
from apps.inference.verifying import verification
from apps.inference.verifying.measuring import BatchTime
from apps.inference.verifying.verification import EngineFigures, Verification

pytestmark = pytest.mark.django_db
State = ModelVersion.State
STARTER = Path(django_settings.BASE_DIR) / STARTER_MODELS / "starter-classifier"
Models = Callable[..., str]


@pytest.fixture
def models(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Models:
    settings.MODELS_DIR = tmp_path / "models"
    monkeypatch.setattr(verification, "engines_to_try", lambda *_: [TORCH_CPU])

    def run(*words: str) -> str:
        said = StringIO()
        call_command("models", *words, stdout=said)
        return said.getvalue()

    return run


def test_a_model_is_added_listed_shown_verified_and_measured(
    models: Models, tmp_path: Path
):
    added = models("add", "foods", "--from", f"file:{STARTER}")
    version = ModelVersion.objects.select_related("model").get()
    assert added.splitlines()[-1].startswith(f"{version} is verified: torch-cpu, ")
    assert TORCH_CPU in added.splitlines()[1]

    listed = models("list")
    assert listed.splitlines()[0].split()[:2] == ["version", "state"]
    assert re.search(
        f"^{version} +verified +- +classifier +torch-cpu +", listed, re.MULTILINE
    )
    Deployment.objects.create(name="kitchen", active_version=version)
    assert re.search(f"^{version} +verified +kitchen ", models("list"), re.MULTILINE)

    shown = models("show", "foods")
    assert f"file:{STARTER}" in shown
    assert version.sha256 in shown
    assert "7: hot dog, banana, pizza, donut, carrot, cup, …" in shown
    assert f"torch-cpu, {version.batch_size} at a time" in shown
    assert re.search(rf"^torch-cpu +{version.batch_size} .* chosen$", shown, re.M)
    assert shown.count("chosen") == 1
    assert models("show", f"foods:{version.version}") == shown

    ModelVersion.objects.update(state=State.FAILED, reason="Once.")
    assert "is verified" in models("verify", "foods")
    version.refresh_from_db()
    assert (version.state, version.reason) == (State.VERIFIED, "")

    path = tmp_path / "figures.json"
    measured = models("bench", "foods", "--json", str(path))
    assert f"Written to {path}" in measured
    figures = json.loads(path.read_text())
    assert figures["sha256"] == version.sha256
    assert [each["size"] for each in figures["engines"][0]["batches"]] == [1, 2, 4]
    # A bare loop is for a GPU: here the reference itself is torch and nothing else.
    assert {each["bare_ms"] for each in figures["engines"][0]["batches"]} == {None}
    assert "bare" not in measured


def test_a_bench_on_a_gpu_says_how_near_to_a_bare_loop_it_comes(
    models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    models("add", "foods", "--from", f"file:{STARTER}")
    batches = [
        BatchTime(1, 5.0, 4.0, overlapped_ms=4.0, bare_ms=3.0),
        BatchTime(2, 8.0, 7.0),
    ]
    limit = "The device's memory doesn't hold 4 at once."
    figures = EngineFigures(TORCH_CUDA, batches=batches, limit=limit)
    outcome = Verification(TORCH_CUDA, 2, Bounds(), [figures], golden=[])
    monkeypatch.setattr(verification, "verify", lambda *_: outcome)
    path = tmp_path / "figures.json"
    lines = models("bench", "foods", "--json", str(path)).splitlines()
    assert [" ".join(line.split()) for line in lines[1:3]] == [
        "torch-cuda 1 5.0 200.0 250.0 overlapped, 333.3 bare: 75%",
        "torch-cuda 2 8.0 250.0 chosen",
    ]
    assert lines[3].split(maxsplit=1) == [TORCH_CUDA, limit]
    [written] = json.loads(path.read_text())["engines"]
    assert written["limit"] == limit
    assert written["batches"][0]["bare_ms"] == 3.0


def test_each_step_is_a_line_where_there_is_no_terminal(
    models: Models, capsys: pytest.CaptureFixture[str]
):
    models("add", "foods", "--from", f"file:{STARTER}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  0 % Fetching the files."
    assert " 50 % Reading the files." in lines
    assert lines[-2].endswith("% Measuring torch-cpu.")
    assert lines[-1] == "100 % Registering it."


@pytest.mark.parametrize("what", ["verify", "bench"])
def test_files_that_have_changed_are_not_opened(models: Models, what: str):
    models("add", "foods", "--from", f"file:{STARTER}")
    version = ModelVersion.objects.get()
    with (version.path / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CommandError, match="checksum differs"):
        models(what, "foods")


@pytest.mark.parametrize("what", ["show", "retry", "verify", "bench"])
@pytest.mark.parametrize("name", ["nobody", "nobody:1234"])
def test_a_name_that_is_unknown_is_said(models: Models, what: str, name: str):
    with pytest.raises(CommandError, match=f"^No model is called {name}; "):
        models(what, name)


def test_what_was_never_brought_in_cannot_be_verified(models: Models):
    asking.request_version("mine", "file:/nowhere")
    for what in ("verify", "bench"):
        with pytest.raises(CommandError, match=r" has no files yet: "):
            models(what, "mine")
    assert "file:/nowhere" in models("show", "mine")


def test_what_a_job_verifies_is_not_verified_here_at_the_same_time(models: Models):
    models("add", "foods", "--from", f"file:{STARTER}")
    asking.verify(ModelVersion.objects.get())
    before = ModelVersion.objects.values().get()
    with pytest.raises(CommandError, match="is being verified already"):
        models("verify", "foods")
    assert ModelVersion.objects.values().get() == before


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done in this process: another has another database."""

    def do(job: Job, told: object) -> None:
        doing.do(job)
        job.refresh_from_db()

    monkeypatch.setattr(overseeing, "oversee", do)


def test_what_failed_before_it_had_files_is_brought_in_again(
    models: Models, here: None
):
    version = asking.request_version("foods", f"file:{STARTER}")
    said = models("retry", f"foods:{version.version}")
    version.refresh_from_db()
    assert f"{version} is verified: torch-cpu, " in said
    assert version.path.exists()
    job = Job.objects.get()
    assert (job.kind, job.state) == ("add", Job.State.DONE)
    with pytest.raises(CommandError, match="has its files: verify it anew"):
        models("retry", "foods")


def test_what_fails_once_more_stays_with_its_reason(models: Models, here: None):
    version = asking.request_version("foods", "file:/nowhere")
    with pytest.raises(CommandError, match=r"is failed: .*nowhere"):
        models("retry", "foods")
    version.refresh_from_db()
    assert version.state == State.FAILED
    assert "nowhere" in version.reason


@pytest.mark.parametrize(
    ("name", "source", "why"),
    [
        ("my model", "file:/nowhere", "letters, digits"),
        ("mine", "ftp://somewhere", "A model comes from"),
        ("mine", "file:/nowhere", "nowhere"),
    ],
)
def test_adding_fails_with_one_sentence(
    models: Models, name: str, source: str, why: str
):
    with pytest.raises(CommandError, match=why) as caught:
        models("add", name, "--from", source)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert not ModelVersion.objects.exists()
    assert not RegisteredModel.objects.exists()


def test_what_is_registered_already_is_said_and_not_written_down(models: Models):
    models("add", "foods", "--from", f"file:{STARTER}")
    version = ModelVersion.objects.get()
    with pytest.raises(CommandError, match="registered already"):
        models("add", "foods", "--from", f"file:{STARTER}")
    assert ModelVersion.objects.get() == version
    assert version.path.exists()


def test_a_version_is_removed_with_its_files_and_its_model(
    models: Models, settings: Settings
):
    models("add", "foods", "--from", f"file:{STARTER}")
    version = ModelVersion.objects.select_related("model").get()
    with TestCase.captureOnCommitCallbacks(execute=True):
        said = models("remove", "foods")
    assert said == f"{version} is removed.\n"
    assert not RegisteredModel.objects.exists()
    assert [path for path in settings.MODELS_DIR.rglob("*") if path.is_file()] == []
    assert not version.path.parent.exists()


def test_what_is_needed_is_not_removed(models: Models):
    models("add", "foods", "--from", f"file:{STARTER}")
    version = ModelVersion.objects.get()
    kitchen = Deployment.objects.create(name="kitchen", active_version=version)
    with pytest.raises(CommandError, match="is active in kitchen: choose another"):
        models("remove", "foods")

    other = register_version(
        name="starter", family="classifier", directory=STARTER_MODELS / STARTER.name
    )
    with pytest.raises(CommandError, match="ships with the Emporium"):
        models("remove", "starter")
    replace(kitchen, other, "It is quicker.")
    with pytest.raises(CommandError, match="so it stays: activations"):
        models("remove", "foods")

    assert version.path.exists()
    assert ModelVersion.objects.count() == 2


def test_a_failure_that_nobody_foresaw_is_a_sentence(
    models: Models, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object) -> None:
        raise KeyError("a bug")

    models("add", "foods", "--from", f"file:{STARTER}")
    monkeypatch.setattr(verification, "verify", fail)
    with pytest.raises(CommandError, match="nobody foresaw; the log says how"):
        models("verify", "foods")
    version = ModelVersion.objects.get()
    assert version.state == State.FAILED
    assert "nobody foresaw" in version.reason
    assert "a bug" in caplog.text


def test_what_is_interrupted_leaves_nothing(
    models: Models, monkeypatch: pytest.MonkeyPatch, settings: Settings
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verification, "verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        models("add", "foods", "--from", f"file:{STARTER}")
    assert not ModelVersion.objects.exists()
    assert not [path for path in settings.MODELS_DIR.rglob("*") if path.is_file()]


def test_verifying_that_is_interrupted_changes_nothing(
    models: Models, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    models("add", "foods", "--from", f"file:{STARTER}")
    before = ModelVersion.objects.values().get()
    monkeypatch.setattr(verification, "verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        models("verify", "foods")
    assert ModelVersion.objects.values().get() == before


def test_a_secret_in_an_address_is_not_shown(models: Models):
    asking.request_version("mine", "https://user:hunter2@127.0.0.1:1/a.pt?key=s3cret")
    shown = models("show", "mine")
    assert "https://127.0.0.1:1/a.pt?…" in shown
    assert "s3cret" not in shown
    assert "hunter2" not in shown
