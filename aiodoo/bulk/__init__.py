"""Many changes over many teams, each carried out exactly once."""

from aiodoo.bulk.bulk import Bulk, Stream
from aiodoo.bulk.report import Outcome, Progress, Report

__all__ = ["Bulk", "Outcome", "Progress", "Report", "Stream"]
