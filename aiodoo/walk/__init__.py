"""Reads the lists of one or many teams: walks, stable lists, single pages and lookups."""

from aiodoo.walk.collected import Collected, Lists, TeamRead
from aiodoo.walk.cursor import Cursor
from aiodoo.walk.list_options import ListOptions
from aiodoo.walk.lookup import find_webhook, read_page
from aiodoo.walk.team_ids import TeamIds
from aiodoo.walk.team_list import Listing, TeamPages, read_team
from aiodoo.walk.team_reading import TeamError
from aiodoo.walk.walk import Walk

__all__ = [
    "Collected",
    "Cursor",
    "ListOptions",
    "Listing",
    "Lists",
    "TeamError",
    "TeamIds",
    "TeamPages",
    "TeamRead",
    "Walk",
    "find_webhook",
    "read_page",
    "read_team",
]
