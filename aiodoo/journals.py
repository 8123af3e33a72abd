"""Journals that hosts share: on a server, in place of a file."""

from aiodoo.bulk.journal.postgresql import PostgreSQL
from aiodoo.bulk.journal.redis import Redis
from aiodoo.bulk.journal.shared import SharedJournal

__all__ = ["PostgreSQL", "Redis", "SharedJournal"]
