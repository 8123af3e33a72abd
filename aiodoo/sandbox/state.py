"""Teams and their webhook configurations: the current state and the past hour."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, islice

import attrs

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.ids import Ids
from aiodoo.sandbox.jsontext import loads
from aiodoo.sandbox.settings import Order

_REMEMBERED = 3600.0


@attrs.frozen
class Webhook:
    """One version of a webhook configuration.

    Parameters:
        text: its content as posted, in JSON.
        place: its position in the team's order of creation.
        created, deleted: from when and until when lists show it, in seconds on the box's clock.
    """

    id: str
    team: str
    text: bytes = attrs.field(repr=False)
    place: int
    created: float
    deleted: float = math.inf

    @property
    def content(self) -> Data:
        """The content; decoded at each access, so that callers cannot change it."""
        content: Data = loads(self.text)
        return content


@attrs.define
class Team:
    """A team; `webhooks` is None as long as it has its initial webhooks, which are computed when needed."""

    id: str
    organization: str
    position: int
    webhooks: dict[str, Webhook] | None = None
    past: deque[Webhook] = attrs.Factory(deque)
    version: int = 0
    places: int = 0


class InitialWebhooks:
    """The initial webhooks of all teams, computed at each access, so that millions take no memory.

    Parameters:
        counts: number of webhooks of each team.
        text: returns the content of a webhook in JSON, given the team's position and the webhook's place in it.
    """

    def __init__(self, counts: Sequence[int], text: Callable[[int, int], bytes]) -> None:
        self._ends = list(accumulate(counts))
        self._counts = counts
        self._text = text
        self.total = self._ends[-1] if self._ends else 0

    def count(self, team: Team) -> int:
        """Return the number of initial webhooks of a team."""
        return self._counts[team.position]

    def webhook(self, ids: Ids, team: Team, place: int) -> Webhook:
        """Return the initial webhook at a place of a team."""
        number = self._ends[team.position] - self._counts[team.position] + place
        return Webhook(ids.first(number), team.id, self._text(team.position, place), place, -math.inf)

    def position(self, number: int) -> int:
        """Return the position of the team of the initial webhook with this number."""
        return bisect_right(self._ends, number)


class State:
    """All teams.

    Parameters:
        seed: decides the order "arbitrary".
        reuse_ids: whether new webhooks get the ids of deleted ones.

    Attributes:
        given_again: ids for the next webhooks; those in use are skipped.
    """

    def __init__(
        self,
        teams: Iterable[Team],
        initial: InitialWebhooks,
        ids: Ids,
        *,
        seed: int = 0,
        reuse_ids: bool = False,
    ) -> None:
        self.teams = {team.id: team for team in teams}
        self.given_again: deque[str] = deque()
        self._in_order = list(self.teams.values())
        self._initial = initial
        self._ids = ids
        self._salt = str(seed).encode()[:64]
        self._reuse_ids = reuse_ids
        self._homes: dict[str, Team] = {}

    def find(self, webhook_id: str) -> Webhook | None:
        """Return the live webhook with an id, or None."""
        team = self._homes.get(webhook_id)
        if team is None:
            number = self._ids.number(webhook_id)
            if number is None:
                return None
            team = self._in_order[self._initial.position(number)]
        return self._loaded(team).get(webhook_id)

    def live(self, team: Team) -> list[Webhook]:
        """Return the live webhooks of a team, oldest first."""
        if team.webhooks is not None:
            return list(team.webhooks.values())
        return [self._initial.webhook(self._ids, team, place) for place in range(self._initial.count(team))]

    def create(
        self, team: Team, text: bytes, at: float, *, since: float | None = None, webhook_id: str | None = None
    ) -> Webhook:
        """Add a webhook; `since` is the time from which lists show it, by default `at`."""
        webhooks = self._loaded(team)
        if webhook_id is not None and self.find(webhook_id) is not None:
            raise ValueError(f"there is a webhook {webhook_id} already")
        identity = webhook_id or self._next_id(at)
        webhook = Webhook(identity, team.id, text, team.places, at if since is None else since)
        webhooks[identity] = webhook
        self._homes[identity] = team
        team.places += 1
        team.version += 1
        return webhook

    def delete(self, webhook: Webhook, at: float) -> None:
        """Delete a webhook."""
        team = self.teams[webhook.team]
        del self._loaded(team)[webhook.id]
        self._homes.pop(webhook.id, None)
        self._remember(team, webhook, at)
        if self._reuse_ids:
            self.given_again.append(webhook.id)

    def edit(self, webhook: Webhook, text: bytes, at: float) -> Webhook:
        """Change the content of a webhook; its id and its place stay the same."""
        team = self.teams[webhook.team]
        edited = attrs.evolve(webhook, text=text, created=at)
        self._loaded(team)[webhook.id] = edited
        self._remember(team, webhook, at)
        return edited

    def page(
        self, team: Team, order: Order, start: int, size: int, at: float | None = None
    ) -> tuple[list[Webhook], int]:
        """Return a slice of a team's webhooks in an order, and their total; now, or at a time of the past hour."""
        if team.webhooks is None and order != "arbitrary":
            total = self._initial.count(team)
            places = range(total - 1, -1, -1) if order == "newest_first" else range(total)
            shown = places[start : start + size]
            return [self._initial.webhook(self._ids, team, place) for place in shown], total
        if at is None and order != "arbitrary":
            there = self._loaded(team).values()
            in_order = reversed(there) if order == "newest_first" else iter(there)
            return list(islice(in_order, start, start + size)), len(there)
        webhooks = self.live(team)
        if at is not None:
            webhooks = [each for each in [*webhooks, *team.past] if each.created <= at < each.deleted]
            webhooks.sort(key=lambda each: each.place)
        if order == "newest_first":
            webhooks.reverse()
        elif order == "arbitrary":
            webhooks.sort(key=lambda each: self._anywhere(each.id))
        return webhooks[start : start + size], len(webhooks)

    def _anywhere(self, webhook_id: str) -> bytes:
        return hashlib.blake2b(webhook_id.encode(), key=self._salt, digest_size=8).digest()

    def _next_id(self, at: float) -> str:
        while self.given_again:
            webhook_id = self.given_again.popleft()
            if self.find(webhook_id) is None:
                return webhook_id
        return self._ids.new(at)

    def _loaded(self, team: Team) -> dict[str, Webhook]:
        if team.webhooks is None:
            team.webhooks = {webhook.id: webhook for webhook in self.live(team)}
            team.places = len(team.webhooks)
        return team.webhooks

    def _remember(self, team: Team, webhook: Webhook, at: float) -> None:
        while team.past and team.past[0].deleted < at - _REMEMBERED:
            team.past.popleft()
        team.past.append(attrs.evolve(webhook, deleted=at))
        team.version += 1
