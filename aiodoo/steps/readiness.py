"""Finding out, from a team's list, what each planned change has to send, or that it has nothing to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from aiodoo.errors import ConfigError, NotFound
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.models.copying import copy_of
from aiodoo.models.marker import marked
from aiodoo.operations import Create, Delete, Ensure, Replace, Update
from aiodoo.reconcile import find, identical
from aiodoo.steps.change import Change, Stage, Status

_BEGUN = frozenset({Stage.MAYBE, Stage.CREATED})
_IN_DOUBT = frozenset({Stage.CREATE_INTENT, Stage.MAYBE})
_WENT_WELL = frozenset({Status.APPLIED, Status.UNCHANGED})


@attrs.frozen
class Readiness:
    """What is known when changes are made ready.

    Attributes:
        changes: all of the team, in input order.
        listing: the team's list; None if ids are taken at their word.
        renamed: where each webhook that was replaced is now, or None if it is gone.
    """

    changes: Sequence[Change]
    listing: Mapping[str, WebhookConfiguration] | None
    renamed: Mapping[str, str | None]
    facts: Facts

    def prepare(self) -> None:
        """Make each planned change ready whose turn has come.

        Operations that name one webhook go in order: a later one waits for the earlier, then follows the
        webhook to its new id, and is skipped if the earlier one did not finish.
        """
        earlier: dict[str, Change] = {}
        for change in self.changes:
            if change.stage in _BEGUN and change.status is None and change.wanted is None:
                self._recall(change)
            if change.stage is Stage.PLANNED and change.status is None and not change.ready:
                before = earlier.get(change.names) if change.names is not None else None
                if before is None or before.stage is Stage.DELETED or before.status in _WENT_WELL:
                    self._prepare_after(before, change)
                elif before.status is not None:
                    change.end(Status.SKIPPED, f"an earlier operation on {change.names} did not finish")
            if change.names is not None:
                earlier[change.names] = change

    def _prepare_after(self, before: Change | None, change: Change) -> None:
        if before is not None and before.adopted:
            found = f"{before.new_id} was found by its content after an answer was lost"
            change.end(
                Status.SKIPPED, f"{found}, so it may be somebody else's; nothing is deleted on that ground"
            )
        else:
            self._prepare(change)

    def _recall(self, change: Change) -> None:
        """Find out again what a change wanted that another process began; what it replaces is still there."""
        change.copied = (self.listing or {}).get(change.old_id or "")
        match change.operation:
            case Create(config=config) | Ensure(config=config) | Replace(config=config):
                _want(change, config)
            case _:
                if change.copied is None:
                    reason = f"{change.old_id} was deleted by somebody else before its replacement was seen"
                    change.end(Status.UNKNOWN, reason)
                else:
                    _want(change, self._wanted(change, change.copied))
        change.ready = True

    def _prepare(self, change: Change) -> None:
        match change.operation:
            case Create(config=config):
                _want(change, config)
            case Ensure(config=config):
                self._ensure(change, config)
            case Delete(webhook_id=named):
                self._delete(change, self.renamed.get(named, named))
            case Update(webhook_id=named) | Replace(webhook_id=named):
                self._swap(change, self.renamed.get(named, named))

    def _ensure(self, change: Change, config: AddWebhook) -> None:
        # What another operation made, counts on or takes away cannot be the one that is wanted here.
        spoken_for = {id_ for other in self.changes for id_ in (other.new_id, other.names) if id_ is not None}
        there = find(config, (self.listing or {}).values(), self.facts, apart_from=spoken_for)
        if there is None:
            _want(change, config)
        elif not any(other.stage in _IN_DOUBT and other.status is None for other in self.changes):
            # Until then, what is there may be what a create in doubt has made.
            change.new_id = there.id
            change.end(Status.UNCHANGED, "an equal webhook configuration is there already")

    def _delete(self, change: Change, target: str | None) -> None:
        if target is None or (self.listing is not None and target not in self.listing):
            change.end(Status.UNCHANGED, "the team's list does not have it")
        else:
            change.old_id, change.copied = target, (self.listing or {}).get(target)
            change.ready = True

    def _swap(self, change: Change, target: str | None) -> None:
        webhook = (self.listing or {}).get(target) if target is not None else None
        if webhook is None:
            where = f"team {change.operation.team_id} has no webhook configuration {change.names}"
            change.end(
                Status.SKIPPED,
                "the team's list does not have it",
                NotFound(f"{where}; nothing was sent for it"),
            )
            return
        try:
            wanted = self._wanted(change, webhook)
        except ConfigError as error:
            change.end(Status.FAILED, "it cannot be copied so; nothing was sent for it", error)
            return
        change.old_id, change.copied = webhook.id, webhook
        if identical(wanted, webhook, self.facts):
            change.new_id = webhook.id
            change.end(Status.UNCHANGED, "it already is as wanted")
        else:
            _want(change, wanted)

    def _wanted(self, change: Change, webhook: WebhookConfiguration) -> AddWebhook:
        if isinstance(change.operation, Replace):
            return change.operation.config
        assert isinstance(change.operation, Update)  # noqa: S101  # the only other one that swaps
        wanted = copy_of(webhook, change.operation.changes, type_suffix=self.facts.type_suffix)
        unscoped = wanted.event_id is None and wanted.event_guide_id is None
        change.scope_unknown = unscoped and not self.facts.list_echoes_scope
        return wanted


def _want(change: Change, wanted: AddWebhook) -> None:
    if change.marker is not None and (with_marker := marked(wanted, change.marker)) is not None:
        wanted = with_marker
    else:
        change.marker = None
    change.wanted = wanted
    change.ready = True
