"""Everything that the admin does with trials, typed."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.inference.models import Activation, Deployment, ModelVersion, Trial
from apps.inference.trials import services
from tests.unit.inference.trials.test_admin import FIGURES

pytestmark = pytest.mark.django_db


@pytest.fixture
def challenger(
    deployment: Deployment, scripted_version: Callable[..., ModelVersion]
) -> str:
    version = scripted_version(label="banana")
    return f"{version.model.name}:{version.version}"


def typed(*arguments: str) -> str:
    said = StringIO()
    call_command("trials", *arguments, stdout=said)
    return said.getvalue()


def test_a_shadow_is_started_listed_and_stopped(challenger: str):
    said = typed("shadow", challenger, "--share", "1")
    assert "is running, with a share of 100%." in said
    trial = Trial.objects.get()
    services.report(trial.pk, FIGURES)
    listed = typed("list")
    assert "champion: 1 answered, 0 failed; age p50 40" in listed
    assert "challenger: 0 answered, 1 failed" in listed
    assert "agreement on 1 frame: verdict 0.0%, labels 100.0%, boxes 100.0%" in listed
    assert "is stopped." in typed("stop")
    assert "stopped An operator stopped it." in typed("list")


@pytest.mark.usefixtures("deployment")
def test_an_empty_list_says_so():
    assert typed("list") == "Nothing was ever tried.\n"


def test_a_canary_is_promoted(challenger: str):
    said = typed("canary", challenger, "--share", "0.037")
    assert "is running, with a share of 3.7%." in said
    assert "3.7%: running" in typed("list")
    assert "are asked to answer with" in typed("promote")
    assert Activation.objects.get().to_version == Trial.objects.get().version


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("stop",), "Nothing is tried on default."),
        (("stop", "--deployment", "fruit"), "No deployment is called fruit"),
        (("shadow", "nobody", "--share", "1"), "No model is called nobody"),
        (("shadow", "scripted", "--share", "2"), "The share must be above 0"),
    ],
)
def test_what_can_not_be_done_says_why(
    challenger: str, arguments: tuple[str, ...], sentence: str
):
    with pytest.raises(CommandError, match=sentence):
        typed(*arguments)
