"""Looking again, at any later time, at what a run has done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any

import attrs

from aiodoo.bulk.journal import Past
from aiodoo.bulk.report import Outcome
from aiodoo.bulk.written import reveal_all
from aiodoo.client import Client
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import SERVER_OWNED, AddWebhook, WebhookConfiguration
from aiodoo.models.copying import copy_of
from aiodoo.models.marker import marker_of
from aiodoo.operations import Update
from aiodoo.quota import Lane
from aiodoo.reconcile import SECRET, differences
from aiodoo.steps import Change
from aiodoo.walk import read_team

_NOT_KEPT = "not kept"


@attrs.frozen
class Extra:
    """A webhook configuration that is there beside the one that a run made, with the same content.

    After a create in doubt it is most likely a late copy; it may as well be somebody else's. Nothing deletes it.

    Attributes:
        outcome: of the operation that made one with this content.
        webhook_id: the one that nobody accounts for.
        ours: whether it carries the operation's ownership marker, so that it is a copy that doo made late. Without
            `marker=True` that cannot be told.
    """

    outcome: Outcome
    webhook_id: str
    ours: bool


@attrs.frozen(kw_only=True)
class Verification:
    """What is there now of what a run did.

    Attributes:
        missing: what was applied and is not there any more, or not as it was wanted.
        still_there: what was applied, or had nothing to do, and whose old webhook configuration is there all the same.
        extra: webhook configurations with the content of one that the run made, that nobody accounts for.
        secret_unknown: what was compared but for its client secret, which was given as a bare value or is not where it
            came from any more. It says nothing against `clean`.
    """

    missing: tuple[Outcome, ...]
    still_there: tuple[Outcome, ...]
    extra: tuple[Extra, ...]
    secret_unknown: tuple[Outcome, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether everything is as the run left it."""
        return not (self.missing or self.still_there or self.extra)


async def verify(client: Client, past: Past) -> Verification:
    """Read every team of a run once more and compare."""
    teams: dict[str, list[Change]] = defaultdict(list)
    for change in past.changes:
        teams[change.operation.team_id].append(change)
    without = await client.worker.do(lambda: _without_secret(past.changes))
    found = [await _look(client, past, team_id, changes, without) for team_id, changes in teams.items()]
    return Verification(
        missing=tuple(chain.from_iterable(one.missing for one in found)),
        still_there=tuple(chain.from_iterable(one.still_there for one in found)),
        extra=tuple(chain.from_iterable(one.extra for one in found)),
        secret_unknown=tuple(chain.from_iterable(one.secret_unknown for one in found)),
    )


def _without_secret(changes: Iterable[Change]) -> frozenset[int]:
    """Return the numbers of those whose secret is not at hand; it may be in a file, so in the worker's thread."""
    without = set[int]()
    for change in changes:
        try:
            reveal_all([change.operation])
        except ConfigError:
            without.add(change.number)
    return frozenset(without)


async def _look(
    client: Client, past: Past, team_id: str, changes: list[Change], without: Collection[int]
) -> Verification:
    listing = await read_team(client, team_id, stable=True, lane=Lane.BULK, deadline="session")
    team = _Team({webhook.id: webhook for webhook in listing.webhooks}, past, client.facts, without)
    made = [change for change in changes if change.ending.fine]
    # What the last operation on a webhook made of it is all that can be there.
    last = {change.names or change: change for change in made}.values()
    accounted = past.baselines.get(team_id, set()) | {change.new_id or "" for change in changes}
    return Verification(
        missing=tuple(Outcome.of(change) for change in last if team.misses(change)),
        still_there=tuple(
            Outcome.of(change)
            for change in made
            if change.old_id != change.new_id and change.old_id in team.there
        ),
        extra=tuple(team.extras(changes, accounted)),
        secret_unknown=tuple(
            Outcome.of(change)
            for change in last
            if change.number in without and not isinstance(change.operation, Update)
        ),
    )


@attrs.frozen
class _Team:
    there: dict[str, WebhookConfiguration]
    past: Past
    facts: Facts
    without_secret: Collection[int]

    def misses(self, change: Change) -> bool:
        if change.new_id is None:
            return False
        return change.new_id not in self.there or not self._is(self.there[change.new_id], change)

    def extras(self, changes: list[Change], accounted: set[str]) -> Iterator[Extra]:
        marked = {change.marker: change for change in changes if change.marker is not None}
        for webhook in self.there.values():
            change = marked.get(marker_of(webhook.description) or "")
            if change is not None and webhook.id not in accounted:
                accounted.add(webhook.id)
                yield Extra(Outcome.of(change), webhook.id, ours=True)
        for change in changes:
            for webhook in self.there.values():
                if webhook.id not in accounted and self._is(webhook, change, otherwise=False):
                    accounted.add(webhook.id)
                    yield Extra(Outcome.of(change), webhook.id, ours=False)

    def _is(self, webhook: WebhookConfiguration, change: Change, *, otherwise: bool = True) -> bool:
        """Whether a webhook has the content that a change wanted; `otherwise` if that is not known any more."""
        wanted, secret_known = self._wanted(change)
        if wanted is None:
            return otherwise
        where = set(differences(wanted, webhook, self.facts))
        return where <= (set() if secret_known else {SECRET})

    def _wanted(self, change: Change) -> tuple[AddWebhook | None, bool]:
        """Return what a change wanted, and whether its secret is known too.

        What an update wanted is what it made; or the changed copy of what it was to change; or, if a later operation
        has deleted what it made, what the journal has kept of that.
        """
        if not isinstance(change.operation, Update):
            return self._readable(getattr(change.operation, "config", None), change)
        kept = self.past.deleted.get(change.new_id or "")
        try:
            if change.new_id in self.there:
                return self.there[change.new_id].copy(), True
            if change.new_id is None and change.old_id in self.there:
                old, changes = self.there[change.old_id], change.operation.changes
                return self._readable(copy_of(old, changes, type_suffix=self.facts.type_suffix), change)
            if kept is not None:
                return AddWebhook.from_dict(_with_some_secret(kept)), False
        except ConfigError:
            pass
        return None, False

    def _readable(self, wanted: AddWebhook | None, change: Change) -> tuple[AddWebhook | None, bool]:
        """Return it, with some secret if its own is not at hand; and whether it is its own."""
        if wanted is None or change.number not in self.without_secret:
            return wanted, True
        return wanted.copy(client_secret=_NOT_KEPT), False


def _with_some_secret(kept: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in kept.items() if name not in SERVER_OWNED}
    if content.get("authentication") is not None:
        login = content["authentication"]
        credentials = {"client_secret": _NOT_KEPT, **login["credentials"]}
        content["authentication"] = {**login, "credentials": credentials}
    return content
