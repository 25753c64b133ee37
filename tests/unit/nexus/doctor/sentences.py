"""What every finding owes to who reads it."""

from __future__ import annotations

from apps.nexus.doctor.findings import Finding, Outcome


def expect(finding: Finding, outcome: Outcome, cause: str, cure: str = "") -> None:
    """The outcome, parts of both sentences, and a cure for all that isn't well."""
    assert finding.outcome == outcome, finding
    assert cause in finding.cause
    assert cure in finding.cure
    assert bool(finding.cure) == (outcome != Outcome.OK)
    for sentence in filter(None, (finding.cause, finding.cure)):
        assert sentence[-1] in ".!", sentence
        assert ".." not in sentence
