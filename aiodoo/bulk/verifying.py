"""Reads every team of a run again and compares its list with what the operations wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import JournaledRun
from aiodoo.bulk.kept_webhooks import KeptWebhook
from aiodoo.bulk.report import Outcome
from aiodoo.bulk.run_teams import by_team
from aiodoo.bulk.verification import Difference, Verification, What
from aiodoo.error_meaning import ForTeam, for_team
from aiodoo.errors import ConfigError, DooError, SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import SERVER_OWNED, AddWebhook, WebhookConfiguration
from aiodoo.models.copying import copy_of
from aiodoo.models.run_marker import marker_of
from aiodoo.operations import Delete, Ensure, Update
from aiodoo.operations.compare import differences, outline
from aiodoo.operations.encoding import reveal_all
from aiodoo.operations.tracked import Status, TrackedOperation
from aiodoo.quota import Lane
from aiodoo.walk import TeamError

_NOT_KEPT = "not kept"


async def verify(context: RunContext, past: JournaledRun) -> Verification:
    """Read every team of a run again and compare; see `Bulk.verify`.

    Raises:
        DooError: an error that concerns every team, such as refused credentials.
    """
    without = await context.worker.do(lambda: _without_secret(past.changes))
    found: list[Difference] = []
    unread: list[TeamError] = []
    secret_unknown: list[Outcome] = []
    for team_id, changes in by_team(past.changes).items():
        try:
            listing = await context.lists.read(team_id, stable=True, lane=Lane.BULK, deadline="session")
        except DooError as error:
            if for_team(error) is ForTeam.NOTHING:
                raise
            unread.append(TeamError(team_id, error))
            continue
        team = _Team(
            there={webhook.id: webhook for webhook in listing.webhooks},
            changes=changes,
            baseline=past.baselines.get(team_id),
            deleted=past.deleted,
            facts=context.facts,
            without_secret=without,
        )
        # In a thread, as a team may have thousands of webhooks.
        found += await context.worker.do(team.differences)
        secret_unknown += team.secret_unknown()
    return Verification(differences=tuple(found), unread=tuple(unread), secret_unknown=tuple(secret_unknown))


def _without_secret(changes: Iterable[TrackedOperation]) -> frozenset[int]:
    """Return the numbers of the operations with an unknown secret; this may read files."""
    without = set[int]()
    for change in changes:
        try:
            reveal_all([change.operation])
        except ConfigError:
            without.add(change.number)
    return frozenset(without)


@attrs.frozen(kw_only=True)
class _Team:
    """The present list of one team, and the operations of a run on it.

    Attributes:
        there: its list, by id.
        changes: the operations, in input order.
        baseline: the ids that it had before the run; None if the run has not read it.
        deleted: the webhooks that the run has deleted, without secrets, by id.
        without_secret: the numbers of the operations with an unknown secret.
    """

    there: Mapping[str, WebhookConfiguration]
    changes: Sequence[TrackedOperation]
    baseline: Collection[str] | None
    deleted: Mapping[str, dict[str, Any]]
    facts: Facts
    without_secret: Collection[int]

    def differences(self) -> list[Difference]:
        """Return all differences in the team."""
        extras = list(self._extras())
        explained = {extra.outcome.index for extra in extras}
        last = {change.number for change in self._last}
        found: list[Difference] = []
        for change in self.changes:
            if change.ending.fine:
                found += self._of_fine(change, last=change.number in last)
            else:
                found += self._of_other(change, explained=change.number in explained)
        return found + extras

    @property
    def _last(self) -> Collection[TrackedOperation]:
        """The last successful operation on each webhook, whose result should be live."""
        return {change.target_id or change: change for change in self.changes if change.ending.fine}.values()

    def secret_unknown(self) -> list[Outcome]:
        """Return the operations that are compared without their secret."""
        return [
            Outcome.of(change)
            for change in self._last
            if change.number in self.without_secret and not isinstance(change.operation, Update)
        ]

    def _of_fine(self, change: TrackedOperation, *, last: bool) -> Iterator[Difference]:
        new_live = change.new_id in self.there
        if last and change.new_id is not None and not new_live:
            yield self._difference(change, "missing", change.new_id)
        elif last and new_live and not self._is_as_wanted(change):
            yield self._difference(change, "changed", change.new_id)
        if change.old_id in self.there and change.old_id != change.new_id:
            if new_live:
                yield self._difference(change, "both_live", change.old_id, change.new_id)
            else:
                yield self._difference(change, "still_there", change.old_id)

    def _of_other(self, change: TrackedOperation, *, explained: bool) -> Iterator[Difference]:
        """Yield the differences of an operation that did not succeed; `explained` if it has an extra webhook."""
        old = change.old_id or change.target_id
        old_live, new_live = old in self.there and old != change.new_id, change.new_id in self.there
        if isinstance(change.operation, Delete):
            if old_live:
                yield self._difference(change, "still_there", old)
        elif new_live and old_live:
            yield self._difference(change, "both_live", old, change.new_id)
        elif new_live and change.is_replacement and change.ending is Status.SKIPPED:
            # Somebody else changed the old one after the create; it may have been replaced by them.
            yield self._difference(change, "extra", change.new_id)
        elif new_live:
            if not self._is_as_wanted(change):
                yield self._difference(change, "changed", change.new_id)
        elif change.new_id is not None and not old_live:
            yield self._difference(change, "missing", old, change.new_id)
        elif not explained and not self._is_there_all_the_same(change, old):
            yield self._difference(change, "not_done", old if old_live else None)

    def _difference(self, change: TrackedOperation, what: What, *ids: str | None) -> Difference:
        named = tuple(webhook_id for webhook_id in ids if webhook_id is not None)
        return Difference(outcome=Outcome.of(change), what=what, webhook_ids=named)

    def _is_there_all_the_same(self, change: TrackedOperation, old: str | None) -> bool:
        """Return whether what an operation wanted is live although it did not succeed."""
        wanted, secret_known = self._wanted(change)
        if wanted is None:
            return False
        named = self.there.get(old or "")
        candidates = [named] if named is not None else []
        if isinstance(change.operation, Ensure):
            candidates = self._alike.get(outline(wanted, self.facts), [])
        return any(self._shows(webhook, wanted, secret_known=secret_known) for webhook in candidates)

    def _extras(self) -> Iterator[Difference]:
        accounted = {*(self.baseline or ()), *(change.new_id for change in self.changes)}
        others = {id_: webhook for id_, webhook in self.there.items() if id_ not in accounted}
        marked = {change.marker: change for change in self.changes if change.marker is not None}
        for webhook in list(others.values()):
            change = marked.get(marker_of(webhook.description) or "")
            if change is not None:
                del others[webhook.id]
                yield self._extra(change, webhook, ours=True)
        if self.baseline is None:
            return
        for change in self.changes:
            if not others:
                return
            wanted, secret_known = self._wanted(change)
            alike = [] if wanted is None else self._alike.get(outline(wanted, self.facts), [])
            for webhook in alike:
                if (
                    wanted is not None
                    and webhook.id in others
                    and self._shows(webhook, wanted, secret_known=secret_known)
                ):
                    del others[webhook.id]
                    yield self._extra(change, webhook)

    def _extra(
        self, change: TrackedOperation, webhook: WebhookConfiguration, *, ours: bool = False
    ) -> Difference:
        old = change.old_id or change.target_id
        beside = old if change.is_replacement and old in self.there and not change.ending.fine else None
        return attrs.evolve(self._difference(change, "extra", webhook.id, beside), ours=ours)

    @cached_property
    def _alike(self) -> Mapping[bytes, list[WebhookConfiguration]]:
        """The team's list by `outline`."""
        found: dict[bytes, list[WebhookConfiguration]] = defaultdict(list)
        for webhook in self.there.values():
            found[outline(webhook, self.facts)].append(webhook)
        return found

    def _is_as_wanted(self, change: TrackedOperation) -> bool:
        """Return whether what an operation made has the wanted content, as far as that is known."""
        webhook = self.there[change.new_id or ""]
        if not isinstance(change.operation, Update):
            wanted, secret_known = self._wanted(change)
            return wanted is None or self._shows(webhook, wanted, secret_known=secret_known)
        try:
            # If applying the changes again changes nothing, it is as wanted.
            again = copy_of(webhook, change.operation.changes, type_suffix=self.facts.type_suffix)
            wanted, secret_known = self._readable(again, change)
            return wanted is None or self._shows(webhook, wanted, secret_known=secret_known)
        except ConfigError:
            return True

    def _shows(self, webhook: WebhookConfiguration, wanted: AddWebhook, *, secret_known: bool) -> bool:
        try:
            return not any(differences(wanted, webhook, self.facts, secrets=secret_known))
        except SchemaMismatch:
            return False

    def _wanted(self, change: TrackedOperation) -> tuple[AddWebhook | None, bool]:
        """Return what an operation wanted, and whether its secret is known.

        For an update this is the webhook that it made, or the changed copy of its old webhook, or, if a later operation
        has deleted what it made, what the journal has stored of that.
        """
        if not isinstance(change.operation, Update):
            return self._readable(getattr(change.operation, "config", None), change)
        kept = self.deleted.get(change.new_id or "")
        try:
            if (made := self.there.get(change.new_id or "")) is not None:
                return made.copy(), True
            old = self.there.get(change.old_id or change.target_id or "")
            if change.new_id is None and old is not None:
                changes = change.operation.changes
                return self._readable(copy_of(old, changes, type_suffix=self.facts.type_suffix), change)
            if kept is not None:
                return AddWebhook.from_dict(_with_some_secret(kept)), False
        except ConfigError:
            pass
        return None, False

    def _readable(
        self, wanted: AddWebhook | None, change: TrackedOperation
    ) -> tuple[AddWebhook | None, bool]:
        """Return it, and whether its secrets are known."""
        return wanted, wanted is None or change.number not in self.without_secret


def _with_some_secret(kept: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in KeptWebhook.read(kept).item.items() if name not in SERVER_OWNED}
    if content.get("authentication") is not None:
        login = content["authentication"]
        credentials = {"client_secret": _NOT_KEPT, **login["credentials"]}
        content["authentication"] = {**login, "credentials": credentials}
    return content
