"""Runs: many operations over many teams, each carried out exactly once."""

from aiodoo.bulk.bulk import Bulk
from aiodoo.bulk.input import Operations
from aiodoo.bulk.options import RunOptions
from aiodoo.bulk.report import Outcome, Progress, Report
from aiodoo.bulk.schemas import SCHEMAS
from aiodoo.bulk.stopping import StopSignal
from aiodoo.bulk.stream import Stream
from aiodoo.bulk.undo import NotUndone, Undo
from aiodoo.bulk.verification import Extra, Verification

__all__ = [
    "SCHEMAS",
    "Bulk",
    "Extra",
    "NotUndone",
    "Operations",
    "Outcome",
    "Progress",
    "Report",
    "RunOptions",
    "StopSignal",
    "Stream",
    "Undo",
    "Verification",
]
