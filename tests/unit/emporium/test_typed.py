"""The files that people and platforms start the Emporium with."""

from __future__ import annotations

import re

from honcho.environ import parse, parse_procfile

from emporium.redis_server import CHECKOUT


def names_of(text: str) -> set[str]:
    return set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", text, re.M))


def test_the_page_comes_first_because_honcho_gives_port_to_the_first() -> None:
    procfile = parse_procfile((CHECKOUT / "Procfile").read_text())
    assert next(iter(procfile.processes)) == "web"


def test_signals_reach_every_process_without_a_shell_in_between() -> None:
    procfile = parse_procfile((CHECKOUT / "Procfile").read_text())
    assert all(command.startswith("exec ") for command in procfile.processes.values())


def test_every_setting_of_the_example_is_documented() -> None:
    documented = (CHECKOUT / "docs" / "settings.md").read_text()
    names = names_of((CHECKOUT / ".env.example").read_text())
    assert {"SECRET_KEY", "PORT", "DATABASE_URL", "REDIS_URL"} <= names
    assert {name for name in names if f"`{name}`" not in documented} == set()


def test_honcho_reads_the_example_as_it_is_meant() -> None:
    settings = parse((CHECKOUT / ".env.example").read_text())
    assert settings["PORT"] == "8000"
    assert settings["ALLOWED_HOSTS"] == "localhost,127.0.0.1,[::1]"


def test_every_target_of_the_makefile_is_listed_by_make() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony
    listed = " ".join(re.findall(r"^([a-z0-9 ]+):.*## ", makefile, re.M)).split()
    assert sorted(listed) == sorted(phony.group(1).split())
