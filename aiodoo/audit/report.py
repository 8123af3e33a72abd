"""The result of an audit: findings, and counts per host."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, get_args

import attrs

Severity = Literal["error", "warning", "info"]
"""Doubles deliveries or loses them; a risk; worth knowing."""

FindingKind = Literal[
    "twin",
    "unknown_type",
    "plain_http",
    "host_silent",
    "no_authentication",
    "shared_secret",
    "whole_organization",
    "unmanaged",
]
"""What a finding is about."""

SEVERITIES: dict[FindingKind, Severity] = {
    "twin": "error",
    "unknown_type": "error",
    "plain_http": "warning",
    "host_silent": "warning",
    "no_authentication": "warning",
    "shared_secret": "warning",
    "whole_organization": "info",
    "unmanaged": "info",
}

VERSION = 1
"""The version of the plain form."""


@attrs.frozen(kw_only=True)
class AuditFinding:
    """One finding about one webhook configuration.

    Attributes:
        kind: what it is about.
        team_id: the team.
        webhook_id: the webhook configuration.
        name: its name.
        about: what was found, without secrets.
        command: the command that mends it, or shows more.
    """

    kind: FindingKind
    team_id: str
    webhook_id: str
    name: str
    about: str
    command: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES[self.kind]

    def to_dict(self) -> dict[str, str]:
        """Return the finding as plain data."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            **attrs.asdict(self, filter=lambda a, _: a.name != "kind"),
        }


@attrs.frozen(kw_only=True)
class HostCount:
    """How much points at one host.

    Attributes:
        host: the host, with a port if there is one.
        hooks: the number of hooks.
        webhooks: the number of webhook configurations.
        teams: the number of teams.
    """

    host: str
    hooks: int
    webhooks: int
    teams: int


@attrs.frozen(kw_only=True)
class AuditReport:
    """What an audit has found; costs no request to look at.

    Attributes:
        findings: the worst first, then by team.
        hosts: the hosts that hooks call, those of most hooks first.
        teams: how many webhook configurations each team has.
        notes: what could not be checked, and why.
    """

    findings: tuple[AuditFinding, ...]
    hosts: tuple[HostCount, ...]
    teams: dict[str, int]
    notes: tuple[str, ...]

    @property
    def worst(self) -> Severity | None:
        """The worst severity of all findings; None without any."""
        return self.findings[0].severity if self.findings else None

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each severity."""
        found = Counter(each.severity for each in self.findings)
        return {severity: found[severity] for severity in get_args(Severity)}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "version": VERSION,
            "counts": self.counts(),
            "findings": [each.to_dict() for each in self.findings],
            "hosts": [attrs.asdict(each) for each in self.hosts],
            "teams": dict(self.teams),
            "notes": list(self.notes),
        }
