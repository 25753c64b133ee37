"""Examines this server and says what keeps cameras from being answered."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.nexus.doctor.findings import Finding, Outcome
from apps.nexus.doctor.report import as_json, examine_server, has_failed

LABELS = {
    Outcome.OK: "ok",
    Outcome.WARNING: "warning",
    Outcome.FAILED: "FAILED",
    Outcome.NOT_CONFIGURED: "not set up",
}


class Command(BaseCommand):
    help = "Examine the server: what keeps cameras from being answered, and the cure."
    # What is broken is what it is there for.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the report so")

    def handle(self, *args: Any, **options: Any) -> None:
        report = examine_server()
        if options["json"]:
            self.stdout.write(json.dumps(as_json(report), indent=2))
        else:
            for name, finding in report.items():
                self._write(name, finding)
        if has_failed(report):
            raise CommandError("Something has failed, see above.")

    def _write(self, name: str, finding: Finding) -> None:
        paint = {
            Outcome.OK: self.style.SUCCESS,
            Outcome.WARNING: self.style.WARNING,
            Outcome.FAILED: self.style.ERROR,
        }.get(finding.outcome, str)
        label = f"{LABELS[finding.outcome]:<12}"
        self.stdout.write(f"{paint(label)}{name:<18}{finding.cause}")
        if finding.cure:
            self.stdout.write(f"{'':<30}{finding.cure}")
