"""The walk over many teams and all their pages."""

from aiodoo.walk.cursor import Cursor
from aiodoo.walk.scan import Listing, TeamPages, read_team
from aiodoo.walk.sources import TeamError
from aiodoo.walk.teams import TeamIds
from aiodoo.walk.walk import Walk

__all__ = ["Cursor", "Listing", "TeamError", "TeamIds", "TeamPages", "Walk", "read_team"]
