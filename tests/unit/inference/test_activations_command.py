"""What answers can be chosen, waited for, undone and looked up on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.inference.models import Activation, Deployment, ModelVersion
from apps.inference.services import activate
from apps.inference.serving import switching

pytestmark = pytest.mark.django_db
State = Activation.State
Register = Callable[..., ModelVersion]


def deployments(*arguments: str) -> str:
    out = StringIO()
    call_command("deployments", *arguments, stdout=out)
    return out.getvalue()


def name_of(version: ModelVersion) -> str:
    return f"{version.model.name}:{version.version}"


def test_the_list_says_what_answers(deployment: Deployment):
    assert deployments("list").split() == [
        *("name", "active", "version", "queue"),
        *("default", *str(deployment.active_version).split(), "gpu"),
    ]


def test_activating_asks_the_workers(
    deployment: Deployment, scripted_version: Register
):
    version = scripted_version()
    said = deployments("activate", "default", name_of(version), "--note", "Better.")
    assert f"The workers are loading {version}" in said
    activation = Activation.objects.get()
    assert (activation.to_version, activation.note) == (version, "Better.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["activate", "default", "nobody"], "No model is called nobody"),
        (["activate", "nothing", "scripted"], "No deployment is called nothing"),
        (["back", "default"], "Nothing answered for default before."),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    deployment: Deployment, arguments: list[str], sentence: str
):
    with pytest.raises(CommandError, match=f"^{sentence}"):
        deployments(*arguments)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[object]], None]:
    """Have something done each time that the command waits."""

    def do(steps: list[object]) -> None:
        def wait(_: float) -> None:
            step = steps.pop(0)
            assert callable(step)
            step()

        monkeypatch.setattr(time, "sleep", wait)

    return do


def test_whoever_waits_is_told_how_far_it_is_and_that_it_answers(
    deployment: Deployment,
    scripted_version: Register,
    meanwhile: Callable[[list[object]], None],
    capsys: pytest.CaptureFixture[str],
):
    version = scripted_version()

    def load() -> None:
        switching.tell(Activation.objects.get(), State.LOADING, "Loaded by the worker.")

    meanwhile([load, lambda: switching.switch(Activation.objects.get().pk, {})])

    said = deployments("activate", "default", name_of(version), "--wait")

    assert said == f"{version} answers for default.\n"
    assert capsys.readouterr().err == "Requested\nLoading: Loaded by the worker.\n"


def test_whoever_waits_in_vain_is_told_why(
    deployment: Deployment,
    scripted_version: Register,
    meanwhile: Callable[[list[object]], None],
):
    version = scripted_version()
    meanwhile(
        [lambda: switching.roll_back(Activation.objects.get().pk, "It is cut short.")]
    )
    with pytest.raises(CommandError, match=f"^{version} doesn't answer: It is cut sho"):
        deployments("activate", "default", name_of(version), "--wait")


def test_the_way_back_is_one_word(deployment: Deployment, scripted_version: Register):
    before = deployment.active_version
    activation = activate(deployment, scripted_version())
    assert activation
    switching.switch(activation.pk, {})
    assert f"The workers are loading {before}" in deployments("back", "default")


def test_the_history_has_who_when_what_and_why(
    deployment: Deployment, scripted_version: Register
):
    assert "Nothing else was ever asked for" in deployments("history", "default")
    version = scripted_version()
    activation = activate(deployment, version)
    assert activation
    switching.roll_back(activation.pk, "It is cut short.")
    line = deployments("history", "default").splitlines()[1]
    for words in (str(version), str(deployment.active_version), "It is cut short."):
        assert words in line
