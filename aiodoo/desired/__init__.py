"""Desired state: a file says which webhook configurations doo is to have; a plan says what that takes."""

from aiodoo.desired.desired import Desired
from aiodoo.desired.diff import FieldChange
from aiodoo.desired.plan import Named, Plan, PlannedChange, PlannedTeam, Problem
from aiodoo.desired.schema import SCHEMA

__all__ = ["SCHEMA", "Desired", "FieldChange", "Named", "Plan", "PlannedChange", "PlannedTeam", "Problem"]
