"""What a client has changed a moment ago, which a list that lags behind need not show yet. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection

import attrs

from aiodoo.protocol.wire import Kind, Request
from aiodoo.steps.lag import LAG

_KEPT = 3600.0
"""Seconds for which a change is remembered."""

_ANY = ""
"""Where a delete is kept whose team was not named."""


@attrs.define(eq=False)
class Recent:
    """What a client has lately created and deleted, team by team.

    A create whose answer was lost is not among it: its `OutcomeUnknown` says from when on a list is conclusive.
    """

    _created: dict[str, dict[str, float]] = attrs.field(factory=dict, init=False)
    _deleted: dict[str, dict[str, float]] = attrs.field(factory=dict, init=False)
    _tidied: float = -math.inf

    def done(self, request: Request, value: object, now: float) -> None:
        """Take in that doo has accepted a request; of a create `value` is the new id."""
        self._tidy(now)
        if request.kind is Kind.CREATE:
            self._created.setdefault(request.team_id or _ANY, {})[str(value)] = now
        elif request.kind is Kind.DELETE and request.webhook_id is not None:
            self._deleted.setdefault(request.team_id or _ANY, {})[request.webhook_id] = now

    def current_from(self, team_id: str, shown: Collection[str], settle: float) -> float:
        """Return from when on a list of a team with these ids need not be older than what was changed in it.

        A list that shows all of that is current whenever it was read: minus infinity.
        """
        created = self._created.get(team_id, {})
        deleted = {**self._deleted.get(team_id, {}), **self._deleted.get(_ANY, {})}
        missing = [
            at for webhook_id, at in created.items() if webhook_id not in shown and webhook_id not in deleted
        ]
        there = [deleted[webhook_id] for webhook_id in deleted.keys() & set(shown)]
        return max([*missing, *there], default=-math.inf) + settle * LAG

    def _tidy(self, now: float) -> None:
        if now < self._tidied + _KEPT:
            return
        self._tidied = now
        for teams in (self._created, self._deleted):
            for team_id, of_team in [*teams.items()]:
                kept = {webhook_id: at for webhook_id, at in of_team.items() if at > now - _KEPT}
                if kept:
                    teams[team_id] = kept
                else:
                    del teams[team_id]
