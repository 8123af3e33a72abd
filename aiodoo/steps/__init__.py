"""How a team's changes are carried out, one step at a time: what is known -> the next request, a wait, or the end.

Pure: whoever drives it sends the requests and sleeps. Whether a create may be sent again, and whether a
delete may be sent at all, is decided here and nowhere else.
"""

from aiodoo.steps.actions import Action, Park, Scan, SendCreate, SendDelete, Wait
from aiodoo.steps.change import Change, Stage, Status
from aiodoo.steps.lag import settled_after
from aiodoo.steps.sightings import Sighting
from aiodoo.steps.team import TeamSteps

__all__ = [
    "Action",
    "Change",
    "Park",
    "Scan",
    "SendCreate",
    "SendDelete",
    "Sighting",
    "Stage",
    "Status",
    "TeamSteps",
    "Wait",
    "settled_after",
]
