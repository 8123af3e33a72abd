"""Audits what an account has gathered: webhook configurations that are doubled, unsafe, misspelt or managed by nobody."""

from __future__ import annotations

from aiodoo.audit.checks import audit
from aiodoo.audit.hosts import ask_hosts
from aiodoo.audit.report import AuditFinding, AuditReport, FindingKind, HostCount, Severity

__all__ = [
    "AuditFinding",
    "AuditReport",
    "FindingKind",
    "HostCount",
    "Severity",
    "ask_hosts",
    "audit",
]
