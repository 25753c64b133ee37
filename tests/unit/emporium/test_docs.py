"""The documents say what is true: every setting, make target and link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/deployment.md",
    "docs/models.md",
    "docs/settings.md",
]


def test_every_setting_is_documented_and_none_that_is_not_there() -> None:
    source = (ROOT / "emporium" / "settings.py").read_text()
    readers = r"integer|boolean|words|address|addresses|ports|env\.str|env\.list"
    reading = rf'\b(?:{readers})\(\s*"([A-Z0-9_]+)"'
    # The one is the Procfile's business alone, the other comes before all settings.
    read = {*re.findall(reading, source), "HOST", "ENV_FILE"}
    table = (ROOT / "docs" / "settings.md").read_text()
    names = re.findall(r"^\|((?:,? `[A-Z0-9_]+`)+) \|", table, re.MULTILINE)
    documented = set(re.findall("[A-Z0-9_]+", " ".join(names)))
    assert documented == read


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    missing = [link for link in links if not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z0-9 ]+):", (ROOT / "Makefile").read_text(), re.M))
    known = {name for line in targets for name in line.split()}
    named = set(
        re.findall(r"(?:^    |`)make ([a-z0-9]+)", (ROOT / document).read_text(), re.M)
    )
    assert named <= known
