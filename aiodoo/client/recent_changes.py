"""Recent changes of a session, which a list that lags behind may not show yet."""

from __future__ import annotations

import math
from collections.abc import Collection

import attrs
import msgspec

from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook
from aiodoo.protocol.wire import Kind, Request
from aiodoo.settling import LAG, SETTLE, settled_after

_KEPT = 3600.0
"""How long a change is remembered, in seconds."""

_ANY = ""
"""The key for deletes whose team is not known."""


@attrs.frozen(repr=False)
class LostRequest:
    """A create whose answer was lost.

    Attributes:
        at: when the answer was given up (monotonic seconds).
        outline: its content, as `operations.compare.outline` returns it.
    """

    at: float
    outline: bytes

    @property
    def settled_at(self) -> float:
        """From when on a list proves whether it was carried out (monotonic seconds)."""
        return self.at + settled_after(SETTLE)


@attrs.define(eq=False, repr=False)
class RecentChanges:
    """The recent changes of a session by team, and its creates without an answer. Times are monotonic seconds.

    Args:
        facts: settings for what doo does not document.
    """

    _facts: Facts = attrs.field(factory=Facts)
    _changed_at: dict[str, float] = attrs.field(factory=dict, init=False)
    _created: dict[str, dict[str, float]] = attrs.field(factory=dict, init=False)
    _deleted: dict[str, dict[str, float]] = attrs.field(factory=dict, init=False)
    _lost: dict[str, list[LostRequest]] = attrs.field(factory=dict, init=False)
    _tidied: float = -math.inf

    def sent(self, request: Request, now: float) -> None:
        """Record that a changing request is sent or has ended."""
        if request.team_id is not None:
            self._changed_at[request.team_id] = now

    def changed_at(self, team_id: str) -> float:
        """Return when the team may have been changed last; minus infinity if it was not."""
        return self._changed_at.get(team_id, -math.inf)

    def done(self, request: Request, value: object, now: float) -> None:
        """Record that doo has accepted a request; for a create, `value` is the new id."""
        self._tidy(now)
        if request.kind is Kind.CREATE:
            self._created.setdefault(request.team_id or _ANY, {})[str(value)] = now
        elif request.kind is Kind.DELETE and request.webhook_id is not None:
            self._deleted.setdefault(request.team_id or _ANY, {})[request.webhook_id] = now

    def lost(self, request: Request, now: float) -> None:
        """Record that a create is in doubt; other requests are ignored."""
        if request.kind is not Kind.CREATE or request.team_id is None:
            return
        from aiodoo.operations.compare import outline  # noqa: PLC0415

        self._tidy(now)
        try:
            config = AddWebhook.from_dict(msgspec.json.decode(request.body))
        except (ConfigError, ValueError):
            return
        self._lost.setdefault(request.team_id, []).append(LostRequest(now, outline(config, self._facts)))

    def settled_from(self, team_id: str, config: AddWebhook) -> float:
        """Return from when on a list proves the outcome of creates in doubt with equal content; minus infinity without any."""
        lost = self._lost.get(team_id)
        if not lost:
            return -math.inf
        from aiodoo.operations.compare import outline  # noqa: PLC0415

        wanted = outline(config, self._facts)
        return max([each.settled_at for each in lost if each.outline == wanted], default=-math.inf)

    def has_created(self, team_id: str, webhook_id: str) -> bool:
        """Return whether this session has recently created a webhook configuration, and not deleted it since."""
        created = webhook_id in self._created.get(team_id, ())
        return created and not self.has_deleted(team_id, webhook_id)

    def has_deleted(self, team_id: str, webhook_id: str) -> bool:
        """Return whether this session has recently deleted a webhook configuration."""
        return webhook_id in self._deleted.get(team_id, ()) or webhook_id in self._deleted.get(_ANY, ())

    def current_from(self, team_id: str, shown: Collection[str], settle: float) -> float:
        """Return from when on a list of a team includes all changes made in it; minus infinity if `shown` has them all.

        Args:
            team_id: the team.
            shown: the ids in its last list.
            settle: the seconds after which a lost request can no longer land; see `settling`.
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
        for team_id, lost in [*self._lost.items()]:
            self._lost[team_id] = [each for each in lost if each.at > now - _KEPT]
            if not self._lost[team_id]:
                del self._lost[team_id]
