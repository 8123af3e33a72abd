"""Reads the lists of one or many teams: walks, stable lists, single pages and lookups."""

from aiodoo.walk.collected import Collected, Lists, TeamRead
from aiodoo.walk.cursor import Cursor
from aiodoo.walk.list_options import ListOptions
from aiodoo.walk.team_ids import TeamIds
from aiodoo.walk.team_list import Listing, ListReader
from aiodoo.walk.team_reading import TeamError
from aiodoo.walk.walk import Walk

__all__ = [
    "Collected",
    "Cursor",
    "ListOptions",
    "ListReader",
    "Listing",
    "Lists",
    "TeamError",
    "TeamIds",
    "TeamRead",
    "Walk",
]
