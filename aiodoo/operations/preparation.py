"""Makes planned operations ready: decides from the team's list what each has to send, if anything. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping

import attrs

from aiodoo.errors import ConfigError, NotFound, PlanDrift, SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, WebhookConfiguration, check
from aiodoo.models.copying import copy_of, keeps_secrets, with_listed
from aiodoo.models.run_marker import marked
from aiodoo.operations.compare import identical, outline, shows
from aiodoo.operations.differences import PrintOf, end_as_changed, is_as_read, is_full_copy
from aiodoo.operations.index import OperationIndex
from aiodoo.operations.operations import Create, Ensure, Replace, Update
from aiodoo.operations.tracked import GONE, Stage, Status, TrackedOperation
from aiodoo.settling import Lag

PORTION = 25
"""Operations that are prepared before a caller may let other tasks run."""


@attrs.define(eq=False)
class Preparation:
    """Makes a team's operations ready from one list.

    Attributes:
        index: the team's operations by stage.
        listing: the team's list; None while deletes and creates are sent without a list.
        facts: what doo does not document.
        lag: what the list cannot prove yet.
        print_of: returns the fingerprint of a webhook configuration that a journal stores; None without a journal.
        edited: the ids of webhooks that somebody has edited while the team was first read.
    """

    index: OperationIndex
    listing: Mapping[str, WebhookConfiguration] | None
    facts: Facts
    lag: Lag
    print_of: PrintOf | None
    edited: Collection[str]
    _named: dict[str, dict[bytes | None, deque[WebhookConfiguration]]] | None = attrs.field(
        default=None, init=False
    )

    def prepare(self) -> Iterator[None]:
        """Make each planned operation ready that does not wait for an earlier one; yield after each portion.

        Operations that name one webhook are carried out in order: a later one waits for the earlier, then uses the
        webhook's new id, and is skipped if the earlier one did not finish.
        """
        for change in self.index.at(Stage.MAYBE, Stage.CREATED):
            if change.wanted is None:
                self.restore(change)
        for number, change in enumerate(self.index.waiting()):
            self._prepare_in_turn(change)
            if number % PORTION == 0:
                yield

    def prepare_named(self, webhook_ids: Iterable[str]) -> None:
        """Make the planned operations ready that name one of these; no other one may name the same."""
        for webhook_id in webhook_ids:
            change = self.index.named.get(webhook_id)
            if (
                change is not None
                and change.stage is Stage.PLANNED
                and not change.ready
                and change.status is None
            ):
                self._prepare(change)

    def prepare_after(self, change: TrackedOperation) -> None:
        """Make the operations ready that wait only for this one."""
        following = self.index.after(change)
        while following is not None and following.stage is Stage.PLANNED and not following.ready:
            if following.status is None:
                self._prepare_in_turn(following)
            if following.status is None:
                return
            following = self.index.after(following)

    def _prepare_in_turn(self, change: TrackedOperation) -> None:
        before = self.index.before(change)
        if self.index.has_turn(change):
            self._prepare_unless_adopted(before, change)
        elif before is not None and before.status is not None:
            status = Status.SKIPPED if before.ended else Status.NOT_STARTED
            change.end(status, f"an earlier operation on {change.target_id} did not finish")

    def _prepare_unless_adopted(self, before: TrackedOperation | None, change: TrackedOperation) -> None:
        if before is not None and before.adopted:
            found = f"{before.new_id} was found by its content after an answer was lost"
            change.end(Status.SKIPPED, f"{found}, so it may be somebody else's and is not changed")
        else:
            self._prepare(change)

    def restore(self, change: TrackedOperation) -> None:
        """Compute again the content of an operation that another process has started, from its old webhook."""
        old = (self.listing or {}).get(change.old_id or "")
        as_read = None if old is None else self._is_as_read(change, old)
        match change.operation:
            case Create(config=config) | Ensure(config=config):
                _set_wanted(change, config)
            case Replace(config=config) if not keeps_secrets(config):
                change.copied = old if as_read else None
                _set_wanted(change, config)
            case _ if old is None:
                if self._is_older(change, change.old_id):
                    return
                reason = f"{change.old_id} was deleted by somebody else before its replacement was seen"
                change.end(Status.UNKNOWN, reason)
            case _ if as_read is False:
                self._end_as_changed(change)
            case _:
                change.copied = old if as_read or is_full_copy(change) else None
                try:
                    _set_wanted(change, self._wanted(change, old))
                except ConfigError as error:
                    reason = f"{change.old_id} has other content now, so its replacement cannot be recognized; both may be live"
                    change.end(Status.UNKNOWN, reason, error)

    def _end_as_changed(self, change: TrackedOperation) -> None:
        """End an update whose old webhook was changed by somebody else, so that its replacement cannot be recognized."""
        if change.new_id is not None and change.new_id in (self.listing or {}):
            end_as_changed(change)
            return
        reason = (
            f"somebody else has changed {change.old_id} before its replacement was seen; both may be live"
        )
        change.end(Status.UNKNOWN, reason, PlanDrift(f"{reason}. {change.old_id} was kept; list the team"))

    def _prepare(self, change: TrackedOperation) -> None:
        match change.operation:
            case Create(config=config):
                _set_wanted(change, config)
            case Ensure(config=config):
                self._ensure(change, config)
            case _:
                self._prepare_named(change, self._target(change))

    def _prepare_named(self, change: TrackedOperation, target: str | None) -> None:
        if self._is_older(change, target):
            return  # A later list decides whether it is there.
        if change.is_replacement:
            self._swap(change, target)
        else:
            self._delete(change, target)

    def _is_older(self, change: TrackedOperation, webhook_id: str | None) -> bool:
        """Return whether the list may lack a webhook only because it is older than the operation that made it."""
        if webhook_id is None or self.listing is None or webhook_id in self.listing:
            return False
        return self.index.predates(change, webhook_id, self.listing) is not None

    def _target(self, change: TrackedOperation) -> str | None:
        """Return the present id of the webhook that an operation names; None if an earlier operation deleted it."""
        before = self.index.before(change)
        while before is not None:
            if before.stage in GONE:
                return before.new_id
            before = self.index.before(before)
        return change.target_id

    def _ensure(self, change: TrackedOperation, config: AddWebhook) -> None:
        if not self.lag.is_current():
            # The list may lack an equal webhook that was just made, or show one that was just deleted.
            return
        alike = self._alike(config)
        while alike and self._belongs_to_another(alike[0].id):
            alike.popleft()
        there = next(
            (
                webhook
                for webhook in alike
                if not self._belongs_to_another(webhook.id) and shows(config, webhook, self.facts)
            ),
            None,
        )
        if there is None:
            _set_wanted(change, config)
        elif not self.index.count(Stage.CREATE_INTENT, Stage.MAYBE):
            # A create in doubt may have made it otherwise.
            reason = "an equal webhook configuration is there already"
            change.end(Status.UNCHANGED, reason, new_id=there.id)

    def _alike(self, config: AddWebhook) -> deque[WebhookConfiguration]:
        """Return the listed webhooks that may have this content, without comparing each with all of its name."""
        if self._named is None:
            self._named = defaultdict(lambda: defaultdict(deque))
            for webhook in (self.listing or {}).values():
                self._named[webhook.name][None].append(webhook)
        of_name = self._named[config.name]
        if len(of_name[None]) > 1:
            for webhook in of_name.pop(None):
                of_name[outline(webhook, self.facts)].append(webhook)
        return of_name[None] or of_name[outline(config, self.facts)]

    def _belongs_to_another(self, webhook_id: str) -> bool:
        """Return whether another operation has made or names a webhook, so that it does not satisfy an `Ensure`."""
        return webhook_id in self.index.made or webhook_id in self.index.named

    def _delete(self, change: TrackedOperation, target: str | None) -> None:
        change.old_id = target
        if target is None or (self.listing is not None and target not in self.listing):
            if change.deletes_sent:
                change.end(Status.APPLIED)
            elif target is None or self.lag.proves_absence():
                change.end(Status.UNCHANGED, "the team's list does not have it")
        elif self.listing is None or self._copy(change, self.listing[target]):
            change.make_ready()

    def _is_as_read(self, change: TrackedOperation, webhook: WebhookConfiguration) -> bool | None:
        return is_as_read(change, webhook, self.facts, self.print_of, edited=self.edited)

    def _copy(self, change: TrackedOperation, webhook: WebhookConfiguration) -> bool:
        """Keep the old webhook; end the operation and return False if it differs from what another process read."""
        change.old_id = webhook.id
        if change.copied is None and self._is_as_read(change, webhook) is False:
            end_as_changed(change)
            return False
        change.copied = webhook
        if self.print_of is not None:
            change.old_print = self.print_of(webhook)
        return True

    def _swap(self, change: TrackedOperation, target: str | None) -> None:
        webhook = (self.listing or {}).get(target) if target is not None else None
        if webhook is None:
            where = f"team {change.operation.team_id} has no webhook configuration {change.target_id}"
            change.end(
                Status.SKIPPED,
                "the team's list does not have it",
                NotFound(f"{where}; nothing was sent for it"),
            )
            return
        try:
            wanted = self._wanted(change, webhook)
            check(wanted)  # pyright: ignore[reportArgumentType]  # takes a field with a converter for a descriptor
            unchanged = identical(wanted, webhook, self.facts)
        except (ConfigError, SchemaMismatch) as error:
            change.end(Status.FAILED, "the changed copy is invalid; nothing was sent for it", error)
            return
        if not self._copy(change, webhook):
            return
        change.is_checked = True
        if unchanged:
            change.end(Status.UNCHANGED, "it already is as wanted", new_id=webhook.id)
        else:
            _set_wanted(change, wanted)

    def _wanted(self, change: TrackedOperation, webhook: WebhookConfiguration) -> AddWebhook:
        if isinstance(change.operation, Replace):
            return with_listed(change.operation.config, webhook, type_suffix=self.facts.type_suffix)
        assert isinstance(change.operation, Update)  # noqa: S101  # the only other replacement
        wanted = copy_of(webhook, change.operation.changes, type_suffix=self.facts.type_suffix)
        unscoped = wanted.event_id is None and wanted.event_guide_id is None
        change.scope_unknown = unscoped and not self.facts.list_echoes_scope
        return wanted


def _set_wanted(change: TrackedOperation, wanted: AddWebhook) -> None:
    if change.marker is not None and (described := marked(wanted.description, change.marker)) is not None:
        wanted = attrs.evolve(wanted, description=described)
    else:
        change.marker = None
    change.make_ready(wanted)
