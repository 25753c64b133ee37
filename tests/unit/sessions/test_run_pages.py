"""One run and its list: charts, how it ended, and both as files."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from apps.inference.models import Deployment
from apps.sessions import exporting, services
from apps.sessions.models import CameraSession, Run
from apps.sessions.timeline import entry

LIST = "admin:emporium_sessions_run_changelist"


def run_of(deployment: Deployment, **fields: Any) -> Run:
    client = fields.pop("client", "Mozilla/5.0")
    session = services.open_session(
        deployment=deployment.name, user=None, client=client
    )
    return Run.objects.create(
        session=session, model_version=deployment.active_version, **fields
    )


def one_timeline() -> list[dict[str, Any]]:
    return [
        entry(at, 5, frames=(50, 7), ages={"140": 50}, labels={"hot dog": 40, "cup": 9})
        for at in (0, 5, 60)
    ]


def page_of(run: Run) -> str:
    return reverse("admin:emporium_sessions_run_change", args=(run.pk,))


def test_a_run_draws_how_it_went(admin_client: Client, deployment: Deployment):
    run = run_of(
        deployment,
        inferred=150,
        lost=21,
        latency={"forward": {"p50": 12.0, "p95": 20.0}},
        timeline=one_timeline(),
    )
    content = admin_client.get(page_of(run)).content.decode()
    for title in (
        "Frames a second",
        "Age of the picture at the server",
        "Where every frame went",
        "How long each step took",
        "Results by label",
    ):
        assert f"<figcaption>{title}" in content
    assert "answered 10 a second, dropped 1.4 a second" in content
    assert "lost: 21 frames" in content
    assert "model: p50 12 ms, p95 20 ms" in content
    assert "hot dog: 40 results" in content
    # Nobody drew a line over the time that its session was away.
    assert content.count("<polyline") == 4
    assert " style=" not in content


def test_a_run_of_which_nothing_is_known_says_so(
    admin_client: Client, deployment: Deployment
):
    content = admin_client.get(page_of(run_of(deployment))).content.decode()
    assert content.count("Nothing to show yet.") == 5


def test_a_run_says_whose_it_was_and_how_it_ended(
    admin_client: Client, deployment: Deployment
):
    run = run_of(deployment, client="Mozilla/5.0 <phone>", worker="gpu@here")
    content = admin_client.get(page_of(run)).content.decode()
    assert "Goes on" in content
    assert "Mozilla/5.0 &lt;phone&gt;" in content
    assert "gpu@here" in content

    services.close_session(run.session_id, sentence="The camera was taken away.")
    content = admin_client.get(page_of(run)).content.decode()
    assert "The camera was taken away." in content


def test_a_run_that_another_followed_did_not_end_as_its_session_did(
    admin_client: Client, deployment: Deployment
):
    run = run_of(deployment, ended_at=timezone.now() - timedelta(minutes=1))
    services.close_session(run.session_id, sentence="The camera was taken away.")
    content = admin_client.get(page_of(run)).content.decode()
    assert "its session went on" in content
    assert "The camera was taken away." not in content


def listed(client: Client, query: str) -> set[int]:
    found = client.get(f"{reverse(LIST)}?{query}").context["cl"].result_list
    return {run.pk for run in found}


def test_runs_are_filtered_and_found(admin_client: Client, deployment: Deployment):
    now = timezone.now()
    old = run_of(deployment, started_at=now - timedelta(days=3), ended_at=now)
    torch = run_of(deployment, engine="torch", worker="a", superseded=3)
    lossy = run_of(deployment, engine="openvino", worker="b", lost=1)
    services.change_status(lossy.session_id, CameraSession.Status.FAILED, "No camera.")
    other = Deployment.objects.create(
        name="other", active_version=deployment.active_version
    )
    elsewhere = run_of(other)
    everything = {old.pk, torch.pk, lossy.pk, elsewhere.pk}
    for query, expected in {
        "": everything,
        "within=day": everything - {old.pk},
        f"deployment__id__exact={other.pk}": {elsewhere.pk},
        f"model_version__id__exact={deployment.active_version_id}": everything,
        "engine=torch": {torch.pk},
        "worker=b": {lossy.pk},
        "drops=0": {old.pk, elsewhere.pk},
        "drops=1": {torch.pk},
        "drops=2": {lossy.pk},
        "drops=many": everything,
        "end=none": everything - {old.pk},
        "end=failed": {lossy.pk},
        f"q={torch.pk}": {torch.pk},
        f"q={str(lossy.session_id)[:12]}": {lossy.pk},
        f"q={lossy.session_id}": {lossy.pk},
        "q=1234567": set(),
        "q=ffffffff": set(),
        "q=nothing like it": set(),
    }.items():
        assert listed(admin_client, query) == expected, query


def test_sessions_are_found_by_number_browser_and_version(
    admin_client: Client, deployment: Deployment
):
    run = run_of(deployment, client="Mozilla/5.0 (Android 15)")
    lonely = services.open_session(
        deployment=deployment.name, user=None, client="curl/8"
    )
    address = reverse("admin:emporium_sessions_camerasession_changelist")
    for query, expected in {
        f"q={str(lonely.pk)[:8]}": {lonely.pk},
        "q=android": {run.session_id},
        f"version={deployment.active_version_id}": {run.session_id},
        "version=none": {run.session_id, lonely.pk},
    }.items():
        shown = admin_client.get(f"{address}?{query}").context["cl"].result_list
        assert {session.pk for session in shown} == expected, query


def content_of(client: Client, name: str, *args: Any, query: str = "") -> str:
    address = reverse(f"admin:emporium_sessions_run_{name}", args=args)
    response = client.get(f"{address}?{query}")
    assert response.status_code == 200
    assert "attachment" in response.headers["Content-Disposition"]
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def test_a_filtered_list_is_exported(admin_client: Client, deployment: Deployment):
    run_of(deployment, engine="torch")
    formula = run_of(deployment, engine="openvino", client='=HYPERLINK("evil")')

    table = content_of(admin_client, "export_list", "csv", query="engine=openvino")
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["run"], row["deployment"]) == (str(formula.pk), deployment.name)
    assert row["client"] == '\'=HYPERLINK("evil")'

    rows = json.loads(content_of(admin_client, "export_list", "json"))
    assert [row["engine"] for row in rows] == ["openvino", "torch"]
    assert rows[0]["client"] == '=HYPERLINK("evil")'
    none = content_of(admin_client, "export_list", "json", query="engine=none")
    assert json.loads(none) == []


@pytest.mark.parametrize("query", ["nothing=1", "e=1&nothing=1"])
def test_what_runs_cannot_be_filtered_by_is_told(
    admin_client: Client, deployment: Deployment, query: str
):
    address = reverse("admin:emporium_sessions_run_export_list", args=("csv",))
    response = admin_client.get(f"{address}?{query}")
    assert response.status_code == 400
    assert response.content.decode() == "Runs can’t be filtered by that."


def test_one_run_is_exported_with_how_it_went(
    admin_client: Client, deployment: Deployment
):
    run = run_of(deployment, timeline=one_timeline(), labels={"hot dog": 120})
    everything = json.loads(content_of(admin_client, "export", run.pk, "json"))
    assert everything["labels"] == {"hot dog": 120}
    assert [each["inferred"] for each in everything["timeline"]] == [50, 50, 50]

    table = content_of(admin_client, "export", run.pk, "csv")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["at_s"] for row in rows] == ["0", "5", "60"]
    assert [row["label cup"] for row in rows] == ["9", "9", "9"]


def test_only_who_may_see_runs_exports_them(client: Client, deployment: Deployment):
    run = run_of(deployment)
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    for name, args in (("export_list", ("csv",)), ("export", (run.pk, "csv"))):
        address = reverse(f"admin:emporium_sessions_run_{name}", args=args)
        assert client.get(address).status_code == 403


@pytest.mark.parametrize("args", [("xml",), (1_000_000, "csv")])
def test_what_is_not_there_is_not_exported(
    admin_client: Client, args: tuple[Any, ...], db: None
):
    name = "export_list" if len(args) == 1 else "export"
    address = reverse(f"admin:emporium_sessions_run_{name}", args=args)
    assert admin_client.get(address).status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_a_long_export_is_made_while_it_is_sent(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """As Daphne asks for it, which would otherwise hold all of it in memory."""
    monkeypatch.setattr(exporting, "LINES_AT_ONCE", 2)
    for _ in range(5):
        await Run.objects.acreate(
            session=await CameraSession.objects.acreate(deployment=deployment),
            deployment=deployment,
            model_version=deployment.active_version,
        )
    client = AsyncClient()
    await client.aforce_login(await User.objects.acreate_superuser("root"))
    address = reverse("admin:emporium_sessions_run_export_list", args=("csv",))
    response = await client.get(address)
    parts = [part async for part in response.streaming_content]  # type: ignore[attr-defined]
    assert [part.count(b"\n") for part in parts] == [2, 2, 2]


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("runs", *arguments, stdout=out)
    return out.getvalue()


def exported(*arguments: str) -> str:
    return said("export", *arguments)


def numbers(*arguments: str) -> list[int]:
    """Of the runs that are listed by the command."""
    heading, *lines = said("list", *arguments).splitlines()
    assert heading.split()[0] == "run"
    return [int(line.split()[0]) for line in lines]


def test_the_command_exports_as_the_admin_does(
    admin_client: Client, deployment: Deployment
):
    run = run_of(deployment, engine="torch", timeline=one_timeline())
    run_of(deployment, engine="openvino")
    assert exported() == content_of(admin_client, "export_list", "csv")
    chosen = exported("--engine", "torch", "--format", "json")
    assert [row["run"] for row in json.loads(chosen)] == [run.pk]
    one = exported(str(run.pk), "--format", "json")
    assert one == content_of(admin_client, "export", run.pk, "json")


def test_the_command_chooses_by_day_and_model(deployment: Deployment):
    now = timezone.now()
    run = run_of(deployment, started_at=now - timedelta(days=3))
    name = deployment.active_version.model.name
    day = f"{run.started_at:%Y-%m-%d}"
    for arguments, count in (
        (("--since", day), 1),
        (("--until", day), 1),
        (("--since", f"{now:%Y-%m-%d}"), 0),
        (("--model", name), 1),
        (("--model", f"{name}:{deployment.active_version.version}"), 1),
        (("--model", "other"), 0),
        (("--deployment", "other"), 0),
    ):
        rows = json.loads(exported(*arguments, "--format", "json"))
        assert len(rows) == count, arguments


def test_the_command_chooses_by_what_the_admin_filters_by(deployment: Deployment):
    over = run_of(deployment, ended_at=timezone.now(), engine="torch", worker="a")
    some = run_of(deployment, superseded=3)
    lossy = run_of(deployment, lost=1)
    services.change_status(lossy.session_id, CameraSession.Status.FAILED, "No camera.")
    other = Deployment.objects.create(
        name="other", active_version=deployment.active_version
    )
    elsewhere = run_of(other)
    for arguments, expected in (
        ((), [elsewhere, lossy, some, over]),
        (("--deployment", "other"), [elsewhere]),
        (("--engine", "torch"), [over]),
        (("--worker", "a"), [over]),
        (("--drops", "none"), [elsewhere, over]),
        (("--drops", "some"), [some]),
        (("--drops", "failed"), [lossy]),
        (("--end", "none"), [elsewhere, lossy, some]),
        (("--end", "failed"), [lossy]),
        (("--session", str(some.session_id)), [some]),
        (("--session", str(some.session_id)[:8]), [some]),
        (("--session", "ffffffff"), []),
    ):
        wanted = [run.pk for run in expected]
        assert numbers(*arguments) == wanted, arguments
        rows = json.loads(exported(*arguments, "--format", "json"))
        assert [row["run"] for row in rows] == wanted, arguments


def test_the_command_lists_the_newest(deployment: Deployment):
    old, new = run_of(deployment), run_of(deployment, inferred=7, lost=2)
    assert numbers("--most", "2") == [new.pk, old.pk]
    heading, line, more = said("list", "--most", "1").splitlines()
    row = line.split()
    assert row[0] == str(new.pk)
    assert str(new.model_version) in line
    assert heading.split()[-1] == "session"
    assert row[-1] == str(new.session)
    assert more == "These are the newest 1; --most N shows others too."


def test_the_command_shows_what_the_page_of_a_run_says(deployment: Deployment):
    now = timezone.now()
    run = run_of(
        deployment,
        client="Mozilla/5.0 (phone)",
        engine="torch",
        worker="gpu@here",
        started_at=now - timedelta(seconds=10),
        measured_at=now,
        received=173,
        inferred=150,
        superseded=21,
        lost=2,
        labels={"cup": 9, "hot dog": 120, "": 4},
        latency={
            "forward": {"p50": 12.0, "p95": 20.0},
            "picture": {"p50": 31.0, "p95": 44.0},
        },
    )
    lines = [" ".join(line.split()) for line in said("show", str(run.pk)).splitlines()]
    for line in (
        f"run: {run.pk}",
        f"model version: {run.model_version}",
        "engine: torch",
        "worker: gpu@here",
        f"deployment: {deployment}",
        f"session: {run.session_id}",
        "browser: Mozilla/5.0 (phone)",
        "ended: it goes on",
        "results/s: 15.0",
        "age p50 / p95: 31 / 44 ms",
        "received 173",
        "superseded 21",
        "lost 2",
        "pending 0",
        "model 12.0 20.0",
        "age when drawn 31.0 44.0",
        "others 4",
    ):
        assert line in lines, line
    assert lines.index("hot dog 120") < lines.index("cup 9")


def test_the_command_says_how_a_run_ended(deployment: Deployment):
    followed = run_of(deployment, ended_at=timezone.now() - timedelta(minutes=1))
    services.close_session(followed.session_id, sentence="The page was closed.")
    last = run_of(deployment)
    services.close_session(last.session_id, sentence="The page was closed.")
    assert "; its session went on\n" in said("show", str(followed.pk))
    assert "; ended: The page was closed.\n" in said("show", str(last.pk))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("export", "12345"), "There is no run 12345"),
        (("show", "12345"), "There is no run 12345"),
        (("export", "--since", "yesterday"), "yesterday is no day"),
        (("list", "--until", "2026-13-01"), "is no day"),
        (("list", "--session", "12"), "12 is no session's number: say 8 digits"),
        (("export", "--session", "12"), "12 is no session's number"),
        (("list", "--most", "0"), "One run at least"),
        (("list", "--drops", "many"), "invalid choice: 'many'"),
    ],
)
@pytest.mark.django_db
def test_the_command_says_what_it_could_not_do(arguments: tuple[str, ...], why: str):
    with pytest.raises(CommandError, match=why):
        said(*arguments)
