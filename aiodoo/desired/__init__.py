"""Desired state: a file declares the webhook configurations of teams, and a plan makes doo's lists equal to it."""

from aiodoo.desired.desired import Desired
from aiodoo.desired.file.export import Export, export
from aiodoo.desired.file.schema import SCHEMA
from aiodoo.desired.file.validation import validate
from aiodoo.desired.file.webhook_file import read_webhook
from aiodoo.desired.planning.diff import FieldChange, diff
from aiodoo.desired.planning.plan import Named, Plan, PlannedChange, PlannedTeam, Problem

__all__ = [
    "SCHEMA",
    "Desired",
    "Export",
    "FieldChange",
    "Named",
    "Plan",
    "PlannedChange",
    "PlannedTeam",
    "Problem",
    "diff",
    "export",
    "read_webhook",
    "validate",
]
